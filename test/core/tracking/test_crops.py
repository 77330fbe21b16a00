"""Crops to the pixel."""

import numpy as np
import pytest

from siammaskpp_core.tracking.crops import CropWindow, context_side


def test_context_side_by_hand():
    assert context_side(30, 40) == pytest.approx(np.sqrt(65 * 75))
    assert context_side(30, 40, context=0.0) == pytest.approx(np.sqrt(30 * 40))


@pytest.mark.parametrize("size", [127, 255])
def test_crop_at_scale_one_copies_pixels(size):
    image = np.random.default_rng(0).integers(0, 256, (300, 400, 3), dtype=np.uint8)
    # An odd square is centred on a pixel's middle.
    window = CropWindow(200.5, 150.5, size, size)
    half = size // 2
    crop = window.cut(image, (0, 0, 0))
    np.testing.assert_array_equal(crop, image[150 - half : 151 + half, 200 - half : 201 + half])


def test_crop_pads_with_the_given_colour():
    image = np.full((50, 50, 3), 200, np.uint8)
    crop = CropWindow(0.0, 0.0, 127, 127).cut(image, (10, 20, 30))
    assert tuple(crop[0, 0]) == (10, 20, 30)
    assert tuple(crop[100, 100]) == (200, 200, 200)


def test_crop_into_a_kept_buffer_allocates_nothing():
    image = np.zeros((50, 50, 3), np.uint8)
    buffer = np.empty((255, 255, 3), np.uint8)
    assert np.shares_memory(CropWindow.search(20, 20, 30).cut(image, (1, 2, 3), out=buffer), buffer)
    assert (buffer[0, 0] == (1, 2, 3)).all()
