"""Limits of the system on this process and on those that it starts, as on a small or busy machine."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager


def files_up_to(size_bytes: int) -> AbstractContextManager[None]:
    """Let no file grow beyond `size_bytes`, as on a full disk; Python ignores the signal of longer writes."""
    return _limited(resource.RLIMIT_FSIZE, size_bytes)


def open_files(number: int) -> AbstractContextManager[None]:
    """Let a process have only so many files and connections open."""
    return _limited(resource.RLIMIT_NOFILE, number)


@contextmanager
def _limited(kind: int, value: int) -> Iterator[None]:
    before = resource.getrlimit(kind)
    resource.setrlimit(kind, (value, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(kind, before)
