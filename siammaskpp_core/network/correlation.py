"""Depth-wise cross-correlation of a template with a search region (SiamRPN++, section 3.3)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def depthwise_correlation(search: Tensor, kernels: Tensor) -> Tensor:
    """Correlate every channel of `search` [B, C, H, W] with its own kernel [B, C, h, w], unpadded.

    One grouped convolution; in an exported graph the batch size is therefore fixed.
    """
    batch, channels, height, width = map(int, search.shape)
    response = F.conv2d(
        search.reshape(1, batch * channels, height, width),
        kernels.reshape(batch * channels, 1, *kernels.shape[-2:]),
        groups=batch * channels,
    )
    return response.view(batch, channels, *response.shape[-2:])


class SiameseLevel(nn.Module):
    """The Siamese side of one backbone level: what is done before the correlation.

    A 1x1 convolution adjusts the level's channels; then one 3x3 convolution on either side makes the
    features of all branches (classification, box, mask) side by side. That equals one pair of
    convolutions per branch, in fewer calls.
    """

    TEMPLATE_CELLS = 7
    """The template's 15x15 map is cut to its middle 7x7: the rest is padding and background."""

    def __init__(self, in_channels: int, channels: int, branches: int) -> None:
        super().__init__()
        self.adjust = nn.Sequential(nn.Conv2d(in_channels, channels, 1, bias=False), nn.BatchNorm2d(channels))
        self.template_side = _conv3x3(channels, channels * branches)
        self.search_side = _conv3x3(channels, channels * branches)

    def kernels(self, template: Tensor) -> Tensor:
        """[B, Cin, 15, 15] template features to kernels [B, branches * C, 5, 5]."""
        margin = (template.shape[-1] - self.TEMPLATE_CELLS) // 2
        middle = template[..., margin:-margin, margin:-margin]
        kernels: Tensor = self.template_side(self.adjust(middle))
        return kernels

    def forward(self, search: Tensor, kernels: Tensor) -> Tensor:
        """[B, Cin, 31, 31] search features and kernels to the response [B, branches * C, 25, 25]."""
        return depthwise_correlation(self.search_side(self.adjust(search)), kernels)


class LevelSum(nn.Module):
    """`sum_i softmax(w)_i head_i(response_i)` over the levels: one of the paper's three aggregations.

    Each head is 1x1 convolution, batch norm, ReLU, 1x1 convolution.
    """

    def __init__(self, levels: int, channels: int, out_channels: int) -> None:
        super().__init__()
        self.heads = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(channels, channels, 1, bias=False),
                nn.BatchNorm2d(channels),
                nn.ReLU(inplace=True),
                nn.Conv2d(channels, out_channels, 1),
            )
            for _ in range(levels)
        )
        self.level_logits = nn.Parameter(torch.zeros(levels))

    def forward(self, responses: list[Tensor]) -> Tensor:
        """One response [B, C, H, W] per level to their weighted sum [B, out, H, W]."""
        weights = torch.softmax(self.level_logits, 0)
        terms = [
            weight * head(response)
            for weight, head, response in zip(weights, self.heads, responses, strict=True)
        ]
        return torch.stack(terms).sum(0)


def _conv3x3(cin: int, cout: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(cin, cout, 3, bias=False), nn.BatchNorm2d(cout), nn.ReLU(inplace=True))
