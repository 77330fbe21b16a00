"""How a tracker follows its target from frame to frame."""

from __future__ import annotations

from dataclasses import dataclass

from siammaskpp_core.config import Checked, option


@dataclass(frozen=True)
class TrackingConfig(Checked):
    """Hyper-parameters of the tracking step (SiamRPN, section 4.3; SiamMask, section 3.3)."""

    context: float = option(0.5, "background around the target, in mean sides", low=0.0, high=2.0)
    penalty_k: float = option(0.09, "how much a change of size or ratio costs", low=0.0, high=1.0)
    window_influence: float = option(0.39, "share of the cosine window in the score", low=0.0, high=1.0)
    size_lr: float = option(0.38, "how fast the target's size follows, for a score of 1", low=0.0, high=1.0)
    confidence_slope: float = option(
        1.0,
        "calibration: score = logistic(slope * (the network's logit - baseline_weight * usual logit) + offset)",
        low=0.01,
        high=10.0,
    )
    confidence_offset: float = option(0.0, "see confidence_slope", low=-20.0, high=20.0)
    baseline_weight: float = option(
        0.0,
        "see confidence_slope; the usual logit is that of the target's sightings so far",
        low=0.0,
        high=0.9,
    )
    mask_box_weight: float = option(
        1.0, "of the mask's upright box in the reported one, the rest is the decoded box's", low=0.0, high=1.0
    )
    mask_box_gain: float = option(
        0.0,
        "how much mask_box_weight follows the first image: per overlap of mask less decoded box",
        low=0.0,
        high=10.0,
    )
    mask_box_weight_min: float = option(
        0.4, "the least that mask_box_weight becomes by it", low=0.0, high=1.0
    )
    size_correction: float = option(
        0.0,
        "how much the reported size follows that of the first box; 1: all that differs there",
        low=0.0,
        high=1.0,
    )
    mask_threshold: float = option(0.5, "probability above which a pixel is the target", low=0.01, high=0.99)
    guided_filter_radius: int = option(
        0,
        "a mask's edges follow those of the picture within so many of its 127 pixels (guided filter); 0: not",
        low=0,
        high=31,
    )
    rotated_box: str = option(
        "min_area",
        "rotated box of a mask: its smallest rectangle, or as turned as its best ellipse (SiamMask_E)",
        choices=("min_area", "ellipse"),
    )
