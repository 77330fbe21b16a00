"""Association: the probability that a peak of the response is the target.

The target and the objects around it (other targets, distractors) compete for the peaks: a peak that is
explained well by another object is less likely to be the target, and an object that is seen elsewhere cannot
be here.

Source: Fortmann, Bar-Shalom and Scheffe, *Sonar Tracking of Multiple Targets Using Joint Probabilistic Data
Association*, IEEE Journal of Oceanic Engineering, 1983.
"""

from __future__ import annotations

import math

import numpy as np

from siammaskpp_core.arrays import Float64Array
from siammaskpp_core.tracking.boxes import Place
from siammaskpp_core.tracking.config import TrackingConfig
from siammaskpp_core.tracking.long_term.motion import Motion

MAX_LOG_RATIO = 30.0
"""Log likelihood ratios are limited to this, so that their exponentials and sums stay finite."""
FREEDOM = 3.0
"""Degrees of freedom of the distribution of distances: its tails are heavier than a Gaussian's."""
USUAL_SPREAD_SIDES = 0.2
"""A prediction is certain up to this standard deviation of the distance from it, in mean sides."""
OTHER_APPEARANCE = 0.65
"""A peak whose appearance is better than this is rather the target than a known other object."""
SIZE_DEVIATION = 0.35
"""Standard deviation of the logarithm of an object's mean side from image to image."""


def peak_probabilities(target: Float64Array, others: Float64Array) -> Float64Array:
    """Return the probability [P] that each peak shows the target.

    `target` [P] and `others` [N, P] hold, for each object and peak, the log likelihood ratio of "this peak
    shows this object" against "it shows none of them". An object is seen in one peak at most, and a peak
    shows one object at most. All such assignments are summed up, which is meant for a handful of objects
    and peaks.
    """
    ratios, other_ratios = (np.exp(np.clip(each, -MAX_LOG_RATIO, MAX_LOG_RATIO)) for each in (target, others))
    weights = _weights_by_taken_peaks(other_ratios)
    not_seen = sum(weights.values())
    seen = np.array(
        [
            ratio * sum(weight for taken, weight in weights.items() if not taken >> peak & 1)
            for peak, ratio in enumerate(ratios.tolist())
        ]
    )
    return np.asarray(seen / (not_seen + seen.sum()))


def _weights_by_taken_peaks(ratios: Float64Array) -> dict[int, float]:
    """Return the summed weight of all assignments of objects [N, P], by the set of peaks that they take."""
    weights = {0: 1.0}
    for row in ratios.tolist():
        extended = dict(weights)
        for taken, weight in weights.items():
            for peak, ratio in enumerate(row):
                if not taken >> peak & 1:
                    key = taken | 1 << peak
                    extended[key] = extended.get(key, 0.0) + weight * ratio
        weights = extended
    return weights


def following_log_ratio(logit: float, appearance: float | None, config: TrackingConfig) -> float:
    """Return what the looks of a peak say for "the object that is followed is here" against "it is not".

    `logit` is the network's, `appearance` the response, 0 to 1, of the target's appearance model, or None
    without a model. Both are added up: an object that turns may lose the network and keep the model.
    """
    if appearance is None:
        return config.evidence_logit * logit
    return (
        config.evidence_logit * logit
        + config.evidence_appearance * appearance
        + config.evidence_appearance_offset
    )


def identity_log_ratio(logit: float, appearance: float | None, config: TrackingConfig) -> float:
    """Return what the looks of a peak say for "this is the target" against "it is something else".

    The weaker of two witnesses decides: the network does not know this target from others of its kind, and
    the appearance model can have learned what hides the target.
    """
    if appearance is None:
        return config.evidence_logit * logit
    network = config.identity_logit * logit + config.identity_logit_offset
    model = config.identity_appearance * appearance + config.identity_appearance_offset
    return -float(np.logaddexp(-network, -model))


def motion_log_ratio(motion: Motion, place: Place, side_px: float, config: TrackingConfig) -> float:
    """Return what the position of a peak says: 0 where a visible object is expected, negative elsewhere.

    The more uncertain the prediction is, the less does a peak near it mean.
    """
    squared = motion.squared_distance(place.center_x, place.center_y, side_px)
    spread = motion.spread(side_px) / (USUAL_SPREAD_SIDES * side_px) ** 2
    distance = config.evidence_motion * math.log1p(squared / FREEDOM)
    return -distance - config.evidence_spread * max(math.log(spread), 0.0)


def elsewhere_log_ratio(unclear_images: int, config: TrackingConfig) -> float:
    """Return what it says for a peak that it is far from where the target is expected: 0, or negative.

    Objects jump, and cameras do, in any image with the same small probability. The more images have not shown
    the target clearly, the more probable has a jump become.
    """
    return min(math.log1p(unclear_images) - config.evidence_elsewhere, 0.0)


def size_log_ratio(place: Place, expected: Place) -> float:
    """Return what the size of a peak says: 0 for the expected one, negative for another."""
    change = math.log(place.mean_side / expected.mean_side) / SIZE_DEVIATION
    return -0.5 * change**2
