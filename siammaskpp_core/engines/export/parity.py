"""The graphs of a network as torch modules, and the comparison of a runtime with torch on them."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from siammaskpp_core.engines.difference import check_differences, relative_difference
from siammaskpp_core.engines.graph_engine import GraphEngine
from siammaskpp_core.model.folder import graph_inputs, graph_outputs
from siammaskpp_core.network.config import RESPONSE_SIZE, SEARCH_SIZE, TEMPLATE_SIZE
from siammaskpp_core.network.refine import Windows, cut_windows
from siammaskpp_core.network.siammaskpp import SiamMaskPP

TOLERANCE = 1e-3
"""Largest difference to torch, relative to the largest value of the output."""


def parity(model: SiamMaskPP, engine: GraphEngine, tolerance: float = TOLERANCE) -> dict[str, float]:
    """The largest relative difference of each output of `engine` to torch, on smooth random images.

    Raises :class:`~siammaskpp_core.engines.difference.DifferenceError` when one exceeds `tolerance`.
    """
    differences = {}
    for name, values in example_inputs(model).items():
        with torch.no_grad():
            expected = GRAPHS[name](model)(*values)
        names = graph_inputs(model.config)[name]
        feeds = {key: value.numpy() for key, value in zip(names, values, strict=True)}
        for index, (output, reference) in enumerate(zip(engine.run(name, feeds), expected, strict=True)):
            differences[f"{name}[{index}]"] = relative_difference(output, reference.numpy())
    check_differences(differences, tolerance, f"{engine.name} differs from torch by more than {tolerance:g}")
    return differences


class _Template(nn.Module):
    def __init__(self, model: SiamMaskPP) -> None:
        super().__init__()
        self.model = model

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        return (self.model.template(pixels),)


class _Search(_Template):
    def forward(self, pixels: Tensor, kernels: Tensor) -> tuple[Tensor, ...]:  # type: ignore[override]
        response, features = self.model.search(pixels, kernels)
        outputs = {**response._asdict(), **features._asdict()}
        return tuple(outputs[name] for name in graph_outputs(self.model.config)["search"])


class _Refine(_Template):
    def forward(self, vector: Tensor, *windows: Tensor) -> tuple[Tensor, ...]:  # type: ignore[override]
        return (self.model.masks(vector, Windows(*windows) if windows else None).sigmoid(),)


GRAPHS: dict[str, type[_Template]] = {"template": _Template, "search": _Search, "refine": _Refine}
"""The torch module of each ONNX graph."""


def example_inputs(model: SiamMaskPP) -> dict[str, tuple[Tensor, ...]]:
    """Inputs for each graph of the network, from smooth random images."""
    generator = torch.Generator().manual_seed(0)

    def random_image(size: int) -> Tensor:
        coarse = torch.rand(1, 3, 9, 9, generator=generator)
        smooth = nn.functional.interpolate(coarse, size=(size, size), mode="bicubic")
        return (smooth.clamp(0, 1) * 255).to(torch.uint8).permute(0, 2, 3, 1).contiguous()

    with torch.no_grad():
        template, search = random_image(TEMPLATE_SIZE), random_image(SEARCH_SIZE)
        kernels = model.template(template)
        inputs: dict[str, tuple[Tensor, ...]] = {"template": (template,), "search": (search, kernels)}
        response, features = model.search(search, kernels)
        if response.mask is not None:
            centre = torch.tensor([RESPONSE_SIZE // 2])
            vector = response.mask[:, :, centre, centre][..., None]
            windows: tuple[Tensor, ...] = ()
            if model.refine is not None:
                windows = cut_windows(features, torch.tensor([0]), centre, centre)
            inputs["refine"] = (vector, *windows)
    return inputs
