"""TensorRT's Python package, and what differs between its versions 8.5, 10 and 11.

Other modules use only what all versions have; flags that not all of them have are looked up by name.
"""

from __future__ import annotations

from typing import Any

from siammaskpp_core.engines.imports import importing
from siammaskpp_core.network.protocol import EngineError

with importing(
    "TensorRT",
    "tensorrt",
    "on a Jetson `apt install python3-libnvinfer`, on a PC `pip install 'siammaskpp[tensorrt]'`",
):
    import tensorrt as trt
    from tensorrt import ILogger

__all__ = ["LOG", "flags", "sides", "trt", "version"]

OLDEST = (8, 5)
"""The first version with execute_async_v3 and with convolutions whose kernel is an input."""


class Log(ILogger):  # type: ignore[misc,unused-ignore]
    """Collects TensorRT's errors: the calls only return None and report the reason to a logger."""

    def __init__(self) -> None:
        ILogger.__init__(self)
        self.errors: list[str] = []

    def log(self, severity: ILogger.Severity, msg: str) -> None:
        """Keep the message if it is an error; TensorRT calls this."""
        if severity in (ILogger.Severity.ERROR, ILogger.Severity.INTERNAL_ERROR):
            self.errors.append(msg.strip())

    @property
    def reason(self) -> str:
        """The first error: the later ones usually follow from it."""
        return self.errors[0] if self.errors else "TensorRT gave no reason"


LOG = Log()


def version() -> str:
    """TensorRT's version; raises :class:`EngineError` when it is too old."""
    found: str = trt.__version__
    if tuple(int(part) for part in found.split(".")[:2]) < OLDEST:
        raise EngineError(
            f"TensorRT {found} is too old, 8.5 is the oldest that works (JetPack 5.1); use another engine"
        )
    return found


def flags(group: Any, *names: str) -> int:
    """The bit mask of `names` in the enumeration `group`; names that this TensorRT lacks are left out."""
    return sum(1 << int(getattr(group, name)) for name in names if hasattr(group, name))


def sides(shape: Any) -> tuple[int, ...]:
    """A shape of TensorRT as a tuple; TensorRT accepts tuples too, but its type stubs do not say so."""
    return tuple(shape)
