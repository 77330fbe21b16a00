"""The GPU through cuda-python, NVIDIA's own binding."""

from __future__ import annotations

import ctypes
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np

from siammaskpp_core.arrays import AnyArray
from siammaskpp_core.engines.imports import importing
from siammaskpp_core.network.protocol import EngineError

with importing("cuda-python", "cuda", "pip install cuda-python"):
    try:
        from cuda.bindings import runtime as cuda
    except ModuleNotFoundError:  # before 12.6
        from cuda import cudart as cuda


class CudaDriver:
    """A :class:`~siammaskpp_core.engines.tensorrt.device.Driver` on cuda-python."""

    def __init__(self) -> None:
        properties = _call(cuda.cudaGetDeviceProperties, 0)
        self.device = properties.name.split(b"\0")[0].decode()
        self.compute_capability = f"{properties.major}.{properties.minor}"
        self.stream = int(_call(cuda.cudaStreamCreateWithFlags, cuda.cudaStreamNonBlocking))
        self._release: list[tuple[Callable[..., Any], Any]] = [(cuda.cudaStreamDestroy, self.stream)]
        weakref.finalize(self, _release_all, self._release)

    def allocate(self, size: int) -> int:
        """See :class:`Driver`."""
        address = int(_call(cuda.cudaMalloc, size))
        self._release.append((cuda.cudaFree, address))
        return address

    def host_array(self, shape: tuple[int, ...], dtype: Any) -> AnyArray:
        """See :class:`Driver`."""
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        address = int(_call(cuda.cudaHostAlloc, size, cuda.cudaHostAllocDefault))
        self._release.append((cuda.cudaFreeHost, address))
        memory = (ctypes.c_uint8 * size).from_address(address)
        memory.driver = self  # keeps the driver alive as long as the array
        return np.frombuffer(memory, dtype).reshape(shape)

    def upload(self, address: int, array: AnyArray, offset: int = 0) -> None:
        """See :class:`Driver`."""
        kind = cuda.cudaMemcpyKind.cudaMemcpyHostToDevice
        _call(cuda.cudaMemcpyAsync, address + offset, array.ctypes.data, array.nbytes, kind, self.stream)

    def download(self, array: AnyArray, address: int) -> None:
        """See :class:`Driver`."""
        kind = cuda.cudaMemcpyKind.cudaMemcpyDeviceToHost
        _call(cuda.cudaMemcpyAsync, array.ctypes.data, address, array.nbytes, kind, self.stream)

    def synchronise(self) -> None:
        """See :class:`Driver`."""
        _call(cuda.cudaStreamSynchronize, self.stream)

    def capture(self, enqueue: Callable[[], None]) -> Callable[[], None]:
        """See :class:`Driver`."""
        mode = cuda.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal
        _call(cuda.cudaStreamBeginCapture, self.stream, mode)
        try:
            enqueue()
        finally:
            error, graph = cuda.cudaStreamEndCapture(self.stream)
        _check(error)
        executable = _call(cuda.cudaGraphInstantiate, graph, 0)
        _call(cuda.cudaGraphDestroy, graph)
        replay = _Replay(executable, self.stream)
        weakref.finalize(replay, cuda.cudaGraphExecDestroy, executable)
        return replay


class _Replay:
    """Enqueues a recorded CUDA graph, which is destroyed with this object."""

    def __init__(self, executable: Any, stream: int) -> None:
        self._executable, self._stream = executable, stream

    def __call__(self) -> None:
        _call(cuda.cudaGraphLaunch, self._executable, self._stream)


def _call(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function of the CUDA runtime; returns its result or raises :class:`EngineError`."""
    error, *result = function(*arguments)
    _check(error)
    return result[0] if result else None


def _check(error: Any) -> None:
    if int(error) != 0:
        _, text = cuda.cudaGetErrorString(error)
        raise EngineError(f"CUDA: {text.decode() if isinstance(text, bytes) else text}")


def _release_all(release: list[tuple[Callable[..., Any], Any]]) -> None:
    for function, value in reversed(release):
        function(value)
