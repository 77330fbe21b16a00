"""TensorRT on an NVIDIA GPU, with engines that `siammaskpp build-engine` built on this very machine."""

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

_FOR_THE_TRACKER = ("cls", "loc")
"""Answers that go to the host; the others are for the refine graph alone and stay on the GPU."""


class TensorRtEngine:
    """See :class:`~siammaskpp_core.network.protocol.Engine`.

    Targets are searched in groups of as many as the engine was built for. A group keeps its buffers: the
    kernels of a target are uploaded when it comes to its place, and features never leave the GPU. In an
    answer, therefore, mask and features are None.

    Nothing is built here. Raises :class:`EngineError` when there is no engine for this machine, when it is
    damaged or foreign, or when it answers other than ONNX Runtime did. Of the options none is for it: the
    precision is what was built last.
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
        self._answer = [name for name in graph_outputs(model.network)["search"] if name in _FOR_THE_TRACKER]
        self._engines = {name: deserialize(name, engine) for name, engine in built.engines.items()}
        self._template = BoundGraph("template", self._engines["template"], self._driver)
        self._groups: list[_Group] = []
        self.differences = verify(self, built.expected, built.precision)
        """Of what it answers to what ONNX Runtime did, by output; see `tensorrt_check`."""

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
        answers: list[SearchOutput] = []
        for index, first in enumerate(range(0, len(crops), self.max_targets)):
            if index == len(self._groups):
                self._groups.append(_Group(self._engines, self._driver, self._answer))
            part = slice(first, first + self.max_targets)
            answers += self._groups[index].search(crops[part], kernels[part])
        self._driver.synchronise()
        return answers

    def refine(self, outputs: list[SearchOutput], cells: list[tuple[int, int]]) -> Float32Array:
        """See :class:`~siammaskpp_core.network.protocol.Engine`."""
        masks = np.empty((len(outputs), MASK_SIZE, MASK_SIZE), np.float32)
        for group in self._groups:
            mine = [index for index, output in enumerate(outputs) if _answer(output).group is group]
            for first in range(0, len(mine), self.max_targets):
                part = mine[first : first + self.max_targets]
                found = group.refine([_answer(outputs[i]) for i in part], [cells[i] for i in part])
                self._driver.synchronise()
                masks[part] = found[:, 0]
        return masks


class _Answer(SearchOutput):
    """What the tracker reads of an answer, and where the rest of it lies on the GPU."""

    group: _Group
    row: int
    number: int


def _answer(output: SearchOutput) -> _Answer:
    if not isinstance(output, _Answer) or output.number != output.group.searches:
        raise EngineError("only answers of the last search can be refined: their features are on the GPU")
    return output


class _Group:
    """Buffers and contexts for up to `max_targets` targets."""

    def __init__(self, engines: dict[str, trt.ICudaEngine], driver: Driver, answer: list[str]) -> None:
        self._search = BoundGraph("search", engines["search"], driver)
        self._refine: BoundGraph | None = None
        if "refine" in engines:
            self._refine = BoundGraph("refine", engines["refine"], driver, self._search.buffers)
        self._names = answer
        self._places: list[weakref.ref[Float32Array] | None] = [None] * self._search.buffers["kernels"].shape[
            0
        ]
        self.searches = 0
        """Number of searches: answers of another one than the last are overwritten."""

    def search(self, crops: Image, kernels: list[Float32Array]) -> list[_Answer]:
        """Enqueue a search; the answers are filled when the stream has been synchronised."""
        self.searches += 1
        for row, kernel in enumerate(kernels):
            place = self._places[row]
            if place is None or place() is not kernel:
                self._search.upload("kernels", kernel[None], row)
                self._places[row] = weakref.ref(kernel)
        self._search.upload("pixels", crops)
        self._search.run(len(crops))
        rows = [self._search.download(name, len(crops)) for name in self._names]
        answers = []
        for row, values in enumerate(zip(*rows, strict=True)):
            answer = _Answer(**dict(zip(self._names, values, strict=True)))
            answer.group, answer.row, answer.number = self, row, self.searches
            answers.append(answer)
        return answers

    def refine(self, answers: list[_Answer], cells: list[tuple[int, int]]) -> Float32Array:
        """Enqueue the masks [N, 1, 127, 127] of some answers of the last search."""
        assert self._refine is not None, "a network without masks"
        self._refine.upload("rows", np.array([answer.row for answer in answers], np.int32))
        self._refine.upload("cells", np.array(cells, np.int32))
        self._refine.run(len(cells))
        return self._refine.download("probability", len(cells))
