"""Training pairs: repeatable draws, consistent targets, augmentation."""

import numpy as np

from siammaskpp_core.config import from_mapping
from siammaskpp_core.data.sources import open_source
from siammaskpp_core.network.config import NetworkConfig
from siammaskpp_core.tracking.anchors import anchor_grid, decode
from siammaskpp_core.training.config import TrainingConfig
from siammaskpp_core.training.pairs import PairDataset
from siammaskpp_core.training.random_crops import blend, random_background

SMALL = NetworkConfig(head_channels=8, mask_channels=16, refine_channels=(8, 4, 2))
ANCHORS = anchor_grid(SMALL.anchor_ratios, SMALL.anchor_scale)


def config(**changes):
    values = {"steps": 4, "batch_size": 2, "sources": ["masks:stills"], "source_weights": [1.0], **changes}
    return from_mapping(TrainingConfig, values)


def test_pairs_are_repeatable_and_consistent(training_data):
    sources = [open_source("masks:stills", training_data, 0)]
    dataset = PairDataset(sources, config(negative_probability=0.0, copy_paste_probability=0.0), SMALL)
    seen = 0
    for index in range(6):
        pair = dataset[index]
        for one, two in zip(pair, dataset[index], strict=True):
            np.testing.assert_array_equal(one, two)
        positive = np.argwhere(pair.labels == 1)
        assert len(positive)
        # The box that the offsets tell lies around the mask that the cells tell.
        anchor, row, column = positive[0]
        cx, cy, w, h = decode(pair.offsets[:, anchor, row, column], ANCHORS[:, anchor, row, column])
        for (cell_row, cell_column), mask in zip(pair.cells, pair.masks, strict=True):
            if cell_row < 0 or not mask.any():
                continue
            rows, columns = np.nonzero(mask)
            top = (cell_row - 12) * 8 + rows.min() - 63
            left = (cell_column - 12) * 8 + columns.min() - 63
            assert top >= cy - h / 2 - 1
            assert left >= cx - w / 2 - 1
            seen += 1
    assert seen


def test_sampled_anchors_and_networks_of_scores(training_data):
    sources = [open_source("masks:stills", training_data, 0)]
    options = config(negative_probability=0.0, copy_paste_probability=0.0, anchor_sampling="random")
    labels = PairDataset(sources, options, SMALL)[0].labels
    assert (labels >= 0).sum() == 64
    assert 0 < (labels == 1).sum() <= 16
    scores = NetworkConfig(
        backbone="alexnet", correlation="cross", levels=("conv5",), mask="none", anchor_ratios=(1.0,)
    )
    pair = PairDataset(sources, config(negative_probability=0.0, copy_paste_probability=0.0), scores)[0]
    assert pair.labels.shape == (1, 17, 17)
    assert (pair.labels == 1).sum() in range(9, 15)  # cells within 16 px of a point: 4 pi on average


def test_blend_by_hand():
    front, back = np.full((1, 3, 3), 200, np.uint8), np.full((1, 3, 3), 100, np.uint8)
    assert blend(front, back, np.array([[0, 51, 255]], np.uint8))[0, :, 0].tolist() == [100, 120, 200]


def test_background_fills_the_crop():
    picture = np.random.default_rng(0).integers(1, 256, (60, 90, 3), dtype=np.uint8)
    assert random_background(picture, 127, np.random.default_rng(0)).min() > 0


def test_large_changes_of_scale(training_data):
    """Three times the usual change of scale where it is asked for."""
    sources = [open_source("masks:stills", training_data, 0)]

    def spread(share):
        options = config(
            negative_probability=0.0,
            copy_paste_probability=0.0,
            search_scale_jitter=0.2,
            large_scale_probability=share,
            aspect_ratio_jitter=0.0,
        )
        dataset = PairDataset(sources, options, SMALL)
        widths = []
        for index in range(40):
            pair = dataset[index]
            anchor, row, column = np.argwhere(pair.labels == 1)[0]
            box = decode(pair.offsets[:, anchor, row, column], ANCHORS[:, anchor, row, column])
            widths.append(np.sqrt(box[2] * box[3]))
        return np.log(max(widths) / min(widths))

    assert spread(0.0) < 0.45  # from -0.2 to 0.2, and what a turned mask's hull adds
    assert 0.8 < spread(1.0) < 1.3
