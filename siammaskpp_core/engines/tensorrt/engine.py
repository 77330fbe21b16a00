"""TensorRT on an NVIDIA GPU, with engines that `siammaskpp build-engine` built on this machine."""

from __future__ import annotations

import weakref

import numpy as np

from siammaskpp_core.arrays import Float32Array, Image
from siammaskpp_core.engines.options import EngineOptions
from siammaskpp_core.engines.tensorrt import cache
from siammaskpp_core.engines.tensorrt.check import verify
from siammaskpp_core.engines.tensorrt.device import Driver, open_driver
from siammaskpp_core.engines.tensorrt.library import trt, version
from siammaskpp_core.engines.tensorrt.runtime import BoundGraph, deserialize
from siammaskpp_core.model.folder import Model, graph_outputs
from siammaskpp_core.network.config import MASK_SIZE
from siammaskpp_core.network.protocol import EngineError, SearchOutput

_DOWNLOADED = ("cls", "loc")
"""Outputs of the search that the tracker reads; the others stay on the GPU for the refine graph."""


class TensorRtEngine:
    """Runs the built engines; see :class:`~siammaskpp_core.network.protocol.Engine`.

    Targets are searched in groups of up to the number that the engine was built for. Every group has its own
    buffers: the kernels of a target are uploaded when it gets its row, and features never leave the GPU, so
    mask and features of a :class:`SearchOutput` are None.

    Nothing is built here. Raises :class:`EngineError` when there is no engine for this machine and model,
    when it is damaged, or when its outputs differ from those of ONNX Runtime. `options` have no effect: the
    precision is that of the engine that was built last.
    """

    name = "tensorrt"

    def __init__(
        self, model: Model, options: EngineOptions | None = None, built: cache.Built | None = None
    ) -> None:
        tensorrt = version()
        self._driver: Driver = open_driver()
        if built is None:
            key = cache.key_of(model, tensorrt, self._driver.device, self._driver.compute_capability)
            built = cache.read(cache.newest(key, model), key)
        self.max_targets = built.max_targets
        self._outputs = [name for name in graph_outputs(model.network)["search"] if name in _DOWNLOADED]
        self._engines = {name: deserialize(name, engine) for name, engine in built.engines.items()}
        self._template = BoundGraph("template", self._engines["template"], self._driver)
        self._groups: list[_Group] = []
        self.differences = verify(self, built.expected, built.precision)
        """Relative difference of each output to ONNX Runtime; see :func:`verify`."""

    def encode_template(self, crops: Image) -> Float32Array:
        """See :class:`~siammaskpp_core.network.protocol.Engine`."""
        parts = []
        for first in range(0, len(crops), self.max_targets):
            part = crops[first : first + self.max_targets]
            self._template.upload("pixels", part)
            self._template.run(len(part))
            kernels = self._template.download("kernels", len(part))
            self._driver.synchronise()
            parts.append(kernels.copy())
        return np.concatenate(parts)

    def search(self, crops: Image, kernels: list[Float32Array]) -> list[SearchOutput]:
        """See :class:`~siammaskpp_core.network.protocol.Engine`."""
        outputs: list[SearchOutput] = []
        for index, first in enumerate(range(0, len(crops), self.max_targets)):
            if index == len(self._groups):
                self._groups.append(_Group(self._engines, self._driver, self._outputs))
            part = slice(first, first + self.max_targets)
            outputs += self._groups[index].search(crops[part], kernels[part])
        self._driver.synchronise()
        return outputs

    def refine(self, outputs: list[SearchOutput], cells: list[tuple[int, int]]) -> Float32Array:
        """See :class:`~siammaskpp_core.network.protocol.Engine`."""
        masks = np.empty((len(outputs), MASK_SIZE, MASK_SIZE), np.float32)
        for group in self._groups:
            own = [index for index, output in enumerate(outputs) if _on_gpu(output).group is group]
            for first in range(0, len(own), self.max_targets):
                part = own[first : first + self.max_targets]
                refined = group.refine([_on_gpu(outputs[i]) for i in part], [cells[i] for i in part])
                self._driver.synchronise()
                masks[part] = refined[:, 0]
        return masks


class _GpuOutput(SearchOutput):
    """A search output whose mask responses and features lie on the GPU, in row `row` of a group's buffers."""

    group: _Group
    row: int
    search_number: int


def _on_gpu(output: SearchOutput) -> _GpuOutput:
    """`output`, after a check that its features have not been overwritten by a later search."""
    if not isinstance(output, _GpuOutput) or output.search_number != output.group.searches:
        raise EngineError("only answers of the last search can be refined: their features are on the GPU")
    return output


class _Group:
    """Buffers and execution contexts for up to `max_targets` targets."""

    def __init__(self, engines: dict[str, trt.ICudaEngine], driver: Driver, outputs: list[str]) -> None:
        self._search = BoundGraph("search", engines["search"], driver)
        self._refine: BoundGraph | None = None
        if "refine" in engines:
            self._refine = BoundGraph("refine", engines["refine"], driver, self._search.buffers)
        self._names = outputs
        rows = self._search.buffers["kernels"].shape[0]
        self._uploaded: list[weakref.ref[Float32Array] | None] = [None] * rows
        """The kernels in each row of the GPU's buffer, so that they are uploaded only once."""
        self.searches = 0
        """Number of searches so far; each one overwrites the outputs of the one before."""

    def search(self, crops: Image, kernels: list[Float32Array]) -> list[_GpuOutput]:
        """Enqueue a search; the outputs are valid after the stream has been synchronised."""
        self.searches += 1
        for row, kernel in enumerate(kernels):
            uploaded = self._uploaded[row]
            if uploaded is None or uploaded() is not kernel:
                self._search.upload("kernels", kernel[None], row)
                self._uploaded[row] = weakref.ref(kernel)
        self._search.upload("pixels", crops)
        self._search.run(len(crops))
        arrays = [self._search.download(name, len(crops)) for name in self._names]
        outputs = []
        for row, values in enumerate(zip(*arrays, strict=True)):
            output = _GpuOutput(**dict(zip(self._names, values, strict=True)))
            output.group, output.row, output.search_number = self, row, self.searches
            outputs.append(output)
        return outputs

    def refine(self, outputs: list[_GpuOutput], cells: list[tuple[int, int]]) -> Float32Array:
        """Enqueue the masks [N, 1, 127, 127] of some outputs of the last search."""
        assert self._refine is not None, "a network without masks"
        self._refine.upload("rows", np.array([output.row for output in outputs], np.int32))
        self._refine.upload("cells", np.array(cells, np.int32))
        self._refine.run(len(cells))
        return self._refine.download("probability", len(cells))
