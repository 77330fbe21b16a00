"""What a SiamMask++ network is made of (no torch needed to read it)."""

from __future__ import annotations

from dataclasses import dataclass

from siammaskpp_core.config import Checked, ConfigError, option

TEMPLATE_SIZE = 127
SEARCH_SIZE = 255
STRIDE = 8
RESPONSE_SIZE = 25
MASK_SIZE = 127

LEVELS = ("conv3", "conv4", "conv5")


@dataclass(frozen=True)
class NetworkConfig(Checked):
    """One member of the SiamMask++ family."""

    backbone: str = option(
        "efficientnet_lite0", "feature extractor", choices=("efficientnet_lite0", "resnet50")
    )
    levels: tuple[str, ...] = option(
        LEVELS, "backbone levels that are aggregated (the sums over i = 3..5)", choices=LEVELS
    )
    head_channels: int = option(96, "channels of every correlation branch", low=8, high=512)
    mask_channels: int = option(256, "length of a position's mask vector", low=16, high=3969)
    refine_channels: tuple[int, ...] = option(
        (32, 16, 4), "channels of the refine steps at 15x15, 31x31 and 63x63", low=1, high=128
    )
    anchor_ratios: tuple[float, ...] = option(
        (0.33, 0.5, 1.0, 2.0, 3.0), "height / width of the anchors", low=0.05, high=20.0
    )
    anchor_scale: float = option(8.0, "side of the square anchor in strides", low=1.0, high=31.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.levels or tuple(level for level in LEVELS if level in self.levels) != self.levels:
            raise ConfigError(f"levels: {self.levels} must be some of {LEVELS}, each once, in this order")
        if len(self.refine_channels) != 3:
            raise ConfigError("refine_channels: three numbers are expected")
        if not self.anchor_ratios:
            raise ConfigError("anchor_ratios: at least one ratio is needed")
