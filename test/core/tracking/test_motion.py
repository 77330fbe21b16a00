"""The Kalman filter of a target's centre."""

import numpy as np
import pytest

from siammaskpp_core.tracking.long_term.motion import MAX_PREDICTION_S, Motion

SIDE = 50.0
STEP_S = 1 / 30


def followed(velocity: tuple[float, float], steps: int = 30, noise_px: float = 0.0) -> Motion:
    """The estimate after an object that moves at constant velocity has been seen in every image."""
    rng = np.random.default_rng(0)
    motion = Motion.starting_at(100, 200, SIDE)
    for step in range(1, steps + 1):
        x, y = (
            start + step * STEP_S * speed + rng.normal(0, noise_px)
            for start, speed in zip((100, 200), velocity, strict=True)
        )
        motion = motion.predicted(STEP_S, SIDE).observed(x, y, SIDE)
    return motion


def test_constant_velocity_is_learned():
    motion = followed((90.0, -60.0))
    assert motion.velocity_x == pytest.approx(90, rel=0.25), "a decaying velocity lags behind a constant one"
    assert motion.velocity_y == pytest.approx(-60, rel=0.25)
    predicted = motion.predicted(STEP_S, SIDE)
    assert predicted.x == pytest.approx(100 + 31 * 3, abs=2)
    assert predicted.y == pytest.approx(200 - 31 * 2, abs=2)


def test_one_noisy_step_does_not_lead_it():
    """A single observation 10 px aside moves the prediction ten images later by less than 10 px."""
    motion = followed((0.0, 0.0))
    motion = motion.predicted(STEP_S, SIDE).observed(motion.x + 10, motion.y, SIDE)
    for _ in range(10):
        motion = motion.predicted(STEP_S, SIDE)
    assert motion.x - 100 < 20
    far = motion.predicted(STEP_S, SIDE).x
    for _ in range(60):
        motion = motion.predicted(STEP_S, SIDE)
    assert motion.x - far < 10, "the velocity decays while nothing is seen"


def test_uncertainty_grows_while_nothing_is_seen_and_shrinks_with_an_observation():
    motion = followed((30.0, 0.0))
    variances = [motion.variance]
    for _ in range(10):
        motion = motion.predicted(STEP_S, SIDE)
        variances.append(motion.variance)
    assert all(np.diff(variances) > 0)
    near, far = motion.squared_distance(motion.x + 20, motion.y, SIDE), variances[-1]
    assert motion.observed(motion.x + 20, motion.y, SIDE).variance < far
    assert motion.predicted(0.3, SIDE).squared_distance(motion.x + 20, motion.y, SIDE) < near


def test_it_scales_with_the_target():
    """Everything twice as large gives an estimate that is twice as large."""
    small, large = Motion.starting_at(10, 20, 30), Motion.starting_at(20, 40, 60)
    for step in range(1, 5):
        small = small.predicted(STEP_S, 30).observed(10 + step, 20, 30)
        large = large.predicted(STEP_S, 60).observed(20 + 2 * step, 40, 60)
    assert large.x == pytest.approx(2 * small.x)
    assert large.velocity_x == pytest.approx(2 * small.velocity_x)
    assert large.variance == pytest.approx(4 * small.variance)
    assert large.squared_distance(0, 0, 60) == pytest.approx(small.squared_distance(0, 0, 30))


def test_no_time_and_long_gaps():
    motion = followed((90.0, 0.0))
    assert motion.predicted(0.0, SIDE) == motion
    assert motion.predicted(-1.0, SIDE) == motion
    assert motion.predicted(MAX_PREDICTION_S + 0.1, SIDE).x == motion.x
