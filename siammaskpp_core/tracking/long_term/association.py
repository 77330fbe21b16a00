"""Association: the probability that a peak of the response is a certain object.

The target and the objects around it (other targets, known distractors) compete for the peaks: a peak that is
explained well by another object is less likely to be the target, and an object that is seen elsewhere cannot
be here.

Source: Fortmann, Bar-Shalom and Scheffe, *Sonar Tracking of Multiple Targets Using Joint Probabilistic Data
Association*, IEEE Journal of Oceanic Engineering, 1983.
"""

from __future__ import annotations

import math

import numpy as np

from siammaskpp_core.arrays import Float64Array

MAX_LOG_RATIO = 30.0
"""Log likelihood ratios are limited to this, so that their exponentials and sums stay finite."""


def association_probabilities(log_ratios: Float64Array) -> Float64Array:
    """Return the probability [T, P + 1] that each peak shows each track; the last column is "not seen".

    `log_ratios` [T, P] holds the log likelihood ratio of "peak p shows track t" against "it shows none of the
    tracks". A track is seen in one peak at most, and a peak shows one track at most. All such assignments
    are enumerated, which is meant for a handful of tracks and peaks.
    """
    tracks, peaks = log_ratios.shape
    ratios = np.exp(np.clip(log_ratios, -MAX_LOG_RATIO, MAX_LOG_RATIO))
    # For each set of peaks that are taken (a bit mask): the weight of all assignments of the tracks so far.
    probabilities = np.zeros((tracks, peaks + 1))
    for track in range(tracks):
        others = _weights_by_taken_peaks(np.delete(ratios, track, axis=0))
        probabilities[track, peaks] = sum(others.values())
        for peak in range(peaks):
            free = sum(weight for taken, weight in others.items() if not taken >> peak & 1)
            probabilities[track, peak] = ratios[track, peak] * free
    return probabilities / probabilities.sum(axis=1, keepdims=True)


def _weights_by_taken_peaks(ratios: Float64Array) -> dict[int, float]:
    """Return the summed weight of all assignments of tracks [T, P], by the set of peaks that they take."""
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


def logistic(log_odds: float) -> float:
    """Return the probability with these log odds."""
    return 1 / (1 + math.exp(-max(min(log_odds, MAX_LOG_RATIO), -MAX_LOG_RATIO)))
