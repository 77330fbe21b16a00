"""Direction, and range from a known size, without depth."""

from __future__ import annotations

import math

import numpy as np
import pytest
from pose_scene import K, Plate, camera, picture, rotation, seen, turned_by_deg

from siammaskpp_core.pose import Camera, PoseEstimator, bearing_of
from siammaskpp_core.tracking.boxes import RotatedBox


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
    pose = PoseEstimator().from_size(seen(mask), camera(), 0.4, 0)
    range_m = np.linalg.norm(place)
    error = pose.position_m - place
    assert np.linalg.norm(error) < 0.05 * range_m
    assert np.linalg.norm(error - (error @ ray) * ray) < 0.005 * range_m  # the direction is better known
    along, across = ray @ pose.covariance[:3, :3] @ ray, np.linalg.eigvalsh(pose.covariance[:3, :3])[0]
    assert along > (0.09 * range_m) ** 2 > 10 * across
    assert not len(pose.points)
    assert pose.extent_m[2] == 0
    assert pose.extent_m[0] == pytest.approx(0.4, rel=0.05)


def test_the_turn_in_the_image_is_kept_and_the_tilt_is_unknown() -> None:
    plate = Plate((0.0, 0.0, 1.0), rotation(0, 0, 25))
    pose = PoseEstimator().from_size(seen(picture(plate)[1]), camera(), 0.4, 0)
    assert turned_by_deg(pose.rotation, plate.rotation) < 3
    assert np.degrees(np.sqrt(np.diag(pose.covariance)[3:5])) == pytest.approx([30, 30], rel=0.01)


def test_distortion_is_taken_out() -> None:
    import cv2

    distortion = np.array([-0.3, 0.1, 0.0, 0.0, 0.0])
    point = np.array([[0.6, 0.4, 1.0]])
    (u, v) = cv2.projectPoints(point, np.zeros(3), np.zeros(3), K, distortion)[0].ravel()
    lens = Camera.from_calibration((640, 480), K, list(distortion))
    direction = bearing_of(RotatedBox(u + 0.5, v + 0.5, 6, 3, 0.0), lens, 2.0).direction
    np.testing.assert_allclose(direction, point[0] / np.linalg.norm(point), atol=1e-5)
