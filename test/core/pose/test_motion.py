"""The motion filter: velocity, covariance, outliers, gaps and jumps back in time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from pose_scene import Plate, camera, picture, rotation, tracked

from siammaskpp_core.pose import NoPose, PoseEstimator
from siammaskpp_core.pose.motion import ACCELERATION_SIGMA_M_S2, MotionFilter, positive_definite
from siammaskpp_core.tracking.boxes import RotatedBox

STEP_NS = 33_333_333
COVARIANCE = np.diag([1e-4, 1e-4, 4e-4])
VELOCITY = np.array([0.3, -0.1, 0.5])
START = np.array([0.1, 0.2, 1.5])


def place(index: int) -> np.ndarray:
    return START + VELOCITY * index * STEP_NS * 1e-9


def test_velocity_of_a_noisy_straight_motion() -> None:
    rng = np.random.default_rng(1)
    motion = MotionFilter()
    errors, speeds = [], []
    for index in range(90):
        measured = place(index) + rng.multivariate_normal(np.zeros(3), COVARIANCE)
        state = motion.update(index * STEP_NS, measured, COVARIANCE)
        assert state is not None
        assert state.is_velocity_known == (index > 0)
        errors.append(
            (np.linalg.norm(state.position_m - place(index)), np.linalg.norm(measured - place(index)))
        )
        speeds.append(np.linalg.norm(state.velocity_m_s - VELOCITY))
    filtered, raw = np.array(errors)[30:].mean(axis=0)
    assert filtered < 0.75 * raw
    assert np.mean(speeds[30:]) < 0.2
    assert np.sqrt(np.trace(state.velocity_covariance)) < 0.4
    assert (np.linalg.eigvalsh(state.position_covariance) < np.diag(COVARIANCE)).all()


def test_it_agrees_with_the_textbook_on_two_steps() -> None:
    """One axis by hand: prior variances r and v, then a prediction over t and a correction."""
    t, r, v, q = 0.1, 0.04, 9.0, ACCELERATION_SIGMA_M_S2
    motion = MotionFilter()
    motion.update(0, np.array([1.0, 0, 2]), np.eye(3) * r)
    state = motion.update(100_000_000, np.array([1.2, 0, 2]), np.eye(3) * r)
    assert state is not None
    prior = r + t**2 * v + q**2 * t**4 / 4
    cross = t * v + q**2 * t**3 / 2
    gain, gain_v = prior / (prior + r), cross / (prior + r)
    assert state.position_m == pytest.approx([1 + gain * 0.2, 0, 2])
    assert state.velocity_m_s == pytest.approx([gain_v * 0.2, 0, 0])
    assert state.position_covariance == pytest.approx(np.eye(3) * (1 - gain) * prior, abs=1e-12)


def test_an_outlier_is_rejected_and_a_new_position_is_accepted_at_the_third_time() -> None:
    motion = MotionFilter()
    for index in range(20):
        motion.update(index * STEP_NS, START, COVARIANCE)
    assert motion.update(20 * STEP_NS, START + 2, COVARIANCE) is None
    state = motion.update(21 * STEP_NS, START, COVARIANCE)
    assert state is not None
    assert np.linalg.norm(state.position_m - START) < 0.01
    answers = [motion.update((22 + index) * STEP_NS, START + 2, COVARIANCE) for index in range(3)]
    assert answers[:2] == [None, None]
    assert answers[2] is not None
    np.testing.assert_array_equal(answers[2].position_m, START + 2)
    assert not answers[2].is_velocity_known


def test_covariance_grows_with_the_time_between_images() -> None:
    sigmas = []
    for gap_ns in (STEP_NS, 15 * STEP_NS):
        motion = MotionFilter()
        for index in range(20):
            motion.update(index * STEP_NS, START, COVARIANCE)
        state = motion.update(19 * STEP_NS + gap_ns, START, COVARIANCE)
        assert state is not None
        sigmas.append(np.trace(state.position_covariance))
    assert sigmas[1] > 1.3 * sigmas[0]


@pytest.mark.parametrize("jump_ns", [-5_000_000_000, 1_500_000_000])
def test_a_gap_or_a_jump_back_restarts_the_filter(jump_ns: int) -> None:
    motion = MotionFilter()
    for index in range(20):
        motion.update(10**10 + index * STEP_NS, place(index), COVARIANCE)
    state = motion.update(10**10 + 19 * STEP_NS + jump_ns, START - 1, COVARIANCE)
    assert state is not None
    np.testing.assert_array_equal(state.position_m, START - 1)
    assert not state.is_velocity_known


def test_a_moving_plate_is_followed_within_one_percent() -> None:
    estimator = PoseEstimator()
    velocity = np.array([0.4, 0.05, -0.3])
    for index in range(30):
        at = np.array([-0.2, 0.0, 1.4]) + velocity * index / 30
        plate = Plate(tuple(at), rotation(0, 20, 10 + 2 * index), (0.3, 0.18))
        depth, mask = picture(plate, noise=0.005, holes=0.2, dtype=np.uint16, seed=index)
        pose = estimator.from_depth(tracked(mask), depth, camera(), index * STEP_NS)
        assert np.linalg.norm(pose.position_m - at) <= max(0.01 * np.linalg.norm(at), 0.005)
        if index >= 15:
            assert pose.velocity is not None
            assert np.linalg.norm(pose.velocity.linear_m_s - velocity) < 0.15


def test_a_jump_of_the_mask_makes_no_pose() -> None:
    estimator = PoseEstimator()
    for index in range(5):
        depth, mask = picture(Plate((0.0, 0.0, 1.0), np.eye(3)))
        estimator.from_depth(tracked(mask), depth, camera(), index * STEP_NS)
    depth, mask = picture(Plate((0.4, 0.0, 2.0), np.eye(3)))
    with pytest.raises(NoPose, match="jumped"):
        estimator.from_depth(tracked(mask), depth, camera(), 5 * STEP_NS)


def is_covariance(matrix: np.ndarray) -> bool:
    return bool((matrix == matrix.T).all() and (np.linalg.eigvalsh(matrix) > 0).all())


def test_covariances_stay_symmetric_and_positive() -> None:
    """24,000 updates with gaps from a microsecond to a second, and with every ratio of the measured axes."""
    rng = np.random.default_rng(0)
    for _ in range(200):
        motion, stamp_ns = MotionFilter(), 0
        scale = 10 ** rng.uniform(-4, 0)
        for _ in range(120):
            stamp_ns += round(10 ** rng.uniform(3, 9))
            ray = rng.normal(size=3)
            along = np.outer(ray, ray) / (ray @ ray)
            covariance = scale**2 * (along * 10 ** rng.uniform(-2, 4) + (np.eye(3) - along))
            state = motion.update(stamp_ns, rng.normal(0, scale, 3), covariance)
            if state is not None:
                assert is_covariance(state.position_covariance)
                assert is_covariance(state.velocity_covariance)


def test_covariances_of_poses_are_symmetric_and_positive() -> None:
    rng = np.random.default_rng(1)
    for dtype, noise in ((np.float32, 0.0), (np.uint16, 0.005), (np.float32, 0.02)):
        estimator = PoseEstimator()
        for index in range(20):
            turn = rotation(*rng.uniform(-60, 60, 3))
            plate = Plate((0.05, -0.02, 1.5), turn, (0.3, float(rng.uniform(0.05, 0.3))))
            depth, mask = picture(plate, noise=noise, holes=0.1, dtype=dtype, seed=index)
            try:
                pose = estimator.from_depth(tracked(mask), depth, camera(), index * 7 * STEP_NS)
            except NoPose:
                continue
            assert is_covariance(pose.covariance), np.linalg.eigvalsh(pose.covariance)


def test_a_covariance_that_rounding_has_spoilt_is_repaired() -> None:
    spoilt = np.array([[1.0, 1.0, 0.0], [1.0 + 1e-9, 1.0, 0.0], [0.0, 0.0, -1e-15]])
    repaired = positive_definite(spoilt)
    assert is_covariance(repaired)
    np.testing.assert_allclose(repaired, spoilt, atol=1e-8)
    with pytest.raises(np.linalg.LinAlgError):
        positive_definite(np.full((3, 3), np.inf))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1.7e308, 1e200, 1e7])
def test_numbers_without_sense_leave_the_filter_as_it_was(value: float) -> None:
    motion, untouched = MotionFilter(), MotionFilter()
    for index in range(10):
        motion.update(index * STEP_NS, place(index), COVARIANCE)
        untouched.update(index * STEP_NS, place(index), COVARIANCE)
    for position, covariance in (
        (np.array([value, 0.2, 1.5]), COVARIANCE),
        (place(10), np.full((3, 3), value * 1e6)),
        (place(10), np.diag([1e-4, value * 1e6, 1e-4])),
    ):
        with pytest.raises(np.linalg.LinAlgError):
            motion.update(10 * STEP_NS, position, covariance)
    after = [each.update(10 * STEP_NS, place(10), COVARIANCE) for each in (motion, untouched)]
    assert after[0] is not None
    assert after[1] is not None
    np.testing.assert_array_equal(after[0].position_m, after[1].position_m)
    np.testing.assert_array_equal(after[0].position_covariance, after[1].position_covariance)


@pytest.mark.parametrize(
    "box", [(np.nan,) * 5, (160.0, 120.0, 0.0, 0.0, 0.0), (np.inf, 120.0, 40.0, 30.0, 0.0)]
)
def test_a_result_that_is_not_finite_gives_no_pose_and_leaves_the_estimator_as_it_was(box: tuple) -> None:
    _, mask = picture(Plate((0.0, 0.0, 1.0), np.eye(3)))
    good = tracked(mask)
    estimator = PoseEstimator()
    estimator.from_size(good, camera(), 0.4, 0)
    bad = replace(good, rotated_box=RotatedBox(*box))
    with pytest.raises(NoPose):
        estimator.from_size(bad, camera(), 0.4, STEP_NS)
    with pytest.raises(NoPose):
        estimator.from_size(replace(good, confidence=float("nan")), camera(), 0.4, STEP_NS)
    pose = estimator.from_size(good, camera(), 0.4, 2 * STEP_NS)
    assert np.isfinite([*pose.position_m, *pose.rotation.flat, *pose.covariance.flat]).all()
    assert pose.velocity is not None
