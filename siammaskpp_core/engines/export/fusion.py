"""Fusion of linear layers for export: the same function in fewer operations.

Only layers without a non-linearity between them are fused, so results change by rounding alone.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn

from siammaskpp_core.network.correlation import LevelSum
from siammaskpp_core.network.siammaskpp import SiamMaskPP


def fused(model: SiamMaskPP) -> SiamMaskPP:
    """A copy of `model` with fused layers, for inference only."""
    result = copy.deepcopy(model).eval()
    if result.config.correlation == "cross":
        return result
    names = ("cls", "loc", "mask") if result.config.correlation == "depthwise" else ("mask",)
    for name in names:
        head = getattr(result, name)
        if head is not None:
            setattr(result, name, ConcatenatedLevels(head))
    if result.refine is not None and result.config.refine_input == "head":
        _fuse_with_expansion(result)
    return result


class ConcatenatedLevels(nn.Module):
    """A :class:`LevelSum` of depth-wise heads with one last convolution over the channels of all levels.

    `sum_i a_i (W_i x_i + b_i) = [a_1 W_1 .. a_L W_L] [x_1; ..; x_L] + sum_i a_i b_i`.
    """

    last: nn.Module

    def __init__(self, levels: LevelSum) -> None:
        super().__init__()
        heads: list[list[Any]] = [list(head.children()) for head in levels.heads]
        self.first = nn.ModuleList(nn.Sequential(*head[:-1]) for head in heads)
        level_weights = torch.softmax(levels.level_logits.detach().double(), 0)
        weights = [a * head[-1].weight.detach() for a, head in zip(level_weights, heads, strict=True)]
        biases = [a * head[-1].bias.detach() for a, head in zip(level_weights, heads, strict=True)]
        weight = torch.cat(weights, 1)
        last = nn.Conv2d(weight.shape[1], weight.shape[0], 1)
        _set(last, weight, torch.stack(biases).sum(0))
        self.last = last

    def forward(self, responses: list[Tensor]) -> Tensor:
        """The output [B, out, H, W] for one response [B, C, H, W] per level."""
        hidden = [first(x) for first, x in zip(self.first, responses, strict=True)]
        out: Tensor = self.last(torch.cat(hidden, 1))
        return out


class _Expansion(nn.Module):
    """Expands mask vectors [N, C, 1, 1] to [N, deep, 15, 15] by one matrix product."""

    def __init__(self, product: nn.Linear, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.product, self.shape = product, shape

    def forward(self, x: Tensor) -> Tensor:
        expanded: Tensor = self.product(x.flatten(1)).view(-1, *self.shape)
        return expanded


def _fuse_with_expansion(model: SiamMaskPP) -> None:
    """Fuse the last layer of the mask heads with the first of the refine module, if that saves weights.

    With the 3969 mask channels of SiamMask++, 5.5 million weights remain of 31.6 million.
    """
    assert model.refine is not None
    levels, expand = model.mask, model.refine.expand
    assert isinstance(levels, ConcatenatedLevels)
    head = levels.last
    assert isinstance(head, nn.Conv2d)
    matrix, offset = head.weight.detach().double()[:, :, 0, 0], head.bias
    kernel = expand.weight.detach().double()  # [mask channels, deep, 15, 15]
    assert offset is not None
    assert expand.bias is not None
    if matrix.shape[1] * kernel[0].numel() >= matrix.numel() + kernel.numel():
        return
    weight = torch.einsum("mc,mdyx->dyxc", matrix, kernel)
    bias = torch.einsum("m,mdyx->dyx", offset.detach().double(), kernel)
    bias = bias + expand.bias.detach().double()[:, None, None]
    product = nn.Linear(weight.shape[-1], bias.numel())
    _set(product, weight.flatten(0, 2), bias.flatten())
    model.refine.expand = _Expansion(product, tuple(bias.shape))  # type: ignore[assignment]
    levels.last = nn.Identity()


def _set(layer: nn.Conv2d | nn.Linear, weight: Tensor, bias: Tensor) -> None:
    with torch.no_grad():
        layer.weight.copy_(weight.view(layer.weight.shape))
        layer.bias.copy_(bias)  # type: ignore[union-attr]
