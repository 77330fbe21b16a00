"""Options of the networks of the SiamMask++ family. This module does not import torch."""

from __future__ import annotations

from dataclasses import dataclass
from math import isqrt

from siammaskpp_core.config import Checked, ConfigError, option

TEMPLATE_SIZE = 127
SEARCH_SIZE = 255
STRIDE = 8
RESPONSE_SIZE = 25
"""Cells along a side of the response of every network with masks; see also `response_size`."""
MASK_SIZE = 127

LEVELS = ("conv3", "conv4", "conv5")


@dataclass(frozen=True)
class NetworkConfig(Checked):
    """One network of the family: SiamMask++ in both forms, an ablation of it, or one of its predecessors."""

    backbone: str = option(
        "efficientnet_lite0",
        "Feature extractor",
        choices=("efficientnet_lite0", "resnet50", "resnext50", "mobilenet_v2", "alexnet"),
    )
    pixels: str = option(
        "normalised",
        "Input of the backbone: RGB normalised as in its pretraining, or raw BGR (0 to 255) as in the "
        "reference implementations",
        choices=("normalised", "raw"),
    )
    levels: tuple[str, ...] = option(
        LEVELS, "Backbone levels whose responses are summed with learned weights", choices=LEVELS
    )
    correlation: str = option(
        "depthwise",
        "Correlation of template and search region: depth-wise (SiamRPN++), up-channel for scores and boxes "
        "(SiamRPN), or of the features themselves, for scores only (SiamFC)",
        choices=("depthwise", "up_channel", "cross"),
    )
    head_channels: int = option(96, "Channels of each correlation branch", low=8, high=512)
    mask: str = option(
        "re",
        "Form of the masks: none, bi for coarse logits that are upsampled, or re for the refine module",
        choices=("none", "bi", "re"),
    )
    mask_channels: int = option(
        256,
        "Length of the mask vector of a position; for bi the number of pixels of its square mask",
        low=16,
        high=3969,
    )
    refine_input: str = option(
        "head",
        "Input of the refine module: the mask vector (SiamMask++) or the correlation before its head "
        "(SiamMask)",
        choices=("head", "correlation"),
    )
    refine_channels: tuple[int, ...] = option(
        (32, 16, 4), "Channels of the refine steps at 15x15, 31x31 and 63x63", low=1, high=128
    )
    refine_upsampling: str = option(
        "bilinear",
        "Upsampling between the refine steps: bilinear about the centre, or nearest as in the reference "
        "implementations",
        choices=("bilinear", "nearest"),
    )
    anchor_ratios: tuple[float, ...] = option(
        (0.33, 0.5, 1.0, 2.0, 3.0), "Aspect ratios (height / width) of the anchors", low=0.05, high=20.0
    )
    anchor_scale: float = option(8.0, "Side of the square anchor in strides", low=1.0, high=31.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.levels or tuple(level for level in LEVELS if level in self.levels) != self.levels:
            raise ConfigError(f"levels: {self.levels} must be some of {LEVELS}, each once, in this order")
        if len(self.refine_channels) != 3:
            raise ConfigError("refine_channels: three numbers are expected")
        if not self.anchor_ratios:
            raise ConfigError("anchor_ratios: at least one ratio is needed")
        if self.backbone == "alexnet" and (self.levels != ("conv5",) or self.mask != "none"):
            raise ConfigError("backbone alexnet: levels must be [conv5] and mask none")
        if self.correlation == "cross" and (self.mask != "none" or len(self.anchor_ratios) != 1):
            raise ConfigError("correlation cross: mask must be none, and anchor_ratios must have one value")
        if self.mask == "bi" and self.mask_side**2 != self.mask_channels:
            raise ConfigError(
                f"mask_channels: {self.mask_channels} is not the area of a square mask, such as 63x63"
            )

    @property
    def has_boxes(self) -> bool:
        """True if the network regresses boxes; otherwise the tracker searches at several scales."""
        return self.correlation != "cross"

    @property
    def response_size(self) -> int:
        """Number of cells along a side of the response."""
        return 17 if self.backbone == "alexnet" else RESPONSE_SIZE

    @property
    def mask_side(self) -> int:
        """Side of the coarse mask of the form `bi`, in pixels."""
        return isqrt(self.mask_channels)
