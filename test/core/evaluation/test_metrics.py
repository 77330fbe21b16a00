"""Metrics against numbers worked out by hand."""

import numpy as np
import pytest

from siammaskpp_core.evaluation import metrics

ABSENT = [np.nan] * 4


def square(top: int, left: int, side: int, shape: tuple[int, int] = (50, 50)) -> np.ndarray:
    mask = np.zeros(shape, np.uint8)
    mask[top : top + side, left : left + side] = 255
    return mask


def test_overlaps_count_lost_frames_as_zero_and_leave_absent_ones_out():
    truth = np.array([[0, 0, 10, 10], [0, 0, 10, 10], ABSENT, [0, 0, 10, 10]])
    boxes = np.array([[5, 0, 10, 10], ABSENT, [0, 0, 10, 10], [0, 0, 10, 10]])
    # The first: 50 shared of 150 covered pixels.
    assert metrics.overlaps(boxes, truth) == pytest.approx([1 / 3, 0, 1])


@pytest.mark.parametrize(
    ("overlap", "thresholds_below"),
    [(0.0, 0), (0.01, 1), (0.5, 10), (0.52, 11), (1.0, 20)],
)
def test_the_success_curve_of_one_frame_falls_at_its_overlap(overlap, thresholds_below):
    curve = metrics.success_curve(np.array([overlap]))
    assert curve.tolist() == [1.0] * thresholds_below + [0.0] * (21 - thresholds_below)


def test_the_success_curve_and_its_area_are_means_over_frames():
    truth = np.array([[0.0, 0, 10, 10]] * 3)
    boxes = np.array([[0, 0, 5.2, 10], ABSENT, [0, 0, 10, 10]])
    curves = metrics.curves(boxes, truth)
    # Overlaps 0.52, 0 and 1: two of three exceed the thresholds up to 0.5, one those up to 0.95.
    assert curves.success == pytest.approx([2 / 3] * 11 + [1 / 3] * 9 + [0])
    assert curves.values()["auc"] == pytest.approx((11 + 0 + 20) / 21 / 3)


def test_precision_is_the_fraction_within_20_px():
    truth = np.array([[0.0, 0, 10, 10]] * 4 + [ABSENT])
    boxes = np.array([[12.0, 16, 10, 10], [12, 16.1, 10, 10], [-5, -5, 20, 20], ABSENT, [0, 0, 1, 1]])
    # Errors: exactly 20 (a 12-16-20 triangle), just above, 0, nothing found; the absent one is not counted.
    curves = metrics.curves(boxes, truth)
    assert curves.precision.tolist() == [1 / 4] * 20 + [2 / 4] + [3 / 4] * 30
    assert curves.values()["precision"] == 2 / 4


def test_normalised_precision_measures_in_sizes_of_the_true_box():
    truth = np.array([[0.0, 0, 40, 10]] * 2)
    boxes = np.array([[10.2, 0, 40, 10], ABSENT])
    # 10.2 px of 40 are 0.255: within the 25 thresholds 0.26 .. 0.5 of 51. The other frame was lost.
    curves = metrics.curves(boxes, truth)
    assert curves.normalised_precision.tolist() == [0] * 26 + [1 / 2] * 25
    assert curves.values()["normalised_precision"] == pytest.approx(25 / 51 / 2)
    assert metrics.curves(truth, truth).values()["normalised_precision"] == 1


def test_curves_of_sequences_have_equal_weights():
    truth = np.array([[0.0, 0, 10, 10]] * 3)
    lost = np.full((3, 4), np.nan)
    mean = metrics.mean_curves([metrics.curves(lost, truth), metrics.curves(truth[:1], truth[:1])])
    assert mean.success.tolist() == [1 / 2] * 20 + [0]
    assert mean.precision.tolist() == mean.normalised_precision.tolist() == [1 / 2] * 51


def test_region_similarity():
    assert metrics.region_similarity(square(0, 0, 10), square(0, 5, 10)) == pytest.approx(50 / 150)
    assert metrics.region_similarity(square(0, 0, 0), square(0, 0, 0)) == 1
    assert metrics.region_similarity(square(0, 0, 0), square(0, 0, 5)) == 0


def test_boundary_of_a_pixel_has_the_three_neighbours_that_differ_to_their_right_or_below():
    expected = np.zeros((5, 5), np.uint8)
    expected[1:3, 1:3] = 1
    assert np.array_equal(metrics.boundary(square(2, 2, 1, (5, 5))), expected)
    assert not metrics.boundary(np.full((5, 5), 255, np.uint8)).any()


def test_boundary_accuracy_tolerates_one_pixel_in_a_small_image():
    # 0.8 % of the diagonal of 50x50 is 0.57 px, rounded up: one pixel is tolerated, two are not.
    truth = square(10, 10, 20)
    assert metrics.boundary_accuracy(truth, truth) == 1
    assert metrics.boundary_accuracy(square(10, 11, 20), truth) == 1
    assert metrics.boundary_accuracy(square(10, 12, 20), truth) < 1
    assert metrics.boundary_accuracy(square(40, 40, 5), truth) == 0


def test_boundary_accuracy_by_hand():
    # Boundaries are vertical lines of 50 pixels: two of a stripe, one of a half plane that meets one of them.
    stripe, half = np.zeros((50, 50), np.uint8), np.zeros((50, 50), np.uint8)
    stripe[:, 10:30] = 255
    half[:, 10:] = 255
    # Precision 1/2, recall 1.
    assert metrics.boundary_accuracy(stripe, half) == pytest.approx(2 * 0.5 * 1 / 1.5)


def test_boundary_accuracy_of_empty_masks():
    empty = square(0, 0, 0)
    assert metrics.boundary_accuracy(empty, empty) == 1
    assert metrics.boundary_accuracy(empty, square(10, 10, 5)) == 0
