"""How a network is trained."""

from __future__ import annotations

from dataclasses import dataclass

from siammaskpp_core.config import Checked, ConfigError, option


@dataclass(frozen=True)
class TrainingConfig(Checked):
    """Data, augmentation, losses and schedule."""

    sources: tuple[str, ...] = option(("masks:.",), "kind:folder under the data folder")
    source_weights: tuple[float, ...] = option((1.0,), "how often each source is drawn", low=0.0)
    source_frame_ranges: tuple[int, ...] = option(
        (0,), "by source, how far apart a pair's frames may be in a video", low=0, unit="frames"
    )

    steps: int = option(4000, "optimiser steps", low=1)
    batch_size: int = option(16, "pairs a step", low=1, high=1024)
    learning_rate: float = option(1e-3, "peak rate of AdamW", low=0.0, high=1.0)
    final_rate: float = option(0.02, "last rate, as a share of the peak", low=0.0, high=1.0)
    warmup_steps: int = option(100, "steps of linear warm-up", low=0)
    weight_decay: float = option(1e-2, "AdamW's weight decay", low=0.0, high=1.0)
    gradient_norm: float = option(5.0, "gradients are cut to this norm", low=0.0)
    average_decay: float = option(0.998, "decay of the averaged weights that are exported", low=0.0, high=1.0)
    seed: int = option(0, "seed of all random draws", low=0)

    cls_weight: float = option(1.0, "A: weight of the classification loss", low=0.0)
    loc_weight: float = option(1.2, "B: weight of the box loss", low=0.0)
    mask_weight: float = option(36.0, "C: weight of the mask loss", low=0.0)
    smooth_l1_omega: float = option(3.0, "omega of the smooth L1 loss", low=0.1, high=10.0)
    mask_positions: int = option(4, "positive cells a pair whose masks are learned", low=1, high=64)

    negative_share: float = option(
        0.2, "share of pairs without the target in the search region", low=0.0, high=1.0
    )
    search_shift: float = option(
        64.0, "shift of the target in the search region", low=0.0, high=127.0, unit="px"
    )
    small_shift_share: float = option(0.4, "share of pairs with a quarter of that shift", low=0.0, high=1.0)
    search_scale: float = option(0.18, "log scale change of the search region", low=0.0, high=1.0)
    template_shift: float = option(4.0, "shift of the target in the template", low=0.0, high=63.0, unit="px")
    template_scale: float = option(0.05, "log scale change of the template", low=0.0, high=1.0)
    rotation: float = option(12.0, "rotation of either crop", low=0.0, high=180.0, unit="deg")
    aspect: float = option(0.1, "log change of the aspect ratio", low=0.0, high=1.0)
    cutout_share: float = option(
        0.5, "share of crops with the object cut out onto another picture", low=0.0, high=1.0
    )
    paste_share: float = option(
        0.4, "share of search regions with another object beside or over it", low=0.0, high=1.0
    )
    occluder_share: float = option(0.3, "share of those others that lie over the target", low=0.0, high=1.0)
    blur: float = option(0.18, "probability of blur", low=0.0, high=1.0)
    grey: float = option(0.2, "probability of a pair without colour", low=0.0, high=1.0)
    light: float = option(1.0, "strength of the change of light", low=0.0, high=3.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.sources) != len(self.source_weights) or not sum(self.source_weights) > 0:
            raise ConfigError("source_weights: one weight for each of sources, not all zero")
        if len(self.sources) != len(self.source_frame_ranges):
            raise ConfigError("source_frame_ranges: one number for each of sources, 0 for single pictures")
