"""Position against rendered ground truth, what must not move it, and what must raise its covariance."""

from __future__ import annotations

import numpy as np
import pytest
from pose_scene import Plate, camera, picture, rotation, tracked

from siammaskpp_core.pose import NoPose, PoseEstimate, PoseEstimator
from siammaskpp_core.pose.position import median_inliers

PLACES = [(0.0, 0.0, 1.0), (0.25, -0.15, 1.5), (-0.5, 0.3, 2.5), (0.02, 0.03, 0.6)]
TURNS = [(0, 0, 0), (0, 0, 30), (45, 0, 20), (0, -50, 70), (-30, 25, -10)]


def estimated(depth: np.ndarray, mask: np.ndarray, confidence: float = 1.0) -> PoseEstimate:
    return PoseEstimator().from_depth(tracked(mask, confidence), depth, camera(), 0)


@pytest.mark.parametrize("turn", TURNS)
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    ("dtype", "noise", "holes"), [(np.float32, 0.0, 0.0), (np.float32, 0.01, 0.3), (np.uint16, 0.005, 0.2)]
)
def test_within_one_percent_of_the_range(place, turn, dtype: type, noise: float, holes: float) -> None:
    plate = Plate(place, rotation(*turn), (0.3, 0.18))
    depth, mask = picture(plate, noise=noise, holes=holes, dtype=dtype)
    pose = estimated(depth, mask)
    error_m = np.linalg.norm(pose.position_m - place)
    assert error_m <= max(0.01 * np.linalg.norm(place), 0.005)
    sigma_m = np.sqrt(np.trace(pose.covariance[:3, :3]))
    assert error_m < 3 * sigma_m < 0.2


@pytest.mark.parametrize("grown_px", [0, 2])
def test_no_pixel_of_the_background_moves_it(grown_px: int) -> None:
    """This holds for masks that reach over the object's boundary, too."""
    import cv2

    plate = Plate((0.1, 0.05, 1.2), rotation(20, 10, 30))
    poses = []
    for wall_m in (1.6, 3.0, 9.0, np.inf):
        depth, mask = picture(plate, wall_m=wall_m)
        mask = cv2.dilate(mask, np.ones((2 * grown_px + 1, 2 * grown_px + 1), np.uint8))
        poses.append(estimated(depth, mask))
    for pose in poses[1:]:
        for name in ("position_m", "rotation", "extent_m", "covariance", "points"):
            np.testing.assert_array_equal(getattr(pose, name), getattr(poses[0], name), err_msg=name)


@pytest.mark.parametrize("other_m", [0.5, 2.0, 6.0])
def test_an_occluder_or_background_in_a_third_of_the_mask_is_left_out(other_m: float) -> None:
    plate = Plate((0.0, 0.0, 1.2), rotation(0, 0, 0))
    depth, mask = picture(plate, noise=0.003)
    rows, columns = np.nonzero(mask)
    stripe = (rows - rows.min()) % 30 < 10
    depth[rows[stripe], columns[stripe]] = other_m
    pose = estimated(depth, mask)
    assert np.linalg.norm(pose.position_m - plate.position_m) < 0.012
    assert abs(pose.points[:, 2] - 1.2).max() < 0.05


def test_depths_around_the_median() -> None:
    depth_m = np.array([1.0, 1.01, 1.02, 1.03, 1.04, 3.0, 9.0])
    np.testing.assert_array_equal(median_inliers(depth_m), [True] * 5 + [False] * 2)
    assert median_inliers(np.linspace(1, 2, 500)).all()  # a slanted surface is whole
    assert median_inliers(np.full(9, 2.0)).all()


def test_half_of_the_surface_without_depth_moves_it_little_and_makes_it_uncertain() -> None:
    plate = Plate((0.0, 0.0, 1.0), rotation(0, 40, 0))
    depth, mask = picture(plate)
    whole = estimated(depth, mask)
    depth[:, np.nonzero(mask)[1].mean().astype(int) :] = np.nan
    half = estimated(depth, mask)
    assert np.linalg.norm(half.position_m - plate.position_m) < 0.01
    assert np.trace(half.covariance[:3, :3]) > 1.5 * np.trace(whole.covariance[:3, :3])


def test_covariance_grows_with_range_noise_low_confidence_and_truncation() -> None:
    def sigma_mm(
        place: tuple[float, float, float], confidence: float = 1.0, noise: float = 0.0
    ) -> np.ndarray:
        pose = estimated(*picture(Plate(place, np.eye(3)), noise=noise), confidence)
        return np.sqrt(np.diag(pose.covariance)[:3]) * 1e3

    near = sigma_mm((0.0, 0.0, 1.0))
    assert (sigma_mm((0.0, 0.0, 2.0)) > 1.5 * near).all()
    assert sigma_mm((0.0, 0.0, 1.0), noise=0.05)[2] > near[2]
    np.testing.assert_allclose(sigma_mm((0.0, 0.0, 1.0), confidence=0.5), 2 * near)
    assert sigma_mm((0.5, 0.0, 1.0))[0] > 5 * near[0]


@pytest.mark.parametrize("value", [0.0, np.nan, np.inf, -1.0])
def test_without_depth_there_is_no_pose(value: float) -> None:
    depth, mask = picture(Plate((0.0, 0.0, 1.0), np.eye(3)))
    with pytest.raises(NoPose, match=r"0 of the object's \d+ pixels"):
        estimated(np.full_like(depth, value), mask)
    with pytest.raises(NoPose, match="no mask"):
        estimated(depth, np.zeros_like(mask))


def test_too_few_pixels_make_no_pose() -> None:
    depth, mask = picture(Plate((0.0, 0.0, 1.0), np.eye(3)))
    rows, columns = np.nonzero(mask)
    sparse = np.full_like(depth, np.nan)
    chosen = np.random.default_rng(0).permutation(len(rows))[:20]
    sparse[rows[chosen], columns[chosen]] = 1.0
    with pytest.raises(NoPose, match="30 are needed"):
        estimated(sparse, mask)


def test_points_lie_on_the_object() -> None:
    plate = Plate((0.1, 0.0, 1.5), rotation(30, 20, 40))
    pose = estimated(*picture(plate))
    local = (pose.points - plate.position_m) @ plate.rotation
    assert len(pose.points) > 1000
    assert abs(local[:, 2]).max() < 1e-4
    assert (abs(local[:, :2]).max(axis=0) < np.array(plate.size_m) / 2).all()


def test_a_line_of_points_has_a_position() -> None:
    depth, mask = picture(Plate((0.0, 0.0, 1.0), np.eye(3)))
    row = int(np.nonzero(mask)[0].mean())
    line = np.zeros_like(mask)
    line[row, 250:400] = 255
    pose = estimated(depth, line)
    assert pose.position_m[2] == pytest.approx(1.0, abs=0.005)
    assert np.isfinite(pose.covariance).all()
