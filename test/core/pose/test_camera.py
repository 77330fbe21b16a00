"""Rays are the inverse of OpenCV's projection, in all distortion models."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from siammaskpp_core.pose import Camera, CameraError

K = np.array([[520.0, 0, 318.4], [0, 525.0, 243.1], [0, 0, 1]])
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
    pixels, _ = cv2.projectPoints(POINTS, np.zeros(3), np.zeros(3), K, np.array(distortion))
    rays = Camera.from_calibration((640, 480), K, distortion, model).rays(pixels[:, 0])
    np.testing.assert_allclose(rays, POINTS / POINTS[:, 2:], atol=1e-5)


def test_fisheye_rays_invert_the_projection() -> None:
    distortion = np.array([0.02, -0.01, 0.003, -0.001])
    pixels, _ = cv2.fisheye.projectPoints(POINTS[:, None], np.zeros(3), np.zeros(3), K, distortion)
    rays = Camera.from_calibration((640, 480), K, list(distortion), "equidistant").rays(pixels[:, 0])
    np.testing.assert_allclose(rays, POINTS / POINTS[:, 2:], atol=1e-5)


def test_region_and_binning_see_the_same_point() -> None:
    full = Camera.from_calibration((640, 480), K)
    # Pixel (10, 20) of a 2x2 binned region at (100, 50) is columns 120, 121 and rows 90, 91 of the sensor.
    part = Camera.from_calibration((300, 200), K, offset=(100, 50), binning=(2, 2))
    assert (part.width, part.height) == (150, 100)
    np.testing.assert_allclose(part.rays([[10, 20]]), full.rays([[120.5, 90.5]]), atol=1e-12)
    assert Camera.from_calibration((640, 480), K, binning=(0, 0)).rays([[3, 4]]) == pytest.approx(
        full.rays([[3, 4]])
    )


@pytest.mark.parametrize(
    ("matrix", "distortion", "model", "reason"),
    [
        (np.zeros(9), [], "plumb_bob", "not calibrated"),
        (np.full(9, np.nan), [], "plumb_bob", "not calibrated"),
        (K, [0.1, 0.2], "plumb_bob", "4 or 5 finite"),
        (K, [0.1, np.nan, 0, 0, 0], "plumb_bob", "finite"),
        (K, [0.1, 0.2, 0, 0, 0], "thin_prism", "plumb_bob"),
    ],
)
def test_unusable_calibrations_say_why(matrix, distortion, model: str, reason: str) -> None:
    with pytest.raises(CameraError, match=reason):
        Camera.from_calibration((640, 480), matrix, distortion, model)
