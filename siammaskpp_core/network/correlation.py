"""Correlation of a template with a search region, and the weighted sum over backbone levels."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def depthwise_correlation(search: Tensor, kernels: Tensor) -> Tensor:
    """Correlate every channel of `search` [B, C, H, W] with its own kernel [B, C, h, w], unpadded.

    See SiamRPN++, section 3.3. It is one grouped convolution, which fixes an exported graph's batch size.
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

    See SiamRPN, section 3.2; N = 1 is the cross-correlation of SiamFC.
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

    A single 3x3 convolution on each side computes the features of all branches. This is equal to one pair of
    convolutions per branch, in fewer calls.
    """

    def __init__(self, channels: int, branches: int) -> None:
        super().__init__()
        self.branches = branches
        self.kernel_channels = channels * branches
        self.template_side = _conv3x3(channels, self.kernel_channels)
        self.search_side = _conv3x3(channels, self.kernel_channels)

    def kernels(self, template: Tensor) -> Tensor:
        """Kernels [B, branches * C, n - 2, n - 2] of template features [B, C, n, n]."""
        kernels: Tensor = self.template_side(template)
        return kernels

    def forward(self, search: Tensor, kernels: Tensor) -> list[Tensor]:
        """One response [B, C, H', W'] per branch."""
        response = depthwise_correlation(self.search_side(search), kernels)
        return list(response.chunk(self.branches, 1))


class UpChannelBranches(nn.Module):
    """Up-channel correlations: the template yields one kernel for every output channel."""

    def __init__(self, channels: int, outputs: tuple[int, ...]) -> None:
        super().__init__()
        self.outputs = outputs
        self.kernel_channels = channels * sum(outputs)
        self.template_side = nn.Conv2d(channels, self.kernel_channels, 3)
        self.search_side = nn.Conv2d(channels, channels * len(outputs), 3)

    def kernels(self, template: Tensor) -> Tensor:
        """Kernels [B, sum(outputs) * C, n - 2, n - 2] of template features [B, C, n, n].

        A response is the sum of C (n - 2)^2 products. Dividing by the root of their number gives it a
        magnitude of about one at the start; the reference implementation leaves that to the learned weights.
        """
        kernels: Tensor = self.template_side(template)
        return kernels / (template.shape[1] * kernels.shape[-1] ** 2) ** 0.5

    def forward(self, search: Tensor, kernels: Tensor) -> list[Tensor]:
        """One response [B, outputs[i], H', W'] per branch i."""
        searches = self.search_side(search).chunk(len(self.outputs), 1)
        channels = searches[0].shape[1]
        parts = kernels.split([channels * count for count in self.outputs], 1)
        return [up_channel_correlation(x, part) for x, part in zip(searches, parts, strict=True)]


class CrossBranch(nn.Module):
    """Cross-correlation with the template's features themselves, the only branch of SiamFC."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.kernel_channels = channels

    def kernels(self, template: Tensor) -> Tensor:
        """The template features [B, C, n, n], unchanged."""
        return template

    def forward(self, search: Tensor, kernels: Tensor) -> list[Tensor]:
        """The response [B, 1, H', W']."""
        return [up_channel_correlation(search, kernels)]


Branches = DepthwiseBranches | UpChannelBranches | CrossBranch


class SiameseLevel(nn.Module):
    """One backbone level: a 1x1 convolution to C channels, where needed, and the correlation branches."""

    def __init__(
        self, in_channels: int, channels: int, template_cells: int, branches: Iterable[Branches]
    ) -> None:
        super().__init__()
        self.template_cells = template_cells
        """Side of the template's central part that is used, in cells; the rest is padding and background."""
        self.adjust: nn.Module = nn.Identity()
        if in_channels != channels:
            self.adjust = nn.Sequential(
                nn.Conv2d(in_channels, channels, 1, bias=False), nn.BatchNorm2d(channels)
            )
        self.branches = nn.ModuleList(branches)
        self.kernel_channels = sum(branch.kernel_channels for branch in self._branches())

    def kernels(self, template: Tensor) -> Tensor:
        """The kernels of all branches, [B, K, k, k], of template features [B, Cin, n, n]."""
        margin = (template.shape[-1] - self.template_cells) // 2
        centre = F.pad(self.adjust(template), (-margin,) * 4)
        return torch.cat([branch.kernels(centre) for branch in self._branches()], 1)

    def forward(self, search: Tensor, kernels: Tensor, count: int | None = None) -> list[Tensor]:
        """One response per branch for search features [B, Cin, H, W] and kernels [B, K, k, k].

        With `count` only the first `count` entries of `branches` are computed.
        """
        adjusted = self.adjust(search)
        parts = kernels.split([branch.kernel_channels for branch in self._branches()], 1)
        return [
            response
            for branch, part in list(zip(self._branches(), parts, strict=True))[:count]
            for response in branch(adjusted, part)
        ]

    def _branches(self) -> list[Branches]:
        return list(self.branches)  # type: ignore[arg-type]


class LevelSum(nn.Module):
    """The paper's aggregation over levels: `sum_i softmax(w)_i head_i(response_i)`."""

    def __init__(self, heads: Iterable[nn.Module]) -> None:
        super().__init__()
        self.heads = nn.ModuleList(heads)
        self.level_logits = nn.Parameter(torch.zeros(len(self.heads)))

    def forward(self, responses: list[Tensor]) -> Tensor:
        """The weighted sum [B, out, H, W] of one response [B, C, H, W] per level."""
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
    """The logits of two classes from SiamFC's scaled and shifted response; the background's are zero."""

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
