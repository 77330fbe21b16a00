"""TensorRT's Python package, in one place: 8.5, 10 and 11 differ in what flags there are.

Only what all of them have is used elsewhere; names of flags that come and go are looked up.
"""

from __future__ import annotations

from typing import Any

from siammaskpp_core.network.protocol import EngineError

try:
    import tensorrt as trt
    from tensorrt import ILogger
except ImportError as error:
    raise EngineError(
        "TensorRT is not installed: on a Jetson `apt install python3-libnvinfer`, on a PC "
        f"`pip install 'siammaskpp[tensorrt]'` ({error})"
    ) from error

__all__ = ["LOG", "flags", "sides", "trt", "version"]

OLDEST = (8, 5)
"""The first with execute_async_v3, and with convolutions whose kernel is an input."""


class Log(ILogger):  # type: ignore[misc,unused-ignore]
    """Keeps TensorRT's errors, which come by a logger while the calls only return None."""

    def __init__(self) -> None:
        ILogger.__init__(self)
        self.errors: list[str] = []

    def log(self, severity: ILogger.Severity, msg: str) -> None:
        """Called by TensorRT."""
        if severity in (ILogger.Severity.ERROR, ILogger.Severity.INTERNAL_ERROR):
            self.errors.append(msg.strip())

    @property
    def reason(self) -> str:
        """The first error, which the others follow from."""
        return self.errors[0] if self.errors else "TensorRT gave no reason"


LOG = Log()


def version() -> str:
    """TensorRT's version; raises :class:`EngineError` for one that is too old."""
    found: str = trt.__version__
    if tuple(int(part) for part in found.split(".")[:2]) < OLDEST:
        raise EngineError(
            f"TensorRT {found} is too old, 8.5 is the oldest that works (JetPack 5.1); use another engine"
        )
    return found


def flags(group: Any, *names: str) -> int:
    """The bits of those `names` that the enumeration `group` of this TensorRT has."""
    return sum(1 << int(getattr(group, name)) for name in names if hasattr(group, name))


def sides(shape: Any) -> tuple[int, ...]:
    """A shape as TensorRT gives it. It takes tuples, too, but its published types know neither."""
    return tuple(shape)
