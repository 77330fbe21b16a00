"""Packages that only some commands need."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def extra(name: str, purpose: str) -> Iterator[None]:
    """Imports for a `purpose`; ImportError that says which extra to install when one is missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise ImportError(
            f"{error.name} is needed {purpose} and not installed: pip install 'siammaskpp[{name}]'"
        ) from error
