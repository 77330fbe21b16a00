"""From trained weights to a model folder: ONNX graphs, checked against torch."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from siammaskpp_core.config import from_mapping, to_mapping
from siammaskpp_core.engines import CPU_ENGINES, EngineOptions, load_engine
from siammaskpp_core.engines.fusion import fused
from siammaskpp_core.engines.graphs import (
    GraphEngine,
    graph_inputs,
    graph_outputs,
    read_model,
    write_description,
)
from siammaskpp_core.engines.protocol import EngineError, ModelError
from siammaskpp_core.network.config import RESPONSE_SIZE, SEARCH_SIZE, TEMPLATE_SIZE, NetworkConfig
from siammaskpp_core.network.refine import Windows, cut_windows
from siammaskpp_core.network.siammaskpp import SiamMaskPP
from siammaskpp_core.tracking.config import TrackingConfig
from siammaskpp_core.video import Output

OPSET = 17
WEIGHTS = "weights.pt"
TOLERANCE = 1e-3
"""Largest difference to torch, relative to the largest value of the tensor."""


class ParityError(EngineError):
    """A runtime computes something else than torch."""


def export(checkpoints: Sequence[Path], output: Path) -> None:
    """Save the averaged network of a training's checkpoint as the model folder `output`.

    Of several checkpoints, the mean of their weights; how it tracks is said by the first. Raises
    :class:`ModelError` when one is no checkpoint, or of another network, and what :func:`save_model` raises.
    """
    save_model(*load_mean(checkpoints), output)


def save_model(model: SiamMaskPP, tracking: TrackingConfig, output: Path) -> None:
    """Write the model folder `output`, a new or empty one, and check it with every installed runtime.

    Raises :class:`ParityError` when a runtime differs from torch; then nothing is left behind.
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


def load_checkpoint(path: Path) -> tuple[SiamMaskPP, TrackingConfig]:
    """The network in the weights of a model folder, or the averaged one of a training, and how it tracks.

    Raises :class:`ModelError` when the file is neither.
    """
    try:
        state = torch.load(path, weights_only=True, map_location="cpu")
        model = SiamMaskPP(from_mapping(NetworkConfig, state["network"], str(path)))
        tracking = from_mapping(TrackingConfig, state["tracking"], str(path))
        weights = state["average"] if "average" in state else state["model"]
        weights.pop("n_averaged", None)
        model.load_state_dict({name.removeprefix("module."): value for name, value in weights.items()})
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror})") from error
    except Exception as error:  # torch reports a foreign file by many exceptions
        reason = str(error).partition("\n")[0]
        raise ModelError(
            f"{path} is not a checkpoint of `siammaskpp train` nor {WEIGHTS} of a model folder: {reason}"
        ) from error
    return model.eval(), tracking


def load_mean(paths: Sequence[Path]) -> tuple[SiamMaskPP, TrackingConfig]:
    """The network with the mean of the weights in `paths`, and how the first one tracks.

    Raises :class:`ModelError` as :func:`load_checkpoint`, and when the networks are not alike.
    """
    model, tracking = load_checkpoint(paths[0])
    states = [model.state_dict()]
    for path in paths[1:]:
        other = load_checkpoint(path)[0]
        if other.config != model.config:
            raise ModelError(f"{path} is of another network than {paths[0]}: no mean can be made of them")
        states.append(other.state_dict())
    for name, values in states[0].items():
        if values.is_floating_point():  # the rest are counts
            values.copy_(torch.stack([state[name] for state in states]).mean(0))
    return model, tracking


def write_model(model: SiamMaskPP, tracking: TrackingConfig, output: Path) -> None:
    """Export the graphs of `model`, its weights and their description to the folder `output`."""
    state = {
        "network": to_mapping(model.config),
        "tracking": to_mapping(tracking),
        "model": model.state_dict(),
    }
    torch.save(state, output / WEIGHTS)
    names, results, composed = graph_inputs(model.config), graph_outputs(model.config), fused(model)
    for name, inputs in _example_inputs(model).items():
        _export(_GRAPHS[name](composed), inputs, output / f"{name}.onnx", names[name], results[name])
    write_description(output, model.config, tracking)


