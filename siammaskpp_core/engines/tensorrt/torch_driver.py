"""The GPU through torch, where torch is installed and cuda-python is not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from siammaskpp_core.arrays import AnyArray
from siammaskpp_core.engines.imports import importing
from siammaskpp_core.network.protocol import EngineError

with importing("torch", "torch", "pip install torch"):
    import torch


class TorchDriver:
    """A :class:`~siammaskpp_core.engines.tensorrt.device.Driver` on torch."""

    def __init__(self) -> None:
        if not torch.cuda.is_available():
            raise EngineError("torch finds no GPU")
        properties = torch.cuda.get_device_properties(0)
        self.device = properties.name
        self.compute_capability = f"{properties.major}.{properties.minor}"
        self._stream = torch.cuda.Stream(0)
        self.stream = int(self._stream.cuda_stream)
        self._memory: dict[int, torch.Tensor] = {}

    def allocate(self, size: int) -> int:
        """See :class:`Driver`."""
        memory = torch.empty(size, dtype=torch.uint8, device="cuda:0")
        self._memory[memory.data_ptr()] = memory
        return memory.data_ptr()

    def host_array(self, shape: tuple[int, ...], dtype: Any) -> AnyArray:
        """See :class:`Driver`."""
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        return torch.empty(size, dtype=torch.uint8, pin_memory=True).numpy().view(dtype).reshape(shape)

    def upload(self, address: int, array: AnyArray, offset: int = 0) -> None:
        """See :class:`Driver`."""
        source = torch.from_numpy(array.reshape(-1).view(np.uint8))
        with torch.cuda.stream(self._stream):
            self._memory[address][offset : offset + source.numel()].copy_(source, non_blocking=True)

    def download(self, array: AnyArray, address: int) -> None:
        """See :class:`Driver`."""
        target = torch.from_numpy(array.reshape(-1).view(np.uint8))
        with torch.cuda.stream(self._stream):
            target.copy_(self._memory[address][: target.numel()], non_blocking=True)

    def synchronise(self) -> None:
        """See :class:`Driver`."""
        try:
            self._stream.synchronize()
        except RuntimeError as error:
            raise EngineError(f"CUDA: {error}") from error

    def capture(self, enqueue: Callable[[], None]) -> Callable[[], None]:
        """See :class:`Driver`."""
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph, stream=self._stream, capture_error_mode="thread_local"):
                enqueue()
        except RuntimeError as error:
            raise EngineError(f"CUDA: {error}") from error

        def replay() -> None:
            with torch.cuda.stream(self._stream):
                graph.replay()

        return replay
