"""Depth images: units and invalid values; surfaces: which pixels of the mask are used."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from pose_scene import SIZE, camera

from siammaskpp_core.pose import DepthError, depth_in_metres, points
from siammaskpp_core.pose.points import surface_of


def square(left: int, top: int, width: int, height: int) -> np.ndarray:
    mask = np.zeros(SIZE[::-1], np.uint8)
    mask[top : top + height, left : left + width] = 255
    return mask


def test_millimetres_and_metres_are_told_apart_by_type() -> None:
    nan = np.nan
    np.testing.assert_array_equal(
        depth_in_metres(np.array([[0, 1, 1500]], np.uint16)), np.array([[nan, 0.001, 1.5]], np.float32)
    )
    raw = np.array([[nan, np.inf, -np.inf, 0, -2, 1.5]], np.float32)
    np.testing.assert_array_equal(
        depth_in_metres(raw), np.array([[nan, nan, nan, nan, nan, 1.5]], np.float32)
    )
    with pytest.raises(DepthError, match="float64"):
        depth_in_metres(np.ones((2, 2)))


def test_the_boundary_is_left_out_but_not_at_the_image_border() -> None:
    depth = np.ones(SIZE[::-1], np.float32)
    inside = surface_of(square(100, 100, 20, 14), depth, camera())
    assert len(inside.rays) == (20 - 6) * (14 - 6)
    at_the_border = surface_of(square(0, 100, 20, 14), depth, camera())
    assert len(at_the_border.rays) == (20 - 3) * (14 - 6)
    thin = surface_of(square(100, 100, 40, 3), depth, camera())
    assert len(thin.rays) == 38  # the middle row without its ends


def test_rays_are_those_of_the_pixels() -> None:
    surface = surface_of(square(100, 200, 3, 3), np.ones(SIZE[::-1], np.float32), camera())
    np.testing.assert_allclose(surface.rays, camera().rays([[101, 201]]))


def test_large_objects_are_sampled_evenly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(points, "MAX_PIXELS", 5000)
    depth = np.ones(SIZE[::-1], np.float32)
    mask = square(40, 30, 500, 400)
    surface = surface_of(mask, depth, camera())
    assert 3000 < len(surface.rays) <= 5000
    center = camera().rays([[40 + 249.5, 30 + 199.5]])[0]
    np.testing.assert_allclose(surface.rays.mean(axis=0), center, atol=0.005)


def test_noise_is_measured_between_neighbours() -> None:
    rng = np.random.default_rng(3)
    ramp = np.linspace(1, 2, SIZE[0], dtype=np.float32)[None].repeat(SIZE[1], axis=0)
    noisy = (ramp + rng.normal(0, 0.02, ramp.shape)).astype(np.float32)
    mask = square(100, 100, 200, 200)
    assert surface_of(mask, ramp, camera()).noise_m == pytest.approx(0, abs=1e-6)
    assert surface_of(mask, noisy, camera()).noise_m == pytest.approx(0.02, rel=0.05)


def test_depth_of_another_size_is_refused_with_the_remedy() -> None:
    small = cv2.resize(np.ones(SIZE[::-1], np.float32), (320, 240))
    with pytest.raises(DepthError, match=r"320x240.*640x480.*registered"):
        surface_of(square(10, 10, 20, 20), small, camera())
