"""Training targets: labels, offsets and mask crops."""

import numpy as np
import pytest

from siammaskpp_core.tracking.decoding import anchor_grid, decode
from siammaskpp_core.training.assignment import (
    anchor_targets,
    centre_targets,
    mask_crop,
    positive_cells,
    sample_anchors,
)

ANCHORS = anchor_grid((0.33, 0.5, 1.0, 2.0, 3.0), 8.0)


def test_targets_of_a_centred_box():
    labels, offsets = anchor_targets(np.array([127.5 - 32, 127.5 - 32, 64, 64]), ANCHORS)
    assert labels[2, 12, 12] == 1
    np.testing.assert_allclose(offsets[:, 2, 12, 12], 0, atol=1e-6)
    assert labels[2, 0, 0] == 0
    assert set(np.unique(labels)) == {-1, 0, 1}
    box = decode(offsets[:, 0, 3, 20], ANCHORS[:, 0, 3, 20])
    np.testing.assert_allclose(box, [0, 0, 64, 64], atol=1e-3)


def test_labels_and_offsets_by_hand():
    """The square anchor is 64x64; a box of 80x48 whose centre is 4 px right of and 8 px above the centre."""
    labels, offsets = anchor_targets(np.array([127.5 + 4 - 40, 127.5 - 8 - 24, 80.0, 48.0]), ANCHORS)
    # (Nx - nx) / nw, (Ny - ny) / nh, log(Nw / nw), log(Nh / nh), for the anchor of the middle cell
    np.testing.assert_allclose(
        offsets[:, 2, 12, 12], [4 / 64, -8 / 64, np.log(80 / 64), np.log(48 / 64)], atol=1e-6
    )
    for row in range(25):
        for column in range(25):
            x, y = (column - 12) * 8 - 4, (row - 12) * 8 + 8
            width = max(0, min(x + 32, 40) - max(x - 32, -40))
            height = max(0, min(y + 32, 24) - max(y - 32, -24))
            overlap = width * height / (64 * 64 + 80 * 48 - width * height)
            expected = 1 if overlap > 0.6 else 0 if overlap < 0.3 else -1
            assert labels[2, row, column] == expected, (row, column)


def test_a_box_unlike_every_anchor_still_has_a_positive():
    labels, _ = anchor_targets(np.array([117.5, 20, 20, 215]), ANCHORS)
    assert 0 < (labels == 1).sum() < 20


def test_a_negative_pair_has_no_positive():
    labels, _ = anchor_targets(None, ANCHORS)
    assert not labels.any()
    assert len(positive_cells(labels, 4, np.random.default_rng(0))) == 0


def test_cells_near_the_centre_are_the_target_of_a_network_without_boxes():
    anchors = anchor_grid((1.0,), 8.0, cells=17)
    labels, offsets = centre_targets(np.array([127.5 + 8 - 50, 127.5 - 20, 100.0, 40.0]), anchors)
    # Within 16 px of cell (8, 9): two cells along the axes, one diagonally.
    expected = {(8 + r, 9 + c) for r in range(-2, 3) for c in range(-2, 3) if r * r + c * c <= 4}
    assert set(map(tuple, np.argwhere(labels[0] == 1))) == expected
    assert not offsets.any()
    assert not centre_targets(None, anchors).labels.any()


def test_sampled_anchors():
    labels, _ = anchor_targets(np.array([90.0, 90.0, 70.0, 70.0]), ANCHORS)
    labels[2, 5, :20] = 1
    kept = sample_anchors(labels, False, np.random.default_rng(0))
    assert (kept == 1).sum() == 16
    assert (kept == 0).sum() == 48
    assert (labels[kept >= 0] == kept[kept >= 0]).all()
    assert (kept != sample_anchors(labels, False, np.random.default_rng(1))).any()


def test_sampled_anchors_of_a_negative_pair_are_in_the_middle():
    kept = sample_anchors(anchor_targets(None, ANCHORS).labels, True, np.random.default_rng(0))
    assert (kept == 0).sum() == 16
    assert (kept == 1).sum() == 0
    cells = np.argwhere(kept == 0)[:, 1:]
    assert cells.min() >= 9
    assert cells.max() <= 15


@pytest.mark.parametrize(("row", "column"), [(12, 12), (0, 24), (24, 5)])
def test_mask_crop_is_centred_on_its_cell(row, column):
    mask = np.zeros((255, 255), np.uint8)
    y, x = 127 + (row - 12) * 8, 127 + (column - 12) * 8
    mask[y, x] = 255
    crop = mask_crop(mask, row, column)
    assert crop.shape == (127, 127)
    assert np.argwhere(crop).tolist() == [[63, 63]]
