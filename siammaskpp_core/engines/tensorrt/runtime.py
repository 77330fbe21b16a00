"""Execution of serialized TensorRT engines, with fixed buffers, one stream and CUDA graphs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from siammaskpp_core.arrays import AnyArray
from siammaskpp_core.engines.tensorrt.device import Driver
from siammaskpp_core.engines.tensorrt.library import LOG, sides, trt
from siammaskpp_core.network.protocol import EngineError

_TYPES = {"FLOAT": np.float32, "INT32": np.int32, "UINT8": np.uint8}


def deserialize(name: str, serialized: bytes) -> trt.ICudaEngine:
    """Load the serialized engine `name`; raises :class:`EngineError` with TensorRT's reason."""
    LOG.errors.clear()
    engine = trt.Runtime(LOG).deserialize_cuda_engine(serialized)
    if engine is None:
        raise EngineError(f"the engine {name} cannot be loaded: {LOG.reason}")
    return engine


@dataclass(frozen=True)
class Buffer:
    """GPU memory of one tensor; `shape` is the largest, for all targets."""

    address: int
    shape: tuple[int, ...]
    dtype: Any


class BoundGraph:
    """One engine with its own execution context, bound to buffers.

    Each context belongs to one CUDA graph, since TensorRT forbids changes to a recorded context. `given` are
    buffers of other graphs that this one reads; all other buffers are allocated.
    """

    def __init__(
        self,
        name: str,
        engine: trt.ICudaEngine,
        driver: Driver,
        given: Mapping[str, Buffer] | None = None,
    ) -> None:
        self._name, self._driver = name, driver
        self._engine = engine  # must outlive its contexts
        self._context = engine.create_execution_context()
        if self._context is None:
            raise EngineError(f"{name}: the GPU has no memory for it ({LOG.reason})")
        self.buffers: dict[str, Buffer] = {}
        self._dynamic: list[str] = []
        for index in range(engine.num_io_tensors):
            tensor = engine.get_tensor_name(index)
            self.buffers[tensor] = self._bind(tensor, (given or {}).get(tensor))
        self._host: dict[str, AnyArray] = {}
        self._batch = 0
        self._enqueue_all: Callable[[], None] | None = None

    def _bind(self, tensor: str, given: Buffer | None) -> Buffer:
        """Bind `tensor` to the `given` buffer or to a new one for its largest shape; returns the buffer."""
        shape = sides(self._engine.get_tensor_shape(tensor))
        if -1 in shape:
            if self._engine.get_tensor_mode(tensor) == trt.TensorIOMode.INPUT:
                self._dynamic.append(tensor)
            shape = (self._largest_batch(), *shape[1:])
        dtype = _TYPES[self._engine.get_tensor_dtype(tensor).name]
        if given is not None and (given.shape, given.dtype) != (shape, dtype):
            raise EngineError(
                f"{self._name}: {tensor} is {shape}, but its buffer is {given.shape}; build again"
            )
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        buffer = given or Buffer(self._driver.allocate(size), shape, dtype)
        if not self._context.set_tensor_address(tensor, buffer.address):
            raise EngineError(f"{self._name}: TensorRT refuses the address of {tensor}: {LOG.reason}")
        return buffer

    def _largest_batch(self) -> int:
        """The largest batch size of the profile, which is the same for all tensors."""
        engine = self._engine
        for name in map(engine.get_tensor_name, range(engine.num_io_tensors)):
            is_input = engine.get_tensor_mode(name) == trt.TensorIOMode.INPUT
            if is_input and -1 in sides(engine.get_tensor_shape(name)):
                _, _, largest = engine.get_tensor_profile_shape(name, 0)
                return sides(largest)[0]
        raise EngineError(f"{self._name}: an output has a symbolic batch size, but no input; build again")

    def host(self, tensor: str) -> AnyArray:
        """The page-locked host array of a tensor, allocated when it is first used."""
        if tensor not in self._host:
            buffer = self.buffers[tensor]
            self._host[tensor] = self._driver.host_array(buffer.shape, buffer.dtype)
        return self._host[tensor]

    def upload(self, tensor: str, values: AnyArray, first: int = 0) -> None:
        """Enqueue a copy of `values` to a tensor's rows from `first` on; `values` may change afterwards."""
        rows = self.host(tensor)[first : first + len(values)]
        np.copyto(rows, values)
        self._driver.upload(self.buffers[tensor].address, rows, first * rows[:1].nbytes)

    def download(self, tensor: str, batch: int) -> AnyArray:
        """Enqueue a copy of a tensor's first `batch` rows to the host; they are valid after synchronising."""
        rows = self.host(tensor)[:batch]
        self._driver.download(rows, self.buffers[tensor].address)
        return rows

    def run(self, batch: int) -> None:
        """Enqueue the computation on the first `batch` rows.

        The second call in a row with the same batch size records a CUDA graph: later calls cost the CPU one
        launch instead of hundreds. TensorRT must have run once before it can be recorded.
        """
        if batch != self._batch:
            self._set_batch(batch)
            self._execute()
            return
        if self._enqueue_all is None:
            self._enqueue_all = self._record()
        self._enqueue_all()

    def _set_batch(self, batch: int) -> None:
        self._enqueue_all, self._batch = None, 0
        for tensor in self._dynamic:
            if not self._context.set_input_shape(tensor, (batch, *self.buffers[tensor].shape[1:])):
                raise EngineError(f"{self._name}: TensorRT refuses a batch of {batch}: {LOG.reason}")
        self._batch = batch

    def _record(self) -> Callable[[], None]:
        """A function that launches the CUDA graph, or plain execution where recording is not possible."""
        try:
            return self._driver.capture(self._execute)
        except EngineError:
            return self._execute

    def _execute(self) -> None:
        if not self._context.execute_async_v3(self._driver.stream):
            raise EngineError(f"{self._name}: TensorRT could not run it: {LOG.reason}")
