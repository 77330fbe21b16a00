"""Export of trained weights to a model folder: ONNX graphs, checked against torch."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import onnx
import torch
from torch import Tensor, nn

from siammaskpp_core.config import to_mapping
from siammaskpp_core.engines.export.fusion import fused
from siammaskpp_core.engines.export.parity import GRAPHS, example_inputs, parity
from siammaskpp_core.engines.graph_engine import GraphEngine
from siammaskpp_core.engines.load import load_engine
from siammaskpp_core.engines.options import CPU_ENGINES, EngineOptions
from siammaskpp_core.io.outputs import Output
from siammaskpp_core.model.checkpoint import WEIGHTS, load_mean
from siammaskpp_core.model.folder import graph_inputs, graph_outputs, read_model, write_description
from siammaskpp_core.network.protocol import EngineError
from siammaskpp_core.network.siammaskpp import SiamMaskPP
from siammaskpp_core.tracking.config import TrackingConfig

OPSET = 17


def export(checkpoints: Sequence[Path], output: Path) -> None:
    """Write the mean of one or more training checkpoints (their EMA weights) as the model folder `output`.

    The tracking parameters are those of the first checkpoint. Raises :class:`ModelError` when a file is not
    a checkpoint or is of another network than the first, and what :func:`save_model` raises.
    """
    save_model(*load_mean(checkpoints), output)


def save_model(model: SiamMaskPP, tracking: TrackingConfig, output: Path) -> None:
    """Write the new or empty model folder `output` and check it with every installed runtime.

    Raises :class:`~siammaskpp_core.engines.difference.DifferenceError` and writes nothing when a runtime
    differs from torch.
    """
    with Output(output, is_folder=True) as work:
        write_model(model, tracking, work)
        for name in CPU_ENGINES:
            try:
                engine = load_engine(read_model(work), EngineOptions(name))
            except EngineError as error:
                print(f"{name}: not checked ({error})")
                continue
            assert isinstance(engine, GraphEngine)
            difference = parity(model, engine)
            print(f"{name}: largest relative difference to torch {max(difference.values()):.1e}")


def write_model(model: SiamMaskPP, tracking: TrackingConfig, output: Path) -> None:
    """Write the graphs of `model`, its weights and `model.yaml` to the existing folder `output`."""
    state = {
        "network": to_mapping(model.config),
        "tracking": to_mapping(tracking),
        "model": model.state_dict(),
    }
    with (output / WEIGHTS).open("wb") as file:  # with a path, torch hides that the disk is full
        torch.save(state, file)
    inputs_of, outputs_of, composed = graph_inputs(model.config), graph_outputs(model.config), fused(model)
    for name, inputs in example_inputs(model).items():
        _export(GRAPHS[name](composed), inputs, output / f"{name}.onnx", inputs_of[name], outputs_of[name])
    write_description(output, model.config, tracking)


def _export(
    graph: nn.Module, inputs: tuple[Tensor, ...], path: Path, names: list[str], outputs: list[str]
) -> None:
    options: dict[str, Any] = {"input_names": names, "output_names": outputs, "opset_version": OPSET}
    with warnings.catch_warnings():
        # The sizes are meant to be constants of the graph. The exporter is deprecated, but the only one that
        # writes the correlation as a grouped convolution.
        warnings.simplefilter("ignore", torch.jit.TracerWarning)  # type: ignore[attr-defined]
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.filterwarnings("ignore", "Constant folding")  # the runtimes fold the remaining constants
        torch.onnx.export(graph.eval(), inputs, str(path), dynamo=False, **options)
        with torch.no_grad():
            _fix_sizes(path, [tuple(value.shape) for value in graph(*inputs)])


def _fix_sizes(path: Path, shapes: list[tuple[int, ...]]) -> None:
    """Write the constant sizes of all outputs into the graph: the exporter loses some of them."""
    model = onnx.load(str(path))
    for output, shape in zip(model.graph.output, shapes, strict=True):
        for dimension, size in zip(output.type.tensor_type.shape.dim, shape, strict=True):
            dimension.dim_value = size
    onnx.save(model, str(path))
