"""Anchor boxes."""

import numpy as np

from siammaskpp_core.network.config import NetworkConfig
from siammaskpp_core.tracking.anchors import anchor_grid, anchor_sizes, cell_offsets, decode, encode

RATIOS = NetworkConfig().anchor_ratios


def test_anchor_sizes_are_the_published_ones():
    np.testing.assert_array_equal(
        anchor_sizes(RATIOS, 8.0), [[104, 32], [88, 40], [64, 64], [40, 80], [32, 96]]
    )


def test_anchor_grid_is_centred():
    grid = anchor_grid(RATIOS, 8.0)
    assert grid.shape == (4, 5, 25, 25)
    assert tuple(grid[:2, 0, 12, 12]) == (0, 0)
    assert tuple(grid[:2, 3, 0, 24]) == (96, -96)
    assert cell_offsets().sum() == 0


def test_encode_then_decode_gives_the_boxes_back():
    anchors = anchor_grid(RATIOS, 8.0)
    boxes = np.random.default_rng(0).uniform(5, 100, anchors.shape).astype(np.float32)
    np.testing.assert_allclose(decode(encode(boxes, anchors), anchors), boxes, rtol=1e-4)


def test_decode_does_not_overflow_but_keeps_nan():
    anchors = anchor_grid(RATIOS, 8.0)
    offsets = np.zeros_like(anchors)
    offsets[2:, 0] = 200
    offsets[2:, 1] = -200
    offsets[2, 2] = np.nan
    boxes = decode(offsets, anchors)
    np.testing.assert_allclose(boxes[2:, :2, 0, 0], [[104 * 62.5, 88 / 62.5], [32 * 62.5, 40 / 62.5]])
    assert np.isnan(boxes[2, 2]).all()
