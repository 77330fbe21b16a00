"""siammaskpp_core.engines.export.parity.parity."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from siammaskpp_core.arrays import Float32Array
from siammaskpp_core.engines.graph_engine import GraphEngine
from siammaskpp_core.model.folder import graph_inputs, graph_outputs
from siammaskpp_core.network.config import RESPONSE_SIZE, SEARCH_SIZE, TEMPLATE_SIZE
from siammaskpp_core.network.protocol import EngineError
from siammaskpp_core.network.refine import Windows, cut_windows
from siammaskpp_core.network.siammaskpp import SiamMaskPP

TOLERANCE = 1e-3
"""Largest difference to torch, relative to the largest value of the tensor."""


class ParityError(EngineError):
    """A runtime computes something else than torch."""


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


def relative_difference(values: Float32Array, reference: Float32Array) -> float:
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