def parity(model: SiamMaskPP, engine: GraphEngine, tolerance: float = TOLERANCE) -> dict[str, float]:
    """Largest relative difference of every output of `engine` to torch, on random pictures.

    Raises :class:`ParityError` that names the outputs which differ more than `tolerance`.
    """
    differences = {}
    for name, values in _example_inputs(model).items():
        with torch.no_grad():
            expected = _GRAPHS[name](model)(*values)
        names = graph_inputs(model.config)[name]
        feeds = {key: value.numpy() for key, value in zip(names, values, strict=True)}
        for index, (own, reference) in enumerate(zip(engine.run(name, feeds), expected, strict=True)):
            differences[f"{name}[{index}]"] = relative_difference(own, reference.numpy())
    wrong = {key: value for key, value in differences.items() if not value <= tolerance}
    if wrong:
        listed = ", ".join(f"{key} by {value:.2e}" for key, value in wrong.items())
        raise ParityError(f"{engine.name} differs from torch by more than {tolerance:g}: {listed}")
    return differences


def relative_difference(values: NDArray[np.float32], reference: NDArray[np.float32]) -> float:
    """The largest difference, in largest values of `reference`; 0 where both are zero throughout."""
    largest = max(float(np.abs(reference).max()), float(np.finfo(np.float32).tiny))
    return float(np.abs(values - reference).max()) / largest


class _Template(nn.Module):
    def __init__(self, model: SiamMaskPP) -> None:
        super().__init__()
        self.model = model

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        return (self.model.template(pixels),)


class _Search(_Template):
    def forward(self, pixels: Tensor, kernels: Tensor) -> tuple[Tensor, ...]:  # type: ignore[override]
        response, features = self.model.search(pixels, kernels)
        answer = {**response._asdict(), **features._asdict()}
        return tuple(answer[name] for name in graph_outputs(self.model.config)["search"])


class _Refine(_Template):
    def forward(self, vector: Tensor, *windows: Tensor) -> tuple[Tensor, ...]:  # type: ignore[override]
        return (self.model.masks(vector, Windows(*windows) if windows else None).sigmoid(),)


_GRAPHS: dict[str, type[_Template]] = {"template": _Template, "search": _Search, "refine": _Refine}
"""What each of the ONNX files computes."""


def _example_inputs(model: SiamMaskPP) -> dict[str, tuple[Tensor, ...]]:
    """Inputs of every graph of the network, from smooth random pictures."""
    generator = torch.Generator().manual_seed(0)

    def picture(size: int) -> Tensor:
        coarse = torch.rand(1, 3, 9, 9, generator=generator)
        smooth = nn.functional.interpolate(coarse, size=(size, size), mode="bicubic")
        return (smooth.clamp(0, 1) * 255).to(torch.uint8).permute(0, 2, 3, 1).contiguous()

    with torch.no_grad():
        template, search = picture(TEMPLATE_SIZE), picture(SEARCH_SIZE)
        kernels = model.template(template)
        inputs: dict[str, tuple[Tensor, ...]] = {"template": (template,), "search": (search, kernels)}
        response, features = model.search(search, kernels)
        if response.mask is not None:
            middle = torch.tensor([RESPONSE_SIZE // 2])
            vector = response.mask[:, :, middle, middle][..., None]
            windows: tuple[Tensor, ...] = ()
            if model.refine is not None:
                windows = cut_windows(features, torch.tensor([0]), middle, middle)
            inputs["refine"] = (vector, *windows)
    return inputs


def _export(
    graph: nn.Module, inputs: tuple[Tensor, ...], path: Path, names: list[str], outputs: list[str]
) -> None:
    options: dict[str, Any] = {"input_names": names, "output_names": outputs, "opset_version": OPSET}
    with warnings.catch_warnings():
        # All sizes are meant to be constants of the graph, and the exporter is old, but the only one that
        # writes the correlation as a grouped convolution.
        warnings.simplefilter("ignore", torch.jit.TracerWarning)  # type: ignore[attr-defined]
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.filterwarnings("ignore", "Constant folding")  # the runtimes fold what it leaves
        torch.onnx.export(graph.eval(), inputs, str(path), dynamo=False, **options)
        with torch.no_grad():
            _fix_sizes(path, [tuple(value.shape) for value in graph(*inputs)])


def _fix_sizes(path: Path, shapes: list[tuple[int, ...]]) -> None:
    """Write the sizes of the outputs, some of which the exporter loses; all are constants."""
    model = onnx.load(str(path))
    for output, shape in zip(model.graph.output, shapes, strict=True):
        for dimension, size in zip(output.type.tensor_type.shape.dim, shape, strict=True):
            dimension.dim_value = size
    onnx.save(model, str(path))
