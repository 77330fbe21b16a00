"""A model folder's ONNX graphs, and the part of an engine that all CPU runtimes share."""

from __future__ import annotations

import hashlib
import os
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from siammaskpp_core.config import ConfigError, from_mapping, load_yaml, to_mapping
from siammaskpp_core.engine_options import EngineOptions
from siammaskpp_core.engines.protocol import Floats, ModelError, Pixels, SearchOutput
from siammaskpp_core.network.config import MASK_SIZE, NetworkConfig
from siammaskpp_core.tracking.config import TrackingConfig

DESCRIPTION = "model.yaml"
PRECISIONS = ("fp32", "int8")


def graph_inputs(network: NetworkConfig) -> dict[str, list[str]]:
    """The graphs of a network and the names of their inputs."""
    inputs = {"template": ["pixels"], "search": ["pixels", "kernels"]}
    if network.mask != "none":
        inputs["refine"] = ["vector", *(WINDOWS if network.mask == "re" else {})]
    return inputs


def graph_outputs(network: NetworkConfig) -> dict[str, list[str]]:
    """The graphs of a network and the names of their outputs; those of search name the answer's fields."""
    search = ["cls"]
    if network.has_boxes:
        search.append("loc")
    if network.mask != "none":
        search.append("mask")
    if network.mask == "re":
        search.extend(WINDOWS)
    outputs = {"template": ["kernels"], "search": search}
    if network.mask != "none":
        outputs["refine"] = ["probability"]
    return outputs


WINDOWS = {"stride2": 4, "stride4": 2, "conv3": 1}
"""Features that the refine module takes, and how many of their cells make one of the response's."""


@dataclass(frozen=True)
class Model:
    """A model folder that was found complete: its graphs and their description."""

    folder: Path
    network: NetworkConfig
    tracking: TrackingConfig
    precision: str = "fp32"
    """Of the weights and activations of the search: fp32, or int8 (`siammaskpp quantise`)."""

    def graph(self, name: str) -> Path:
        """The ONNX file of one of the `graphs`."""
        return self.folder / f"{name}.onnx"

    @property
    def graphs(self) -> tuple[str, ...]:
        """`template`, `search`, and of a network with masks `refine`."""
        return tuple(graph_inputs(self.network))


def read_model(folder: Path) -> Model:
    """The model in `folder`; :class:`ModelError` when a file is missing, damaged or of another kind."""
    description = folder / DESCRIPTION
    if not description.is_file():
        raise ModelError(f"{folder} is not a model folder: {DESCRIPTION} is missing")
    try:
        content = load_yaml(description)
        network = from_mapping(NetworkConfig, content["network"], f"{description}: network")
        tracking = from_mapping(TrackingConfig, content["tracking"], f"{description}: tracking")
        precision = content.get("precision", "fp32")
        digests = {name: content["sha256"][name] for name in graph_inputs(network)}
    except KeyError as error:
        raise ModelError(f"{description}: the key {error} is missing; export the model again") from error
    except (ConfigError, TypeError) as error:
        raise ModelError(f"{description}: {error}") from error
    if precision not in PRECISIONS:
        raise ModelError(f"{description}: precision {precision!r} is not one of {', '.join(PRECISIONS)}")
    model = Model(folder, network, tracking, precision)
    for name, digest in digests.items():
        path = model.graph(name)
        if not path.is_file():
            raise ModelError(f"{path} is missing; copy the whole folder or export the model again")
        if _digest(path) != digest:
            raise ModelError(
                f"{path} is damaged or not the file that {description} describes (its SHA-256 differs); "
                "copy it again or export the model again"
            )
    return model


def write_description(
    folder: Path, network: NetworkConfig, tracking: TrackingConfig, precision: str = "fp32"
) -> None:
    """Write `model.yaml` for the graphs in `folder`."""
    content = {
        "precision": precision,
        "network": to_mapping(network),
        "tracking": to_mapping(tracking),
        "sha256": {name: _digest(folder / f"{name}.onnx") for name in graph_inputs(network)},
    }
    (folder / DESCRIPTION).write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")


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
        self._windows: dict[str, Floats] = {}

    @abstractmethod
    def run(self, graph: str, inputs: dict[str, Any], slot: int = 0) -> list[Floats]:
        """The outputs of one of the model's graphs for named, contiguous inputs of batch size 1.

        They are valid until the same graph runs again in the same `slot`.
        """

    @abstractmethod
    def run_pair(self, graph: str, inputs: Sequence[dict[str, Any]], slot: int = 0) -> list[list[Floats]]:
        """As :meth:`run` for two targets at once, in `slot` and the next, with :attr:`half` threads each."""

    def _run_all(self, graph: str, inputs: Sequence[dict[str, Any]]) -> list[list[Floats]]:
        paired = len(inputs) // 2 * 2 if self.half else 0
        answers = [
            answer
            for slot in range(0, paired, 2)
            for answer in self.run_pair(graph, inputs[slot : slot + 2], slot)
        ]
        return answers + [self.run(graph, inputs[slot], slot) for slot in range(paired, len(inputs))]

    def encode_template(self, crops: Pixels) -> Floats:
        """See :class:`~siammaskpp_core.engines.protocol.Engine`."""
        return np.concatenate([self.run("template", {"pixels": crop[None]})[0].copy() for crop in crops])

    def search(self, crops: Pixels, kernels: list[Floats]) -> list[SearchOutput]:
        """See :class:`~siammaskpp_core.engines.protocol.Engine`."""
        inputs = [
            {"pixels": crop[None], "kernels": kernel[None]}
            for crop, kernel in zip(crops, kernels, strict=True)
        ]
        return [
            SearchOutput(**{name: x[0] for name, x in zip(self._answer, answer, strict=True)})
            for answer in self._run_all("search", inputs)
        ]

    def refine(self, outputs: list[SearchOutput], cells: list[tuple[int, int]]) -> Floats:
        """See :class:`~siammaskpp_core.engines.protocol.Engine`."""
        masks = np.empty((len(outputs), MASK_SIZE, MASK_SIZE), np.float32)
        for mask, output, cell in zip(masks, outputs, cells, strict=True):
            mask[:] = self.run("refine", self.refine_inputs(output, cell))[0][0, 0]
        return masks

    def refine_inputs(self, output: SearchOutput, cell: tuple[int, int]) -> dict[str, Floats]:
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


def cut_window(features: Floats, row: int, column: int, step: int, out: Floats) -> None:
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


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
