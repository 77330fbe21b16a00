"""The rate of every step, and the step from which the backbone learns too."""

from __future__ import annotations

import math

import numpy as np

from siammaskpp_core.training.config import TrainingConfig


def rate_factor(step: int, config: TrainingConfig) -> float:
    """Share of the peak rate at `step` (from 0)."""
    return _by_epoch(step, config) if config.schedule == "epochs" else _cosine(step, config)


def unfreezing_step(config: TrainingConfig) -> int:
    """The first step that trains the backbone; `config.steps` when none does."""
    return round(config.unfreeze_at * config.steps)


def _by_epoch(step: int, config: TrainingConfig) -> float:
    """One rate an epoch: a straight line from `first_rate` to the peak, then evenly in the logarithm.

    With 20 epochs, a quarter of them warm-up, a peak of 0.005 and shares of 0.2 and 0.5 these are the
    paper's 5 epochs from 0.001 to 0.005 and 15 from there to 0.0025.
    """
    warmup = round(config.warmup * config.epochs)
    rising = np.linspace(config.first_rate, 1, warmup)
    falling = np.geomspace(1, config.final_rate, config.epochs - warmup)
    epoch = min(step, config.steps - 1) * config.epochs // config.steps
    return float(np.concatenate([rising, falling])[epoch])


def _cosine(step: int, config: TrainingConfig) -> float:
    """A new rate every step: a straight line from `first_rate` to the peak, then half a cosine."""
    warmup = round(config.warmup * config.steps)
    if step < warmup:
        return config.first_rate + (1 - config.first_rate) * (step + 1) / warmup
    progress = min((step - warmup) / max(1, config.steps - warmup), 1)
    return config.final_rate + (1 - config.final_rate) * 0.5 * (1 + math.cos(math.pi * progress))
