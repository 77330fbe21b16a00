"""Import of the runtimes, which may be missing, fail to load, or report to their makers."""

from __future__ import annotations

import functools
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from siammaskpp_core.network.protocol import EngineError


@contextmanager
def importing(name: str, module: str, install: str) -> Iterator[None]:
    """Import the package `module`, called `name` in messages, inside this context.

    Raises :class:`EngineError` that says either that the package is not installed and how to `install` it, or
    why it is installed and cannot be loaded: a limit on memory, or a system library that is missing.
    """
    try:
        yield
    except (ImportError, OSError, MemoryError) as error:
        if isinstance(error, ModuleNotFoundError) and error.name and error.name.split(".")[0] == module:
            raise EngineError(f"{name} is not installed: {install}") from error
        reason = str(error) or type(error).__name__
        raise EngineError(
            f"{name} is installed, but cannot be loaded ({reason}); check the limit on memory (ulimit -v) "
            f"and the system libraries that the reason names, or reinstall: {install}"
        ) from error


@contextmanager
def hidden(module: str) -> Iterator[None]:
    """Let `module` seem not to be installed inside this context, unless it has been imported before."""
    if module in sys.modules:
        yield
        return
    sys.modules[module] = None  # type: ignore[assignment]  # documented: the import system then refuses it
    try:
        yield
    finally:
        del sys.modules[module]


def openvino_core() -> Any:
    """Return the one core of OpenVINO in this process; raises what :func:`importing` does."""
    with (
        importing("OpenVINO", "openvino", "pip install 'siammaskpp[openvino]'"),
        hidden("openvino_telemetry"),  # it would report every import
    ):
        import openvino
    return _core(openvino)


@functools.cache
def _core(openvino: ModuleType) -> Any:
    """Make a core, which is kept.

    OpenVINO gives the thread that makes a core a stack for its signals. Of two cores that end in the order in
    which they were made, the second one brings back the stack of the first, which is freed by then: the next
    signal, such as Ctrl-C, ends the process with a segmentation fault.
    """
    return openvino.Core()
