"""Writers of results: each receives every frame with the results of all targets.

A writer is a function. :func:`~siammaskpp_core.offline.writers.formats.open_writer` opens the one of a
format as a context manager; its output appears when the context ends without an error.
"""
