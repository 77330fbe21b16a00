"""The confidence that a candidate is the target: from the network's probability to a calibrated one."""

from __future__ import annotations

import math

from siammaskpp_core.tracking.config import TrackingConfig

# Weight of a new observation in the baseline logit, and the confidence from which an observation counts.
_BASELINE_RATE = 0.1
_BASELINE_MIN_CONFIDENCE = 0.25


def logit(probability: float) -> float:
    """Return the natural logarithm of the odds, limited to +-20.8 so that it is finite for 0 and 1."""
    limited = min(max(probability, 1e-9), 1 - 1e-9)
    return math.log(limited / (1 - limited))


def calibrated(probability: float, baseline_logit: float | None, config: TrackingConfig) -> float:
    """Return the confidence, 0 to 1, of a candidate to which the network gives `probability`.

    `baseline_logit` is the logit at which the network has recognised this target so far. A first observation
    (None) is its own baseline.
    """
    observed = logit(probability)
    baseline = observed if baseline_logit is None else baseline_logit
    evidence = config.confidence_slope * (observed - config.baseline_weight * baseline)
    return 1 / (1 + math.exp(-evidence - config.confidence_offset))


def updated_baseline(baseline_logit: float | None, probability: float, confidence: float) -> float | None:
    """Return the baseline logit after an observation.

    An observation that is unlikely to show the target leaves the baseline as it is.
    """
    if not confidence > _BASELINE_MIN_CONFIDENCE:
        return baseline_logit
    observed = logit(probability)
    if baseline_logit is None:
        return observed
    return baseline_logit + _BASELINE_RATE * (observed - baseline_logit)
