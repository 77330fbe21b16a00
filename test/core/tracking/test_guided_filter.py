"""Masks that follow the edges of the picture beneath them."""

import cv2
import numpy as np
import pytest

from siammaskpp_core.tracking.masks import guided_filter


def linear_fit(probability, picture, radius):
    """The same by its definition: least squares in every square, in double precision."""
    height, width = probability.shape
    colours = picture.reshape(height, width, 3) / 255
    pad = ((radius, radius), (radius, radius))
    padded = np.pad(probability, pad, mode="symmetric").astype(np.float64)
    padded_colours = np.pad(colours, (*pad, (0, 0)), mode="symmetric")
    slopes = np.empty((height, width, 3))
    offsets = np.empty((height, width))
    side = 2 * radius + 1
    for y in range(height):
        for x in range(width):
            here = padded_colours[y : y + side, x : x + side].reshape(-1, 3)
            wanted = padded[y : y + side, x : x + side].ravel()
            spread = (here - here.mean(axis=0)) / np.sqrt(side**2)
            slope = np.linalg.solve(
                spread.T @ spread + 3e-4 * np.eye(3),
                spread.T @ (wanted - wanted.mean()) / np.sqrt(side**2),
            )
            slopes[y, x], offsets[y, x] = slope, wanted.mean() - here.mean(axis=0) @ slope
    smooth = [
        cv2.blur(plane, (side, side), borderType=cv2.BORDER_REFLECT)
        for plane in (*np.moveaxis(slopes, 2, 0), offsets)
    ]
    return sum(a * c for a, c in zip(smooth[:3], np.moveaxis(colours, 2, 0), strict=True)) + smooth[3]


@pytest.mark.parametrize("radius", [1, 4])
def test_it_is_the_linear_fit_of_every_square(radius):
    rng = np.random.default_rng(0)
    picture = cv2.blur(rng.integers(0, 256, (24, 31, 3), dtype=np.uint8), (3, 3))
    probability = cv2.blur(rng.random((24, 31), dtype=np.float32), (5, 5))
    np.testing.assert_allclose(
        guided_filter(probability, picture, radius), linear_fit(probability, picture, radius), atol=1e-4
    )


def test_it_is_exact_where_the_colours_are_one():
    """Pictures of grey cameras: the covariances alone have no inverse."""
    rng = np.random.default_rng(0)
    grey = np.kron(rng.integers(0, 2, (4, 5), dtype=np.uint8) * 255, np.ones((6, 6), np.uint8))
    picture = np.stack([grey] * 3, axis=-1)
    probability = cv2.blur(rng.random(grey.shape, dtype=np.float32), (5, 5))
    np.testing.assert_allclose(
        guided_filter(probability, picture, 4), linear_fit(probability, picture, 4), atol=2e-3
    )


@pytest.mark.parametrize("inside", [(200, 90, 90), (90, 90, 200), (90, 130, 80)])
def test_an_inexact_edge_moves_to_that_of_the_picture(inside):
    picture = np.full((127, 127, 3), (90, 90, 90), np.uint8)
    picture[40:90, 40:90] = inside
    truth = np.zeros((127, 127), np.uint8)
    truth[40:90, 40:90] = 1
    off_by_two = np.roll(truth, 2, axis=1).astype(np.float32)
    blurred = cv2.GaussianBlur(off_by_two, (0, 0), 3)
    wrong = np.count_nonzero((blurred > 0.5) != truth)
    assert np.count_nonzero((guided_filter(blurred, picture, 4) > 0.5) != truth) < 0.2 * wrong


def test_a_picture_without_edges_changes_little():
    blurred = np.zeros((127, 127), np.float32)
    cv2.circle(blurred, (60, 60), 30, 1.0, -1)
    blurred = cv2.GaussianBlur(blurred, (0, 0), 3)
    filtered = guided_filter(blurred, np.full((127, 127, 3), 77, np.uint8), 4)
    clear = np.abs(blurred - 0.5) > 0.1
    np.testing.assert_array_equal(filtered[clear] > 0.5, blurred[clear] > 0.5)
