"""Axes and size against rendered ground truth."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
from pose_scene import SIZE, K, Plate, camera, picture, rotation, tracked, turned_by_deg

from siammaskpp_core.pose import PoseEstimate, PoseEstimator


def estimated(plate: Plate, **scene) -> PoseEstimate:
    depth, mask = picture(plate, **scene)
    return PoseEstimator().from_depth(tracked(mask), depth, camera(), 0)


@pytest.mark.parametrize(
    "turn",
    [(0, 0, 0), (0, 0, 30), (0, 0, -80), (45, 0, 20), (0, -50, 70), (-30, 25, -10), (60, 0, 0), (20, 40, 45)],
)
@pytest.mark.parametrize(
    ("dtype", "noise", "holes"), [(np.float32, 0.0, 0.0), (np.float32, 0.01, 0.3), (np.uint16, 0.005, 0.2)]
)
def test_within_three_degrees(turn, dtype: type, noise: float, holes: float) -> None:
    plate = Plate((0.1, -0.05, 1.2), rotation(*turn))
    pose = estimated(plate, dtype=dtype, noise=noise, holes=holes)
    assert turned_by_deg(pose.rotation, plate.rotation) <= 3.0
    np.testing.assert_allclose(pose.extent_m[:2], plate.size_m, atol=0.012)
    np.testing.assert_allclose(pose.rotation.T @ pose.rotation, np.eye(3), atol=1e-9)
    assert np.linalg.det(pose.rotation) == pytest.approx(1)


def test_an_upright_picture_has_the_axes_of_the_camera() -> None:
    pose = estimated(Plate((0.0, 0.0, 1.0), np.eye(3)))
    np.testing.assert_allclose(pose.rotation, np.eye(3), atol=0.01)


def test_the_axes_are_continuous_through_a_full_turn() -> None:
    estimator = PoseEstimator()
    before = None
    for index, degrees in enumerate(range(0, 360, 15)):
        plate = Plate((0.0, 0.0, 1.0), rotation(0, 0, degrees))
        depth, mask = picture(plate)
        pose = estimator.from_depth(tracked(mask), depth, camera(), index * 33_000_000)
        np.testing.assert_allclose(pose.rotation, plate.rotation, atol=0.03)
        assert before is None or np.trace(before.T @ pose.rotation) > 2.9
        before = pose.rotation


def test_the_axes_of_a_square_do_not_jump_between_its_sides() -> None:
    estimator = PoseEstimator()
    for index, degrees in enumerate(range(0, 180, 10)):
        plate = Plate((0.0, 0.0, 1.0), rotation(0, 0, degrees), (0.25, 0.24))
        depth, mask = picture(plate)
        pose = estimator.from_depth(tracked(mask), depth, camera(), index * 33_000_000)
        np.testing.assert_allclose(pose.rotation, plate.rotation, atol=0.05)


def cylinder(tilt_deg: float, radius_m: float = 0.06, length_m: float = 0.4) -> tuple[np.ndarray, np.ndarray]:
    """Depth and mask of a cylinder 1 m away whose axis is rotated in the image plane."""
    u, v = np.meshgrid(np.arange(SIZE[0]), np.arange(SIZE[1]))
    rays = np.dstack([(u - K[0, 2]) / K[0, 0], (v - K[1, 2]) / K[1, 1], np.ones(u.shape)])
    axis = np.array([math.cos(math.radians(tilt_deg)), math.sin(math.radians(tilt_deg)), 0])
    center = np.array([0.0, 0, 1 + radius_m])
    across = rays - (rays @ axis)[:, :, None] * axis
    offset = center - (center @ axis) * axis
    a, b, c = (across**2).sum(2), across @ offset, offset @ offset - radius_m**2
    root = b**2 - a * c
    z = (b - np.sqrt(np.maximum(root, 0))) / a
    hit = (root > 0) & (np.abs((rays * z[:, :, None] - center) @ axis) < length_m / 2)
    return np.where(hit, z, 3.0).astype(np.float32), np.where(hit, 255, 0).astype(np.uint8)


@pytest.mark.parametrize("tilt_deg", [0, 25, -60])
def test_a_curved_body_has_its_principal_axes(tilt_deg: float) -> None:
    depth, mask = cylinder(tilt_deg)
    pose = PoseEstimator().from_depth(tracked(mask), depth, camera(), 0)
    axis = [math.cos(math.radians(tilt_deg)), math.sin(math.radians(tilt_deg)), 0]
    assert abs(pose.rotation[:, 0] @ axis) > math.cos(math.radians(3))
    assert pose.rotation[2, 2] > math.cos(math.radians(3))
    np.testing.assert_allclose(pose.extent_m[:2], [0.4, 0.12], atol=0.01)
    assert 0.015 < pose.extent_m[2] < 0.06  # the visible half, without its steep sides


@pytest.mark.parametrize("tilt_deg", [0, 35, -70])
def test_the_axis_of_a_cone_is_not_that_of_its_outline(tilt_deg: float) -> None:
    """The smallest rectangle around a triangle lies along any of its sides."""
    u, v = np.meshgrid(np.arange(SIZE[0]) - K[0, 2], np.arange(SIZE[1]) - K[1, 2])
    x, y = u / K[0, 0], v / K[1, 1]
    cos, sin = math.cos(math.radians(tilt_deg)), math.sin(math.radians(tilt_deg))
    along, across = x * cos + y * sin, y * cos - x * sin
    radius = 0.1 * (along + 0.15) / 0.3
    body = (np.abs(across) < radius) & (along < 0.15)
    depth = np.where(body, 1.1 - 1.5 * np.sqrt(np.maximum(radius**2 - across**2, 0)), 3.0)
    mask = np.where(body, 255, 0).astype(np.uint8)
    pose = PoseEstimator().from_depth(tracked(mask), depth.astype(np.float32), camera(), 0)
    in_the_image = pose.rotation[:2, 0] / np.linalg.norm(pose.rotation[:2, 0])
    assert abs(in_the_image @ [cos, sin]) > math.cos(math.radians(3))


def sigma_deg(pose: PoseEstimate) -> np.ndarray:
    return np.degrees(np.sqrt(np.diag(pose.covariance)[3:]))


def test_an_unknown_rotation_is_in_the_covariance() -> None:
    place = (0.0, 0.0, 1.0)
    long = sigma_deg(estimated(Plate(place, np.eye(3), (0.4, 0.1))))
    assert (long < 2).all()
    square = sigma_deg(estimated(Plate(place, np.eye(3), (0.25, 0.25))))
    assert square[2] == pytest.approx(math.degrees(math.pi / math.sqrt(12)), rel=0.01)
    assert (square[:2] < 2).all()
    noisy = sigma_deg(estimated(Plate(place, np.eye(3), (0.4, 0.1)), noise=0.02))
    assert (noisy[:2] > 2 * long[:2]).all()


def test_where_noise_hides_the_tilt_the_object_faces_the_camera() -> None:
    plate = Plate((0.3, 0.0, 2.5), rotation(0, 0, 30), (0.1, 0.05))
    pose = estimated(plate, noise=0.05)
    ray = np.array(plate.position_m) / np.linalg.norm(plate.position_m)
    assert pose.rotation[:, 2] @ ray > math.cos(math.radians(2))
    assert sigma_deg(pose)[0] > 20
    in_plane = np.array([math.cos(math.radians(30)), math.sin(math.radians(30)), 0])
    assert abs(pose.rotation[:, 0] @ in_plane) > math.cos(math.radians(8))


def test_noise_is_not_taken_for_the_relief_of_a_body() -> None:
    plate = Plate((0.1, 0.0, 2.7), rotation(-12, 8, -62), (0.3, 0.18))
    for seed in range(5):
        pose = estimated(plate, wall_m=6.0, noise=0.01, holes=0.3, seed=seed)  # 7 cm
        assert turned_by_deg(pose.rotation, plate.rotation) < 15


def test_an_outlier_of_the_depth_does_not_tilt_it() -> None:
    plate = Plate((0.0, 0.0, 1.0), rotation(0, 30, 0))
    depth, mask = picture(plate)
    x, y, width, height = cv2.boundingRect(mask)
    depth[y : y + height // 4, x : x + width // 4] += 0.08
    pose = PoseEstimator().from_depth(tracked(mask), depth, camera(), 0)
    assert turned_by_deg(pose.rotation, plate.rotation) < 3
