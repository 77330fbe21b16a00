"""Rays against OpenCV's projection in all distortion models; bearings, and the range from a known size."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
from pose_scene import K, Plate, camera, picture, rotation, tracked, turned_by_deg

from siammaskpp_core.pose import CameraError, CameraModel, PoseEstimator, bearing_of
from siammaskpp_core.tracking.boxes import RotatedBox

LENS_K = np.array([[520.0, 0, 318.4], [0, 525.0, 243.1], [0, 0, 1]])
POINTS = np.array([[0.0, 0, 1], [0.5, 0.3, 1.2], [-0.9, 0.6, 1.5], [0.7, -0.6, 1.4]])


@pytest.mark.parametrize(
    ("model", "distortion"),
    [
        ("plumb_bob", [0.0, 0, 0, 0, 0]),
        ("plumb_bob", [-0.32, 0.12, 0.001, -0.0007, -0.02]),
        ("plumb_bob", [0.16, -0.49, -0.0005, 0.0003, 0.43]),  # an RGB-D camera's colour lens
        ("rational_polynomial", [0.4, -0.2, 0.0001, 0.0, 0.03, 0.75, -0.1, 0.05]),
    ],
)
def test_rays_invert_the_projection(model: str, distortion: list[float]) -> None:
    pixels, _ = cv2.projectPoints(POINTS, np.zeros(3), np.zeros(3), LENS_K, np.array(distortion))
    rays = CameraModel.from_calibration((640, 480), LENS_K, distortion, model).rays(pixels[:, 0])
    np.testing.assert_allclose(rays, POINTS / POINTS[:, 2:], atol=1e-5)


def test_fisheye_rays_invert_the_projection() -> None:
    distortion = np.array([0.02, -0.01, 0.003, -0.001])
    pixels, _ = cv2.fisheye.projectPoints(POINTS[:, None], np.zeros(3), np.zeros(3), LENS_K, distortion)
    rays = CameraModel.from_calibration((640, 480), LENS_K, list(distortion), "equidistant").rays(
        pixels[:, 0]
    )
    np.testing.assert_allclose(rays, POINTS / POINTS[:, 2:], atol=1e-5)


def test_region_and_binning_see_the_same_point() -> None:
    full = CameraModel.from_calibration((640, 480), LENS_K)
    # Pixel (10, 20) of a 2x2 binned region at (100, 50) is columns 120, 121 and rows 90, 91 of the sensor.
    part = CameraModel.from_calibration((300, 200), LENS_K, offset=(100, 50), binning=(2, 2))
    assert (part.width, part.height) == (150, 100)
    np.testing.assert_allclose(part.rays([[10, 20]]), full.rays([[120.5, 90.5]]), atol=1e-12)
    assert CameraModel.from_calibration((640, 480), LENS_K, binning=(0, 0)).rays([[3, 4]]) == pytest.approx(
        full.rays([[3, 4]])
    )


@pytest.mark.parametrize(
    ("matrix", "distortion", "model", "reason"),
    [
        (np.zeros(9), [], "plumb_bob", "not calibrated"),
        (np.full(9, np.nan), [], "plumb_bob", "not calibrated"),
        (LENS_K, [0.1, 0.2], "plumb_bob", "4 or 5 finite"),
        (LENS_K, [0.1, np.nan, 0, 0, 0], "plumb_bob", "finite"),
        (LENS_K, [0.1, 0.2, 0, 0, 0], "thin_prism", "plumb_bob"),
    ],
)
def test_unusable_calibrations_say_why(matrix, distortion, model: str, reason: str) -> None:
    with pytest.raises(CameraError, match=reason):
        CameraModel.from_calibration((640, 480), matrix, distortion, model)


def test_the_middle_of_a_pixel_is_half_a_pixel_inside_the_box_coordinates() -> None:
    box = RotatedBox(K[0, 2] + 0.5, K[1, 2] + 0.5, 10, 4, 0.0)
    np.testing.assert_allclose(bearing_of(box, camera(), 2.0).direction, [0, 0, 1], atol=1e-12)
    box = RotatedBox(K[0, 2] + 0.5 + K[0, 0], K[1, 2] + 0.5, 10, 4, 0.0)
    np.testing.assert_allclose(bearing_of(box, camera(), 2.0).direction, [0.5**0.5, 0, 0.5**0.5])


def test_the_longer_side_counts_however_the_box_is_turned() -> None:
    angles = []
    for width, height, angle in ((100, 20, 0.4), (20, 100, 0.4 + math.pi / 2), (20, 100, 0.4 - math.pi / 2)):
        box = RotatedBox(325.5, 236.5, width, height, angle)
        angles.append(bearing_of(box, camera(), 2.0).angle_rad)
    np.testing.assert_allclose(angles, angles[0])


@pytest.mark.parametrize("place", [(0.0, 0.0, 1.0), (0.3, -0.2, 1.5), (-0.6, 0.2, 3.0)])
@pytest.mark.parametrize("degrees", [0, 35, 90])
def test_range_from_size(place: tuple[float, float, float], degrees: float) -> None:
    ray = np.array(place) / np.linalg.norm(place)
    plate = Plate(place, rotation(0, 0, degrees), (0.4, 0.2))
    _, mask = picture(plate)
    pose = PoseEstimator().from_size(tracked(mask), camera(), 0.4, 0)
    range_m = np.linalg.norm(place)
    error = pose.position_m - place
    assert np.linalg.norm(error) < 0.05 * range_m
    assert np.linalg.norm(error - (error @ ray) * ray) < 0.005 * range_m  # the direction is better known
    along, across = ray @ pose.covariance[:3, :3] @ ray, np.linalg.eigvalsh(pose.covariance[:3, :3])[0]
    assert along > (0.09 * range_m) ** 2 > 10 * across
    assert not len(pose.points)
    assert pose.extent_m[2] == 0
    assert pose.extent_m[0] == pytest.approx(0.4, rel=0.05)


def test_the_in_plane_rotation_is_measured_and_the_tilt_is_unknown() -> None:
    plate = Plate((0.0, 0.0, 1.0), rotation(0, 0, 25))
    pose = PoseEstimator().from_size(tracked(picture(plate)[1]), camera(), 0.4, 0)
    assert turned_by_deg(pose.rotation, plate.rotation) < 3
    assert np.degrees(np.sqrt(np.diag(pose.covariance)[3:5])) == pytest.approx([30, 30], rel=0.01)


@pytest.mark.parametrize(
    ("model", "given", "name", "meant"),
    [
        ("plumb_bob", [-0.3, 0.1, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0], "plumb_bob", [-0.3, 0.1, 0.0, 0.0]),
        ("plumb_bob", [-0.3, 0.1, 0.0, 0.0, 0.02, *[0.0] * 9], "plumb_bob", [-0.3, 0.1, 0.0, 0.0, 0.02]),
        ("equidistant", [0.02, -0.01, 0.003, -0.001, 0.0], "equidistant", [0.02, -0.01, 0.003, -0.001]),
        ("fisheye", [0.02, *[0.0] * 13], "equidistant", [0.02, 0.0, 0.0, 0.0]),
        ("Kannala-Brandt4", [0.02, 0.0, 0.0, 0.0], "equidistant", [0.02, 0.0, 0.0, 0.0]),
        ("Brown Conrady", [-0.3, 0.1, 0.0, 0.0, 0.0], "plumb_bob", [-0.3, 0.1, 0.0, 0.0]),
        ("rational_polynomial", [-0.3, 0.1, 0.0, 0.0, 0.0], "rational_polynomial", [-0.3, 0.1, *[0.0] * 6]),
    ],
)
def test_names_and_lengths_of_drivers_are_understood(
    model: str, given: list[float], name: str, meant: list[float]
) -> None:
    camera = CameraModel.from_calibration((640, 480), LENS_K, given, model)
    assert camera.model == name
    np.testing.assert_array_equal(camera.distortion, meant)
    expected = CameraModel.from_calibration((640, 480), LENS_K, meant, name)
    np.testing.assert_array_equal(camera.rays([[50.0, 60.0]]), expected.rays([[50.0, 60.0]]))


def test_the_bearing_is_free_of_distortion() -> None:
    distortion = np.array([-0.3, 0.1, 0.0, 0.0, 0.0])
    point = np.array([[0.6, 0.4, 1.0]])
    (u, v) = cv2.projectPoints(point, np.zeros(3), np.zeros(3), K, distortion)[0].ravel()
    lens = CameraModel.from_calibration((640, 480), K, list(distortion))
    direction = bearing_of(RotatedBox(u + 0.5, v + 0.5, 6, 3, 0.0), lens, 2.0).direction
    np.testing.assert_allclose(direction, point[0] / np.linalg.norm(point), atol=1e-5)
