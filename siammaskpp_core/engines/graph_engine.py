"""A model folder's ONNX graphs, and the part of an engine that all CPU runtimes share."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np

from siammaskpp_core.arrays import Float32Array, Image
from siammaskpp_core.engines.options import EngineOptions
from siammaskpp_core.model.folder import WINDOWS, Model, graph_outputs
from siammaskpp_core.network.config import MASK_SIZE
from siammaskpp_core.network.protocol import SearchOutput


class GraphEngine(ABC):
    """An engine that runs a model's graphs, the search for two targets at once on half of the threads each.

    Fewer threads wait less for each other: two searches take 1.6 to 1.9 times as long as one with all
    threads, and where other programs hold up some of these as little as 1.1 times. The refine graph gains
    nothing. On a CPU a batch of targets takes as long as its parts, and the grouped correlation, the fastest
    form there, fixes the batch size of its graph.
    """

    name = ""

    def __init__(self, model: Model, options: EngineOptions) -> None:
        cores = len(allowed_cores())
        threads = min(options.threads or cores, cores)
        self.half = 0 if threads % 2 else threads // 2
        """Threads for each of two targets at once; 0 where threads would be left over."""
        self._answer = graph_outputs(model.network)["search"]
        self._steps = {name: step for name, step in WINDOWS.items() if name in self._answer}
        self._windows: dict[str, Float32Array] = {}

    @abstractmethod
    def run(self, graph: str, inputs: dict[str, Any], slot: int = 0) -> list[Float32Array]:
        """The outputs of one of the model's graphs for named, contiguous inputs of batch size 1.

        They are valid until the same graph runs again in the same `slot`.
        """

    @abstractmethod
    def run_pair(
        self, graph: str, inputs: Sequence[dict[str, Any]], slot: int = 0
    ) -> list[list[Float32Array]]:
        """As :meth:`run` for two targets at once, in `slot` and the next, with :attr:`half` threads each."""

    def _run_all(self, graph: str, inputs: Sequence[dict[str, Any]]) -> list[list[Float32Array]]:
        paired = len(inputs) // 2 * 2 if self.half else 0
        answers = [
            answer
            for slot in range(0, paired, 2)
            for answer in self.run_pair(graph, inputs[slot : slot + 2], slot)
        ]
        return answers + [self.run(graph, inputs[slot], slot) for slot in range(paired, len(inputs))]

    def encode_template(self, crops: Image) -> Float32Array:
        """See :class:`~siammaskpp_core.network.protocol.Engine`."""
        return np.concatenate([self.run("template", {"pixels": crop[None]})[0].copy() for crop in crops])

    def search(self, crops: Image, kernels: list[Float32Array]) -> list[SearchOutput]:
        """See :class:`~siammaskpp_core.network.protocol.Engine`."""
        inputs = [
            {"pixels": crop[None], "kernels": kernel[None]}
            for crop, kernel in zip(crops, kernels, strict=True)
        ]
        return [
            SearchOutput(**{name: x[0] for name, x in zip(self._answer, answer, strict=True)})
            for answer in self._run_all("search", inputs)
        ]

    def refine(self, outputs: list[SearchOutput], cells: list[tuple[int, int]]) -> Float32Array:
        """See :class:`~siammaskpp_core.network.protocol.Engine`."""
        masks = np.empty((len(outputs), MASK_SIZE, MASK_SIZE), np.float32)
        for mask, output, cell in zip(masks, outputs, cells, strict=True):
            mask[:] = self.run("refine", self.refine_inputs(output, cell))[0][0, 0]
        return masks

    def refine_inputs(self, output: SearchOutput, cell: tuple[int, int]) -> dict[str, Float32Array]:
        """The inputs of the graph `refine` at one (row, column) cell; its windows are reused."""
        assert output.mask is not None
        row, column = cell
        inputs = {"vector": np.ascontiguousarray(output.mask[:, row, column])[None, :, None, None]}
        for name, step in self._steps.items():
            features = getattr(output, name)
            if name not in self._windows:
                side = features.shape[-1] - 16 * step
                self._windows[name] = np.empty((1, len(features), side, side), np.float32)
            cut_window(features, row, column, step, out=self._windows[name][0])
            inputs[name] = self._windows[name]
        return inputs


def cut_window(features: Float32Array, row: int, column: int, step: int, out: Float32Array) -> None:
    """Write to `out` [C, n, n] the part of features [C, H, W] that a response cell's 127x127 mask covers.

    Zeros outside the map. `step` is 4, 2 or 1 for the features at stride 2, 4 or 8; n is H - 16 * step. The
    same window as the network's `cut_windows`.
    """
    side = out.shape[-1]
    top, left = (row - 4) * step, (column - 4) * step
    rows = slice(max(top, 0), min(top + side, features.shape[1]))
    columns = slice(max(left, 0), min(left + side, features.shape[2]))
    part = features[:, rows, columns]
    if part.shape != out.shape:
        out.fill(0)
    out[:, rows.start - top : rows.stop - top, columns.start - left : columns.stop - left] = part


def allowed_cores() -> list[int]:
    """The processors on which this process may run."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))
