"""Exact rewritings of a network for its exported graphs: the same function in fewer products.

Neither changes results but for rounding, as nothing that is not linear lies between what is composed.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn

from siammaskpp_core.network.correlation import LevelSum
from siammaskpp_core.network.siammaskpp import SiamMaskPP


def fused(model: SiamMaskPP) -> SiamMaskPP:
    """A copy of `model` with composed layers, for inference only."""
    result = copy.deepcopy(model).eval()
    if result.config.correlation == "cross":
        return result
    names = ("cls", "loc", "mask") if result.config.correlation == "depthwise" else ("mask",)
    for name in names:
        head = getattr(result, name)
        if head is not None:
            setattr(result, name, ConcatenatedLevels(head))
    if result.refine is not None and result.config.refine_input == "head":
        _compose_with_expansion(result)
    return result


class ConcatenatedLevels(nn.Module):
    """A :class:`LevelSum` of depth-wise heads whose last convolutions are one over all levels' channels.

    `sum_i a_i (W_i x_i + b_i) = [a_1 W_1 .. a_L W_L] [x_1; ..; x_L] + sum_i a_i b_i`.
    """

    last: nn.Module

    def __init__(self, levels: LevelSum) -> None:
        super().__init__()
        heads: list[list[Any]] = [list(head.children()) for head in levels.heads]
        self.first = nn.ModuleList(nn.Sequential(*head[:-1]) for head in heads)
        shares = torch.softmax(levels.level_logits.detach().double(), 0)
        weights = [share * head[-1].weight.detach() for share, head in zip(shares, heads, strict=True)]
        biases = [share * head[-1].bias.detach() for share, head in zip(shares, heads, strict=True)]
        weight = torch.cat(weights, 1)
        last = nn.Conv2d(weight.shape[1], weight.shape[0], 1)
        _set(last, weight, torch.stack(biases).sum(0))
        self.last = last

    def forward(self, responses: list[Tensor]) -> Tensor:
        """One response [B, C, H, W] per level to [B, out, H, W]."""
        hidden = [first(x) for first, x in zip(self.first, responses, strict=True)]
        out: Tensor = self.last(torch.cat(hidden, 1))
        return out


class _Expansion(nn.Module):
    """[N, C, 1, 1] to [N, deep, 15, 15] as one matrix product."""

    def __init__(self, product: nn.Linear, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.product, self.shape = product, shape

    def forward(self, x: Tensor) -> Tensor:
        expanded: Tensor = self.product(x.flatten(1)).view(-1, *self.shape)
        return expanded


def _compose_with_expansion(model: SiamMaskPP) -> None:
    """Put the mask heads' last layer into the refine module's first, if that makes fewer weights of both.

    With SiamMask++'s 3969 mask channels there are 5.5 million instead of 31.6 million.
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
