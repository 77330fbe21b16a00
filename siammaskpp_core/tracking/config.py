"""Hyper-parameters of the tracking step."""

from __future__ import annotations

from dataclasses import dataclass

from siammaskpp_core.config import Checked, option


@dataclass(frozen=True)
class TrackingConfig(Checked):
    """Hyper-parameters of the tracking step (SiamRPN, section 4.3; SiamMask, section 3.3).

    They belong to a network and are stored with its weights.
    """

    context: float = option(
        0.5,
        "Margin of the template around the box, as a fraction of the box's width plus height",
        low=0.0,
        high=2.0,
    )
    penalty_k: float = option(
        0.09, "Strength of the penalty on changes of the box's size and aspect ratio", low=0.0, high=1.0
    )
    window_influence: float = option(
        0.39, "Weight of the cosine window when peaks of the response are ranked", low=0.0, high=1.0
    )
    size_lr: float = option(
        0.38, "Rate at which the size of the search box follows a peak with probability 1", low=0.0, high=1.0
    )
    confidence_slope: float = option(
        1.0,
        "Slope of the calibration of a single step: confidence = logistic(slope * logit + offset)",
        low=0.01,
        high=10.0,
    )
    confidence_offset: float = option(
        0.0, "Offset of the calibration (see confidence_slope)", low=-20.0, high=20.0
    )
    evidence_logit: float = option(
        1.0, "Weight of the network's logit when a peak is weighed as the target", low=0.01, high=10.0
    )
    evidence_appearance: float = option(
        0.0,
        "Weight of the response of the target's appearance model; 0 switches the model off",
        low=0.0,
        high=30.0,
    )
    evidence_appearance_offset: float = option(
        0.0, "Constant that is added to the weighted response", low=-20.0, high=20.0
    )
    identity_logit: float = option(
        1.0, "Weight of the network's logit as a witness of the target's identity", low=0.01, high=10.0
    )
    identity_logit_offset: float = option(
        0.0, "Constant that is added to that weighted logit", low=-20.0, high=20.0
    )
    identity_appearance: float = option(
        8.0,
        "Weight of the appearance model's response as a witness of the target's identity",
        low=0.0,
        high=30.0,
    )
    identity_appearance_offset: float = option(
        -2.0, "Constant that is added to that weighted response", low=-20.0, high=20.0
    )
    evidence_motion: float = option(
        2.0, "Weight of the distance of a peak from where the target is expected", low=0.0, high=10.0
    )
    evidence_spread: float = option(
        1.0, "Weight of the uncertainty of where the target is expected", low=0.0, high=10.0
    )
    evidence_elsewhere: float = option(
        4.0,
        "Evidence that a peak needs beyond one where the target is expected; doubt reduces it",
        low=0.0,
        high=20.0,
    )
    mask_box_weight: float = option(
        1.0,
        "Weight of the mask's bounding box in the reported box; the decoded box has the rest",
        low=0.0,
        high=1.0,
    )
    mask_box_gain: float = option(
        0.0,
        "Gain of mask_box_weight per difference of overlap with the first box, mask less decoded box",
        low=0.0,
        high=10.0,
    )
    mask_box_weight_min: float = option(
        0.4, "Lower limit of mask_box_weight after that gain", low=0.0, high=1.0
    )
    size_correction: float = option(
        0.0,
        "Exponent of the first box's size over the size found in the first image; it scales reported sizes",
        low=0.0,
        high=1.0,
    )
    mask_threshold: float = option(
        0.5, "Probability above which a pixel belongs to the mask", low=0.01, high=0.99
    )
    guided_filter_radius: int = option(
        0,
        "Radius, in mask pixels, of the guided filter that aligns mask edges with image edges; 0 disables it",
        low=0,
        high=31,
    )
    rotated_box: str = option(
        "min_area",
        "Rotated box of a mask: its smallest rectangle, or a box aligned with its ellipse (SiamMask_E)",
        choices=("min_area", "ellipse"),
    )
