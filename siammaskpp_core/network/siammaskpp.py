"""SiamMask++ (Choi, Lee & Lim 2021): multi-RPN and multi-MASK over conv3..conv5, assembled.

The network keeps no state. `template` turns the target's crop into correlation kernels, which belong
to the caller; `search` and `refine` take them back. Several targets cannot mix.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from siammaskpp_core.network.backbones import BACKBONES, Features
from siammaskpp_core.network.config import NetworkConfig
from siammaskpp_core.network.correlation import LevelSum, SiameseLevel
from siammaskpp_core.network.refine import Refine, Windows, cut_windows


class Response(NamedTuple):
    """What a search region answers to a template, for A anchors, L levels of C channels.

    cls [B, 2A, 25, 25]: logits, the A background channels first.
    loc [B, 4A, 25, 25]: normalised offsets (dx, dy, dw, dh), each for A anchors.
    mask [B, L*C, 25, 25]: mask responses of all levels, before their heads.
    """

    cls: Tensor
    loc: Tensor
    mask: Tensor


class SiamMaskPP(nn.Module):
    """The network of a :class:`NetworkConfig`."""

    BRANCHES = 3  # classification, box, mask

    def __init__(self, config: NetworkConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or NetworkConfig()
        self.backbone = BACKBONES[config.backbone]()
        channels, count = config.head_channels, len(config.levels)
        self.levels = nn.ModuleList(
            SiameseLevel(getattr(self.backbone.channels, level), channels, self.BRANCHES)
            for level in config.levels
        )
        anchors = len(config.anchor_ratios)
        self.cls = LevelSum(count, channels, 2 * anchors)
        self.loc = LevelSum(count, channels, 4 * anchors)
        self.mask = LevelSum(count, channels, config.mask_channels)
        self.refine_module = Refine(config.mask_channels, config.refine_channels, self.backbone.channels)

    def template(self, pixels: Tensor) -> Tensor:
        """Template crops, uint8 BGR [B, 127, 127, 3], to kernels [B, L*3*C, 5, 5]."""
        return self.template_kernels(self.backbone(pixels))

    def template_kernels(self, features: Features) -> Tensor:
        """Kernels of all levels and branches from the template's features."""
        levels = zip(self.levels, self.config.levels, strict=True)
        return torch.cat([level.kernels(getattr(features, name)) for level, name in levels], 1)  # type: ignore[operator]

    def search(self, pixels: Tensor, kernels: Tensor) -> tuple[Response, Features]:
        """Search crops, uint8 BGR [B, 255, 255, 3], and kernels to the response and the features."""
        features = self.backbone(pixels)
        return self.respond(features, kernels), features

    def respond(self, features: Features, kernels: Tensor) -> Response:
        """The response of search features to kernels [B, L*3*C, 5, 5]."""
        cls: list[Tensor] = []
        loc: list[Tensor] = []
        mask: list[Tensor] = []
        per_level = kernels.split(self.BRANCHES * self.config.head_channels, 1)
        for level, name, level_kernels in zip(self.levels, self.config.levels, per_level, strict=True):
            response = level(getattr(features, name), level_kernels)
            for branch, part in zip((cls, loc, mask), response.chunk(self.BRANCHES, 1), strict=True):
                branch.append(part)
        return Response(self.cls(cls), self.loc(loc), torch.cat(mask, 1))

    def refine(self, vectors: Tensor, windows: Windows) -> Tensor:
        """Mask logits [N, 1, 127, 127] from mask responses [N, L*C, 1, 1] and feature windows."""
        vector = self.mask(list(vectors.chunk(len(self.levels), 1)))
        logits: Tensor = self.refine_module(vector, windows)
        return logits

    def refine_at(
        self, response: Response, features: Features, batch: Tensor, rows: Tensor, columns: Tensor
    ) -> Tensor:
        """Mask logits [N, 1, 127, 127] at N response cells given by int64 `batch`, `rows`, `columns`."""
        vectors = response.mask[batch, :, rows, columns][..., None, None]
        return self.refine(vectors, cut_windows(features, batch, rows, columns))
