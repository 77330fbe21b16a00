"""SiamMask++ (Choi, Lee & Lim 2021): scores, boxes and masks from the levels conv3 to conv5.

The network keeps no state. `template` computes the target's correlation kernels, which the caller keeps and
gives to `search`; several targets can therefore not be confused.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from siammaskpp_core.network.backbones import BACKBONES, Features
from siammaskpp_core.network.config import MASK_SIZE, NetworkConfig
from siammaskpp_core.network.correlation import (
    Branches,
    CrossBranch,
    DepthwiseBranches,
    LevelSum,
    ScoreHead,
    SiameseLevel,
    UpChannelBranches,
    depthwise_head,
)
from siammaskpp_core.network.refine import Refine, Windows, cut_windows


class Response(NamedTuple):
    """The response of a search region to a template, for A anchors, L levels of C channels, R x R cells.

    cls [B, 2A, R, R]: logits, the A background channels first.
    loc [B, 4A, R, R]: normalised offsets dx, dy, dw, dh, for A anchors each; None without boxes.
    mask [B, L*C, R, R]: mask responses of all levels, before their heads; None without masks.
    """

    cls: Tensor
    loc: Tensor | None
    mask: Tensor | None


class SiamMaskPP(nn.Module):
    """Any network of the family, as :class:`NetworkConfig` describes it."""

    loc: LevelSum | None
    mask: LevelSum | None
    refine: Refine | None

    def __init__(self, config: NetworkConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or NetworkConfig()
        backbone = BACKBONES[config.backbone](pixel_format=config.pixels, deepest=config.levels[-1])
        self.backbone = backbone
        channels, anchors = config.head_channels, len(config.anchor_ratios)
        self.levels = nn.ModuleList(
            SiameseLevel(
                getattr(backbone.channels, level), channels, backbone.template_cells, _branches(config)
            )
            for level in config.levels
        )

        def level_sum(head: Callable[[], nn.Module]) -> LevelSum:
            return LevelSum(head() for _ in config.levels)

        self.loc = self.mask = self.refine = None
        if config.correlation == "cross":
            self.cls = level_sum(ScoreHead)
        elif config.correlation == "up_channel":
            self.cls = level_sum(nn.Identity)
            self.loc = level_sum(lambda: nn.Conv2d(4 * anchors, 4 * anchors, 1))
        else:
            self.cls = level_sum(lambda: depthwise_head(channels, 2 * anchors))
            self.loc = level_sum(lambda: depthwise_head(channels, 4 * anchors))
        if config.mask != "none":
            self.mask = level_sum(lambda: depthwise_head(channels, config.mask_channels))
        if config.mask == "re":
            inputs = config.mask_channels if config.refine_input == "head" else channels * len(config.levels)
            nearest = config.refine_upsampling == "nearest"
            self.refine = Refine(inputs, config.refine_channels, backbone.channels, nearest)

    def template(self, pixels: Tensor) -> Tensor:
        """Kernels [B, K, k, k] of template crops, uint8 BGR [B, 127, 127, 3]."""
        return self.template_kernels(self.backbone(pixels))

    def template_kernels(self, features: Features) -> Tensor:
        """Kernels of all levels and branches, [B, K, k, k], from the template's features."""
        return torch.cat([level.kernels(getattr(features, name)) for name, level in self._levels()], 1)

    def search(self, pixels: Tensor, kernels: Tensor) -> tuple[Response, Features]:
        """The response and the features of search crops, uint8 BGR [B, 255, 255, 3], for kernels."""
        features = self.backbone(pixels)
        return self.respond(features, kernels), features

    def respond(self, features: Features, kernels: Tensor, *, with_masks: bool = True) -> Response:
        """The response of search features to kernels [B, K, k, k], if wanted without that of the masks."""
        parts = kernels.split([level.kernel_channels for _, level in self._levels()], 1)
        count = None if with_masks else 1
        responses = [
            level(getattr(features, name), part, count)
            for (name, level), part in zip(self._levels(), parts, strict=True)
        ]
        branches = list(map(list, zip(*responses, strict=True)))
        return Response(
            self.cls(branches[0]),
            self.loc(branches[1]) if self.loc is not None else None,
            torch.cat(branches[-1], 1) if self.mask is not None and with_masks else None,
        )

    def masks(self, vectors: Tensor, windows: Windows | None) -> Tensor:
        """Mask logits [N, 1, 127, 127] from mask responses [N, L*C, 1, 1].

        `windows` are the features for the refine module; the form `bi` needs none.
        """
        assert self.mask is not None, "a network without masks"
        if self.refine is not None:
            assert windows is not None
            if self.config.refine_input == "head":
                vectors = self.mask_vector(vectors)
            refined: Tensor = self.refine(vectors, windows)
            return refined
        side = self.config.mask_side
        coarse = self.mask_vector(vectors).view(-1, 1, side, side)
        # The corner pixels of both masks coincide, as in the reference implementation.
        return F.interpolate(coarse, size=(MASK_SIZE, MASK_SIZE), mode="bilinear", align_corners=True)

    def masks_at(
        self, response: Response, features: Features, batch: Tensor, rows: Tensor, columns: Tensor
    ) -> Tensor:
        """Mask logits [N, 1, 127, 127] at N response cells given by int64 `batch`, `rows`, `columns`."""
        assert response.mask is not None, "a network without masks"
        vectors = response.mask[batch, :, rows, columns][..., None, None]
        windows = cut_windows(features, batch, rows, columns) if self.refine is not None else None
        return self.masks(vectors, windows)

    def mask_vector(self, vectors: Tensor) -> Tensor:
        """The weighted sum of the levels' mask heads, [N, mask_channels, 1, 1]."""
        assert self.mask is not None
        total: Tensor = self.mask(list(vectors.chunk(len(self.levels), 1)))
        return total

    def mask_modules(self) -> list[nn.Module]:
        """The modules that only masks depend on: the mask stages of the training change nothing else."""
        assert self.mask is not None, "a network without masks"
        modules = [level.branches[-1] for _, level in self._levels()]
        return [*modules, self.mask] + ([self.refine] if self.refine is not None else [])

    def box_modules(self) -> list[nn.Module]:
        """The modules that only scores and boxes depend on."""
        modules = [level.branches[0] for _, level in self._levels()]
        return [*modules, self.cls] + ([self.loc] if self.loc is not None else [])

    def _levels(self) -> list[tuple[str, SiameseLevel]]:
        return list(zip(self.config.levels, self.levels, strict=True))  # type: ignore[arg-type]


def _branches(config: NetworkConfig) -> list[Branches]:
    """The branches of one level, in the order of :class:`Response`.

    Masks stay depth-wise even with up-channel scores and boxes: up-channel kernels for 63x63 outputs
    would have 2.3 billion weights per level.
    """
    channels, anchors = config.head_channels, len(config.anchor_ratios)
    if config.correlation == "cross":
        return [CrossBranch(channels)]
    branches: list[Branches] = [
        DepthwiseBranches(channels, 2)
        if config.correlation == "depthwise"
        else UpChannelBranches(channels, (2 * anchors, 4 * anchors))
    ]
    if config.mask != "none":
        branches.append(DepthwiseBranches(channels, 1))
    return branches
