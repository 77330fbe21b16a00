"""The base class of all errors that a user can mend, and the error about a missing package."""

from __future__ import annotations

from collections.abc import Iterator
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
