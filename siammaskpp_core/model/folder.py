"""A model folder: its ONNX graphs and `model.yaml`, read, checked and written."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import yaml

from siammaskpp_core.config import ConfigError, from_mapping, load_yaml, shown, to_mapping
from siammaskpp_core.errors import UserError
from siammaskpp_core.model.onnx_file import has_external_data
from siammaskpp_core.network.config import NetworkConfig
from siammaskpp_core.tracking.config import TrackingConfig

DESCRIPTION = "model.yaml"
PRECISIONS = ("fp32", "int8")
WINDOW_STRIDES = {"stride2": 4, "stride4": 2, "conv3": 1}
"""Features that the refine module reads, and the distance of two response cells in cells of each."""


class ModelError(UserError):
    """A model folder is missing, incomplete or damaged; the message names the file and the remedy."""


def graph_inputs(network: NetworkConfig) -> dict[str, list[str]]:
    """The names of the inputs of each graph of a network."""
    inputs = {"template": ["pixels"], "search": ["pixels", "kernels"]}
    if network.mask != "none":
        inputs["refine"] = ["vector", *(WINDOW_STRIDES if network.mask == "re" else {})]
    return inputs


def graph_outputs(network: NetworkConfig) -> dict[str, list[str]]:
    """The names of the outputs of each graph; those of search are fields of the engines' `SearchOutput`."""
    search = ["cls"]
    if network.has_boxes:
        search.append("loc")
    if network.mask != "none":
        search.append("mask")
    if network.mask == "re":
        search.extend(WINDOW_STRIDES)
    outputs = {"template": ["kernels"], "search": search}
    if network.mask != "none":
        outputs["refine"] = ["probability"]
    return outputs


@dataclass(frozen=True)
class Model:
    """A model folder whose files were found complete and undamaged."""

    folder: Path
    network: NetworkConfig
    tracking: TrackingConfig
    precision: str = "fp32"
    """Precision of the search graph: fp32, or int8 after `siammaskpp quantise`."""
    license: str = ""
    """Licence of the weights as an SPDX expression; empty when the folder names none."""

    def graph(self, name: str) -> Path:
        """The path of the ONNX file of a graph."""
        return self.folder / f"{name}.onnx"

    @property
    def graphs(self) -> tuple[str, ...]:
        """The names of the graphs: `template`, `search` and, for a network with masks, `refine`."""
        return tuple(graph_inputs(self.network))


def read_model(folder: Path) -> Model:
    """Read and check the model in `folder`.

    Raises :class:`ModelError` when a file is missing, damaged or not of a model.
    """
    description = folder / DESCRIPTION
    if not description.is_file():
        raise ModelError(f"{folder} is not a model folder: {DESCRIPTION} is missing")
    try:
        content = load_yaml(description)
        network = from_mapping(NetworkConfig, content["network"], f"{description}: network")
        tracking = from_mapping(TrackingConfig, content["tracking"], f"{description}: tracking")
        precision = content.get("precision", "fp32")
        license = str(content.get("license", ""))
        digests = {name: content["sha256"][name] for name in graph_inputs(network)}
    except KeyError as error:
        raise ModelError(f"{description}: the key {error} is missing; export the model again") from error
    except (ConfigError, TypeError) as error:
        raise ModelError(f"{description}: {error}") from error
    if precision not in PRECISIONS:
        raise ModelError(f"{description}: precision {shown(precision)} is not one of {', '.join(PRECISIONS)}")
    model = Model(folder, network, tracking, precision, license)
    for name, digest in digests.items():
        path = model.graph(name)
        if not path.is_file():
            raise ModelError(f"{path} is missing; copy the whole folder or export the model again")
        graph = path.read_bytes()
        if hashlib.sha256(graph).hexdigest() != digest:
            raise ModelError(
                f"{path} is damaged or not the file that {description} describes (its SHA-256 differs); "
                "copy it again or export the model again"
            )
        _check_graph(path, graph)
    return model


def _check_graph(path: Path, content: bytes) -> None:
    """Raise :class:`ModelError` unless all weights of a graph lie in its file, which the SHA-256 covers."""
    try:
        is_complete = not has_external_data(content)
    except ValueError as error:
        raise ModelError(f"{path} is not an ONNX file ({error}); export the model again") from error
    if not is_complete:
        raise ModelError(
            f"{path} keeps weights in other files, which no SHA-256 protects; export the model again, or "
            "save the graph as one file: onnx.save(onnx.load(path), path)"
        )


def write_description(
    folder: Path,
    network: NetworkConfig,
    tracking: TrackingConfig,
    precision: str = "fp32",
    license: str = "",
) -> None:
    """Write `model.yaml` for the graphs in `folder`, with their SHA-256.

    `license` is an SPDX expression; when it is empty, the file names none.
    """
    content = {
        **({"license": license} if license else {}),
        "precision": precision,
        "network": to_mapping(network),
        "tracking": to_mapping(tracking),
        "sha256": {name: _digest(folder / f"{name}.onnx") for name in graph_inputs(network)},
    }
    (folder / DESCRIPTION).write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
