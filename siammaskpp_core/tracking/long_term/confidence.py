"""How sure it is that something is the target: from the network's probability to the score."""

from __future__ import annotations

import math

from siammaskpp_core.tracking.config import TrackingConfig

# By which a observation's logit counts in the usual one, from this score on.
_BASELINE_RATE = 0.1
_BASELINE_MIN_CONFIDENCE = 0.25


def logit(probability: float) -> float:
    """The natural logarithm of the odds; within 20.8, so that it is finite for 0 and 1."""
    likely = min(max(probability, 1e-9), 1 - 1e-9)
    return math.log(likely / (1 - likely))


def calibrated(probability: float, baseline_logit: float | None, config: TrackingConfig) -> float:
    """The score, in 0..1, of a candidate to which the network gives this probability.

    It is relative to the target's usual logit; a first observation (None) is usual itself.
    """
    seen = logit(probability)
    usual = seen if baseline_logit is None else baseline_logit
    evidence = config.confidence_slope * (seen - config.baseline_weight * usual) + config.confidence_offset
    return 1 / (1 + math.exp(-evidence))


def updated_baseline(baseline_logit: float | None, probability: float, score: float) -> float | None:
    """The usual logit after a observation; what is unlikely to be the target says nothing of it."""
    if not score > _BASELINE_MIN_CONFIDENCE:
        return baseline_logit
    seen = logit(probability)
    return seen if baseline_logit is None else baseline_logit + _BASELINE_RATE * (seen - baseline_logit)
