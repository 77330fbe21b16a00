"""The base class of all errors that a user can mend, an error about missing packages, and lists of causes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager


class UserError(Exception):
    """Base class of every error that the user can mend; the message says what is wrong and what to do.

    Programs show such an error as one line. Every other exception is a mistake in the program and shows its
    traceback.
    """


class MissingPackageError(UserError):
    """A package that only some tasks need is not installed; the message says what to install."""


@contextmanager
def extra(name: str, purpose: str) -> Iterator[None]:
    """Import packages of the extra `name` inside this context.

    `purpose` completes the sentence "PACKAGE is needed ...". Raises :class:`MissingPackageError` that says
    which extra to install when a module is not found.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        raise MissingPackageError(
            f"{error.name} is needed {purpose} and not installed: pip install 'siammaskpp[{name}]'"
        ) from error


LISTED = 10
"""Number of causes that are listed; of the others only the number is shown."""


def listed(causes: Sequence[str]) -> str:
    """Return the first :data:`LISTED` causes, one on each line, and the number of the others."""
    more = [f"  and {len(causes) - LISTED} more"] if len(causes) > LISTED else []
    return "\n".join([*(f"  {cause}" for cause in causes[:LISTED]), *more])


def with_causes(message: str, causes: Sequence[str]) -> str:
    """Return a message with its causes: one in the same line, several as a list."""
    if len(causes) <= 1:
        return ": ".join([message, *causes])
    return f"{message}\n{listed(causes)}"
