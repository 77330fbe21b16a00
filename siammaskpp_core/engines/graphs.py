"""A model folder's three ONNX graphs, and the part of an engine that all CPU runtimes share."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from siammaskpp_core.config import ConfigError, from_mapping, load_yaml, to_mapping
from siammaskpp_core.engines.protocol import Floats, ModelError, Pixels, SearchOutput
from siammaskpp_core.network.config import MASK_SIZE, NetworkConfig
from siammaskpp_core.tracking.config import TrackingConfig

DESCRIPTION = "model.yaml"
GRAPHS = ("template", "search", "refine")


@dataclass(frozen=True)
class Model:
    """A model folder that was found complete: three graphs and their description."""

    folder: Path
    network: NetworkConfig
    tracking: TrackingConfig

    def graph(self, name: str) -> Path:
        """The ONNX file of `template`, `search` or `refine`."""
        return self.folder / f"{name}.onnx"


def read_model(folder: Path) -> Model:
    """The model in `folder`; :class:`ModelError` when a file is missing, damaged or of another kind."""
    description = folder / DESCRIPTION
    if not description.is_file():
        raise ModelError(f"{folder} is not a model folder: {DESCRIPTION} is missing")
    try:
        content = load_yaml(description)
        network = from_mapping(NetworkConfig, content["network"], f"{description}: network")
        tracking = from_mapping(TrackingConfig, content["tracking"], f"{description}: tracking")
        digests = {name: content["sha256"][name] for name in GRAPHS}
    except KeyError as error:
        raise ModelError(f"{description}: the key {error} is missing; export the model again") from error
    except (ConfigError, TypeError) as error:
        raise ModelError(f"{description}: {error}") from error
    model = Model(folder, network, tracking)
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


def write_description(folder: Path, network: NetworkConfig, tracking: TrackingConfig) -> None:
    """Write `model.yaml` for the three graphs in `folder`."""
    content = {
        "network": to_mapping(network),
        "tracking": to_mapping(tracking),
        "sha256": {name: _digest(folder / f"{name}.onnx") for name in GRAPHS},
    }
    (folder / DESCRIPTION).write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")


class GraphEngine(ABC):
    """An engine that runs the three graphs one target at a time.

    On a CPU a batch of targets takes as long as its parts, and the grouped correlation, the fastest form
    there, fixes the batch size of its graph.
    """

    name = ""

    @abstractmethod
    def run(self, graph: str, inputs: dict[str, Any]) -> list[Floats]:
        """The outputs of one of the :data:`GRAPHS` for named inputs of batch size 1."""

    def encode_template(self, crops: Pixels) -> Floats:
        """See :class:`~siammaskpp_core.engines.protocol.Engine`."""
        return np.concatenate([self.run("template", {"pixels": crop[None]})[0] for crop in crops])

    def search(self, crops: Pixels, kernels: list[Floats]) -> list[SearchOutput]:
        """See :class:`~siammaskpp_core.engines.protocol.Engine`."""
        return [
            SearchOutput(*(x[0] for x in self.run("search", {"pixels": crop[None], "kernels": kernel[None]})))
            for crop, kernel in zip(crops, kernels, strict=True)
        ]

    def refine(self, outputs: list[SearchOutput], cells: list[tuple[int, int]]) -> Floats:
        """See :class:`~siammaskpp_core.engines.protocol.Engine`."""
        masks = np.empty((len(outputs), MASK_SIZE, MASK_SIZE), np.float32)
        for mask, output, (row, column) in zip(masks, outputs, cells, strict=True):
            inputs = {
                "vector": np.ascontiguousarray(output.mask[:, row, column])[None, :, None, None],
                "stride2": cut_window(output.stride2, row, column, 4)[None],
                "stride4": cut_window(output.stride4, row, column, 2)[None],
                "conv3": cut_window(output.conv3, row, column, 1)[None],
            }
            mask[:] = self.run("refine", inputs)[0][0, 0]
        return masks


def cut_window(features: Floats, row: int, column: int, step: int) -> Floats:
    """The part of features [C, H, W] around a response cell that its 127x127 mask covers; zeros outside.

    `step` is 4, 2 or 1 for the features at stride 2, 4 or 8. The same window as the network's
    `cut_windows`.
    """
    side = features.shape[-1] - 16 * step
    top, left = (row - 4) * step, (column - 4) * step
    rows = slice(max(top, 0), min(top + side, features.shape[1]))
    columns = slice(max(left, 0), min(left + side, features.shape[2]))
    part = features[:, rows, columns]
    if part.shape[1:] == (side, side):
        return np.ascontiguousarray(part)
    window = np.zeros((len(features), side, side), np.float32)
    window[:, rows.start - top : rows.stop - top, columns.start - left : columns.stop - left] = part
    return window


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
