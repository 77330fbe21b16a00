"""siammaskpp_core.model.folder."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import yaml

from siammaskpp_core.config import ConfigError, from_mapping, load_yaml, to_mapping
from siammaskpp_core.network.config import NetworkConfig
from siammaskpp_core.network.protocol import ModelError
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


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
