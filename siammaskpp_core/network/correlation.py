"""Correlations of a template with a search region, and the sum over levels."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def depthwise_correlation(search: Tensor, kernels: Tensor) -> Tensor:
    """Correlate every channel of `search` [B, C, H, W] with its own kernel [B, C, h, w], unpadded.

    SiamRPN++, section 3.3. One grouped convolution; in an exported graph the batch size is therefore fixed.
    """
    batch, channels, height, width = map(int, search.shape)
    response = F.conv2d(
        search.reshape(1, batch * channels, height, width),
        kernels.reshape(batch * channels, 1, *kernels.shape[-2:]),
        groups=batch * channels,
    )
    return response.view(batch, channels, *response.shape[-2:])


def up_channel_correlation(search: Tensor, kernels: Tensor) -> Tensor:
    """Correlate `search` [B, C, H, W] with N kernels of all C channels, [B, N * C, h, w], to [B, N, H', W'].

    SiamRPN, section 3.2; N = 1 is the cross-correlation of SiamFC.
    """
    batch, channels, height, width = map(int, search.shape)
    outputs = int(kernels.shape[1]) // channels
    response = F.conv2d(
        search.reshape(1, batch * channels, height, width),
        kernels.reshape(batch * outputs, channels, *kernels.shape[-2:]),
        groups=batch,
    )
    return response.view(batch, outputs, *response.shape[-2:])


class DepthwiseBranches(nn.Module):
    """Depth-wise correlations of several branches side by side.

    One 3x3 convolution on either side makes the features of all branches: that equals one pair of
    convolutions for each branch, in fewer calls.
    """

    def __init__(self, channels: int, branches: int) -> None:
        super().__init__()
        self.branches = branches
        self.kernel_channels = channels * branches
        self.template_side = _conv3x3(channels, self.kernel_channels)
        self.search_side = _conv3x3(channels, self.kernel_channels)

    def kernels(self, template: Tensor) -> Tensor:
        """[B, C, n, n] template features to kernels [B, branches * C, n - 2, n - 2]."""
        kernels: Tensor = self.template_side(template)
        return kernels

    def forward(self, search: Tensor, kernels: Tensor) -> list[Tensor]:
        """One response [B, C, H', W'] for each branch."""
        response = depthwise_correlation(self.search_side(search), kernels)
        return list(response.chunk(self.branches, 1))


class UpChannelBranches(nn.Module):
    """Up-channel correlations: the template's convolution makes one kernel for each output channel."""

    def __init__(self, channels: int, outputs: tuple[int, ...]) -> None:
        super().__init__()
        self.outputs = outputs
        self.kernel_channels = channels * sum(outputs)
        self.template_side = nn.Conv2d(channels, self.kernel_channels, 3)
        self.search_side = nn.Conv2d(channels, channels * len(outputs), 3)

    def kernels(self, template: Tensor) -> Tensor:
        """[B, C, n, n] template features to kernels [B, sum(outputs) * C, n - 2, n - 2].

        A response adds up C (n - 2)^2 products. Divided by the root of their number it begins at size one;
        the published code leaves that to the learned weights.
        """
        kernels: Tensor = self.template_side(template)
        return kernels / (template.shape[1] * kernels.shape[-1] ** 2) ** 0.5

    def forward(self, search: Tensor, kernels: Tensor) -> list[Tensor]:
        """One response [B, outputs[i], H', W'] for each branch."""
        searches = self.search_side(search).chunk(len(self.outputs), 1)
        channels = searches[0].shape[1]
        parts = kernels.split([channels * count for count in self.outputs], 1)
        return [up_channel_correlation(x, part) for x, part in zip(searches, parts, strict=True)]


class CrossBranch(nn.Module):
    """The template's features themselves are the kernel of the only branch (SiamFC)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.kernel_channels = channels

    def kernels(self, template: Tensor) -> Tensor:
        """[B, C, n, n], as they are."""
        return template

    def forward(self, search: Tensor, kernels: Tensor) -> list[Tensor]:
        """The response [B, 1, H', W']."""
        return [up_channel_correlation(search, kernels)]


Branches = DepthwiseBranches | UpChannelBranches | CrossBranch


class SiameseLevel(nn.Module):
    """One backbone level: a 1x1 convolution to C channels where they differ, then the correlations."""

    def __init__(
        self, in_channels: int, channels: int, template_cells: int, branches: Iterable[Branches]
    ) -> None:
        super().__init__()
        self.template_cells = template_cells
        """The template's map is cut to so many cells a side: the rest is padding and background."""
        self.adjust: nn.Module = nn.Identity()
        if in_channels != channels:
            self.adjust = nn.Sequential(
                nn.Conv2d(in_channels, channels, 1, bias=False), nn.BatchNorm2d(channels)
            )
        self.branches = nn.ModuleList(branches)
        self.kernel_channels = sum(branch.kernel_channels for branch in self._branches())

    def kernels(self, template: Tensor) -> Tensor:
        """Template features [B, Cin, n, n] to the kernels of all branches, [B, K, k, k]."""
        margin = (template.shape[-1] - self.template_cells) // 2
        middle = F.pad(self.adjust(template), (-margin,) * 4)
        return torch.cat([branch.kernels(middle) for branch in self._branches()], 1)

    def forward(self, search: Tensor, kernels: Tensor) -> list[Tensor]:
        """Search features [B, Cin, H, W] and kernels to one response for each branch."""
        adjusted = self.adjust(search)
        parts = kernels.split([branch.kernel_channels for branch in self._branches()], 1)
        return [
            response
            for branch, part in zip(self._branches(), parts, strict=True)
            for response in branch(adjusted, part)
        ]

    def _branches(self) -> list[Branches]:
        return list(self.branches)  # type: ignore[arg-type]


class LevelSum(nn.Module):
    """`sum_i softmax(w)_i head_i(response_i)` over the levels: one of the paper's three aggregations."""

    def __init__(self, heads: Iterable[nn.Module]) -> None:
        super().__init__()
        self.heads = nn.ModuleList(heads)
        self.level_logits = nn.Parameter(torch.zeros(len(self.heads)))

    def forward(self, responses: list[Tensor]) -> Tensor:
        """One response [B, C, H, W] per level to their weighted sum [B, out, H, W]."""
        weights = torch.softmax(self.level_logits, 0)
        terms = [
            weight * head(response)
            for weight, head, response in zip(weights, self.heads, responses, strict=True)
        ]
        return torch.stack(terms).sum(0)


def depthwise_head(channels: int, out_channels: int) -> nn.Sequential:
    """The head of a depth-wise branch: 1x1 convolution, batch norm, ReLU, 1x1 convolution."""
    return nn.Sequential(
        nn.Conv2d(channels, channels, 1, bias=False),
        nn.BatchNorm2d(channels),
        nn.ReLU(inplace=True),
        nn.Conv2d(channels, out_channels, 1),
    )


class ScoreHead(nn.Module):
    """SiamFC's scaled and shifted response as the logits of two classes, the background's being zero."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(1e-3))
        self.bias = nn.Parameter(torch.tensor(0.0))

    def forward(self, response: Tensor) -> Tensor:
        """[B, 1, H, W] to [B, 2, H, W]."""
        logits = response * self.weight + self.bias
        return torch.cat([torch.zeros_like(logits), logits], 1)


def _conv3x3(cin: int, cout: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(cin, cout, 3, bias=False), nn.BatchNorm2d(cout), nn.ReLU(inplace=True))
