"""Anchor boxes, and the best peak of a response."""

import numpy as np
import pytest
from colour_engine import response

from siammaskpp_core.network.config import NetworkConfig
from siammaskpp_core.network.protocol import SearchOutput
from siammaskpp_core.tracking.config import TrackingConfig
from siammaskpp_core.tracking.decoding import (
    AnchorDecoder,
    ScaleDecoder,
    anchor_grid,
    anchor_sizes,
    cell_offsets,
    decode,
    encode,
    make_decoder,
)

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


SIAMFC = NetworkConfig(
    backbone="alexnet", levels=("conv5",), correlation="cross", mask="none", anchor_ratios=(1.0,)
)


def test_decoder_takes_the_best_anchor():
    decoder = AnchorDecoder(NetworkConfig())
    (best,) = decoder.peaks([response({(2, 10, 14): 4.0})], (64, 64), TrackingConfig())
    assert best.cell == (10, 14)
    np.testing.assert_array_equal(best.center_xy, [16, -16])
    np.testing.assert_array_equal(best.size_wh, [64, 64])
    assert best.probability == pytest.approx(1 / (1 + np.exp(-4)))
    assert best.penalty == pytest.approx(1.0)


def test_the_window_prefers_the_near_one_of_two_equals():
    peaks = {(2, 12, 12): 2.0, (2, 3, 3): 2.2}
    decoder = AnchorDecoder(NetworkConfig())
    assert decoder.peaks([response(peaks)], (64, 64), TrackingConfig())[0].cell == (12, 12)
    assert decoder.peaks([response(peaks)], (64, 64), TrackingConfig(window_influence=0.0))[0].cell == (3, 3)


def test_the_penalty_prefers_the_known_shape():
    peaks = {(0, 12, 12): 2.0, (4, 12, 12): 2.0}  # wide, tall
    decoder = AnchorDecoder(NetworkConfig())
    assert decoder.peaks([response(peaks)], (104, 32), TrackingConfig())[0].size_wh[0] == 104
    assert decoder.peaks([response(peaks)], (32, 96), TrackingConfig())[0].size_wh[0] == 32


def test_several_objects_give_several_peaks():
    """Each object answers in neighbouring cells and anchors; weak answers are no peaks."""
    answers = {(2, 12, 12): 5.0, (2, 12, 13): 4.0, (1, 12, 11): 4.5, (2, 12, 20): 3.0, (2, 13, 20): 2.9}
    peaks = AnchorDecoder(NetworkConfig()).peaks(
        [response(answers | {(2, 3, 3): -4.0})], (64, 64), TrackingConfig(), count=4
    )
    assert [peak.cell for peak in peaks] == [(12, 12), (12, 20)]
    assert peaks[1].probability == pytest.approx(1 / (1 + np.exp(-3)))


def test_no_more_peaks_than_asked_for():
    answers = {(2, row, column): 3.0 for row in (2, 12, 22) for column in (2, 12, 22)}
    decoder = AnchorDecoder(NetworkConfig())
    for count in (1, 2, 4):
        peaks = decoder.peaks([response(answers)], (64, 64), TrackingConfig(), count)
        assert len({peak.cell for peak in peaks}) == count
        assert peaks[0].cell == (12, 12)


def test_a_network_that_answers_nan_is_an_error_not_a_box():
    output = response({})
    output.cls[7, 3, 3] = np.nan
    with pytest.raises(FloatingPointError, match="not finite"):
        AnchorDecoder(NetworkConfig()).peaks([output], (64, 64), TrackingConfig())


def score_response(peak: float, row: int = 8, column: int = 8) -> SearchOutput:
    cls = np.zeros((2, 17, 17), np.float32)
    cls[1] = -6
    cls[1, row, column] = peak
    return SearchOutput(cls)


def test_a_network_of_scores_finds_place_and_scale():
    """The best view is the wide one: its target fills less of the crop, so it has grown."""
    decoder = make_decoder(SIAMFC)
    assert isinstance(decoder, ScaleDecoder)
    assert decoder.scales[0] < decoder.scales[1] == 1 < decoder.scales[2]
    config = TrackingConfig(window_influence=0.0)
    (best,) = decoder.peaks(
        [score_response(1.0), score_response(2.0), score_response(4.0, 6, 9)], (50, 60), config
    )
    assert (best.scale_index, best.cell) == (2, (6, 9))
    np.testing.assert_allclose(best.center_xy, [8, -16], atol=0.5)
    np.testing.assert_array_equal(best.size_wh, [50, 60])
    assert best.probability == pytest.approx(1 / (1 + np.exp(-4)))


def test_scales_are_kept_unless_another_is_clearly_better():
    (best,) = make_decoder(SIAMFC).peaks(
        [score_response(2.05), score_response(2.0), score_response(2.0)], (50, 60), TrackingConfig()
    )
    assert best.scale_index == 1
