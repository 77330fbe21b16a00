"""A disk that is full: files can grow to a size, as on a small one, and every longer write fails."""

import resource
from contextlib import contextmanager


@contextmanager
def files_up_to(size_bytes):
    """Let no file grow beyond `size_bytes`; longer writes fail, as Python ignores the signal."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
