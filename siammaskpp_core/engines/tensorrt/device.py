"""The GPU's memory, stream and graphs, by whichever library is there: cuda-python or torch."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any, Protocol

from siammaskpp_core.arrays import AnyArray
from siammaskpp_core.network.protocol import EngineError


class Driver(Protocol):
    """One GPU and one stream on it. Memory is released with the driver."""

    device: str
    """The GPU's name, e.g. Orin."""
    compute_capability: str
    """E.g. 8.7."""
    stream: int
    """Handle of the stream on which everything is enqueued, in order."""

    def allocate(self, size: int) -> int:
        """Address of `size` bytes of the GPU's memory, aligned to 256 bytes at least."""

    def host_array(self, shape: tuple[int, ...], dtype: Any) -> AnyArray:
        """An array in memory of the host from and to which the GPU copies by itself (page-locked)."""

    def upload(self, address: int, array: AnyArray, offset: int = 0) -> None:
        """Enqueue a copy of a contiguous host array to `offset` bytes after an allocated `address`."""

    def download(self, array: AnyArray, address: int) -> None:
        """Enqueue a copy from an allocated `address` to a contiguous host array."""

    def synchronise(self) -> None:
        """Wait until everything that was enqueued is done; :class:`EngineError` when some of it failed."""

    def capture(self, enqueue: Callable[[], None]) -> Callable[[], None]:
        """Record what `enqueue` enqueues, without running it; a function that enqueues all of it at once.

        Raises :class:`EngineError` when it cannot be recorded.
        """


def open_driver() -> Driver:
    """The first GPU; :class:`EngineError` when there is none, or no library to reach it."""
    reasons = []
    for module, name in (("cuda_driver", "CudaDriver"), ("torch_driver", "TorchDriver")):
        try:
            driver: Driver = getattr(import_module(f"siammaskpp_core.engines.tensorrt.{module}"), name)()
        except EngineError as error:
            reasons.append(str(error))
        else:
            return driver
    raise EngineError("no NVIDIA GPU can be used: " + "; ".join(reasons))
