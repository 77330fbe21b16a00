"""The interface to a GPU: memory, one stream and CUDA graphs, through cuda-python or torch."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any, Protocol

from siammaskpp_core.arrays import AnyArray
from siammaskpp_core.network.protocol import EngineError


class Driver(Protocol):
    """One GPU and one stream on it; its memory is released with the driver."""

    device: str
    """Name of the GPU, e.g. Orin."""
    compute_capability: str
    """Compute capability of the GPU, e.g. 8.7."""
    stream: int
    """Handle of the stream on which all work is enqueued in order."""

    def allocate(self, size: int) -> int:
        """Allocate `size` bytes of GPU memory; returns an address aligned to at least 256 bytes."""

    def host_array(self, shape: tuple[int, ...], dtype: Any) -> AnyArray:
        """An array in page-locked host memory, which the GPU reads and writes by itself."""

    def upload(self, address: int, array: AnyArray, offset: int = 0) -> None:
        """Enqueue a copy of a contiguous host array to an allocated `address` plus `offset` bytes."""

    def download(self, array: AnyArray, address: int) -> None:
        """Enqueue a copy from an allocated `address` to a contiguous host array."""

    def synchronise(self) -> None:
        """Wait for all enqueued work; raises :class:`EngineError` when some of it failed."""

    def capture(self, enqueue: Callable[[], None]) -> Callable[[], None]:
        """Record what `enqueue` enqueues as a CUDA graph, without running it.

        Returns a function that enqueues the whole graph. Raises :class:`EngineError` when the work cannot be
        recorded.
        """


def open_driver() -> Driver:
    """A driver of the first GPU; raises :class:`EngineError` when there is no GPU or no library for it."""
    reasons = []
    for module, name in (("cuda_driver", "CudaDriver"), ("torch_driver", "TorchDriver")):
        try:
            driver: Driver = getattr(import_module(f"siammaskpp_core.engines.tensorrt.{module}"), name)()
        except EngineError as error:
            reasons.append(str(error))
        else:
            return driver
    raise EngineError("no NVIDIA GPU can be used: " + "; ".join(reasons))
