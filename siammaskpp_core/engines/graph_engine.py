"""The part of an engine that all CPU runtimes share: batches of targets, and windows for the refine graph."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np

from siammaskpp_core.arrays import Float32Array, Image
from siammaskpp_core.engines.options import CPU, EngineOptions
from siammaskpp_core.model.folder import WINDOW_STRIDES, Model, graph_outputs
from siammaskpp_core.network.config import MASK_SIZE
from siammaskpp_core.network.protocol import SearchOutput


class GraphEngine(ABC):
    """An engine that runs the graphs of a model folder; a CPU searches for two targets at a time.

    Each of the two uses half of the threads, which then wait less for each other: two searches take 1.6 to
    1.9 times as long as one with all threads, and only 1.1 times where other programs delay some threads.
    The refine graph gains nothing from this. Batching gains nothing on a CPU either, and the grouped
    correlation, which is the fastest there, fixes the batch size of its graph.
    """

    runtime = ""
    """Name of the runtime, one of :data:`~siammaskpp_core.engines.options.CPU_ENGINES`."""

    def __init__(self, model: Model, options: EngineOptions) -> None:
        self.name = self.runtime if options.device == CPU else f"{self.runtime} on {options.device}"
        cores = len(allowed_cores())
        threads = min(options.threads or cores, cores) if options.device == CPU else 1
        self.threads_per_target = 0 if threads % 2 else threads // 2
        """Threads of each of two parallel searches; 0 when their number is odd: nothing runs in parallel."""
        self._outputs = graph_outputs(model.network)["search"]
        self._strides = {name: stride for name, stride in WINDOW_STRIDES.items() if name in self._outputs}
        self._windows: dict[str, Float32Array] = {}

    @abstractmethod
    def run(self, graph: str, inputs: dict[str, Any], target: int = 0) -> list[Float32Array]:
        """The outputs of one of the model's graphs for named, contiguous inputs of batch size 1.

        They are valid until the same graph runs again for the same number of a `target`.
        """

    @abstractmethod
    def run_pair(
        self, graph: str, inputs: Sequence[dict[str, Any]], target: int = 0
    ) -> list[list[Float32Array]]:
        """Like :meth:`run`, in parallel for `target` and the next with :attr:`threads_per_target` each."""

    def _run_all(self, graph: str, inputs: Sequence[dict[str, Any]]) -> list[list[Float32Array]]:
        paired = len(inputs) // 2 * 2 if self.threads_per_target else 0
        outputs = [
            output
            for target in range(0, paired, 2)
            for output in self.run_pair(graph, inputs[target : target + 2], target)
        ]
        return outputs + [self.run(graph, inputs[target], target) for target in range(paired, len(inputs))]

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
            SearchOutput(**{name: x[0] for name, x in zip(self._outputs, output, strict=True)})
            for output in self._run_all("search", inputs)
        ]

    def refine(self, outputs: list[SearchOutput], cells: list[tuple[int, int]]) -> Float32Array:
        """See :class:`~siammaskpp_core.network.protocol.Engine`."""
        masks = np.empty((len(outputs), MASK_SIZE, MASK_SIZE), np.float32)
        for mask, output, cell in zip(masks, outputs, cells, strict=True):
            mask[:] = self.run("refine", self.refine_inputs(output, cell))[0][0, 0]
        return masks

    def refine_inputs(self, output: SearchOutput, cell: tuple[int, int]) -> dict[str, Float32Array]:
        """The inputs of the refine graph at one response cell (row, column); their buffers are reused."""
        assert output.mask is not None
        row, column = cell
        inputs = {"vector": np.ascontiguousarray(output.mask[:, row, column])[None, :, None, None]}
        for name, stride in self._strides.items():
            features = getattr(output, name)
            if name not in self._windows:
                side = features.shape[-1] - 16 * stride
                self._windows[name] = np.empty((1, len(features), side, side), np.float32)
            cut_window(features, row, column, stride, out=self._windows[name][0])
            inputs[name] = self._windows[name]
        return inputs


def cut_window(features: Float32Array, row: int, column: int, stride: int, out: Float32Array) -> None:
    """Write to `out` [C, n, n] the part of `features` [C, H, W] that a response cell's 127x127 mask covers.

    Cells outside the map are zero. `stride` is the distance of two response cells in feature cells: 4, 2 or
    1 for features at stride 2, 4 or 8; n is H - 16 * stride. The window is the same as in
    :func:`~siammaskpp_core.network.refine.cut_windows`.
    """
    side = out.shape[-1]
    top, left = (row - 4) * stride, (column - 4) * stride
    rows = slice(max(top, 0), min(top + side, features.shape[1]))
    columns = slice(max(left, 0), min(left + side, features.shape[2]))
    part = features[:, rows, columns]
    if part.shape != out.shape:
        out.fill(0)
    out[:, rows.start - top : rows.stop - top, columns.start - left : columns.stop - left] = part


def allowed_cores() -> list[int]:
    """The numbers of the processors on which this process may run."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))
