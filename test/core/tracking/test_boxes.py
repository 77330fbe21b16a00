"""Boxes: which are refused, which are cut, how much two overlap, and how two are fused."""

import numpy as np
import pytest

from siammaskpp_core.tracking import BoxError, TrackingConfig
from siammaskpp_core.tracking.boxes import BoxFusion, RotatedBox, checked_box, overlap


def test_overlap_by_hand():
    assert overlap([0, 0, 2, 2], [1, 1, 2, 2]) == pytest.approx(1 / 7)
    assert overlap([0, 0, 2, 2], [5, 5, 1, 1]) == 0
    assert overlap([0, 0, 0, 0], [0, 0, 0, 0]) == 0


@pytest.mark.parametrize(
    ("box", "message"),
    [
        ((0, 0, 0, 10), "empty"),
        ((0, 0, 10, -1), "empty"),
        ((700, 10, 20, 20), "outside the 640x480 image"),
        ((-30, 10, 20, 20), "outside"),
        ((float("nan"), 0, 10, 10), "not finite"),
        ((0, 0, float("inf"), 10), "not finite"),
        ((0, 0, 10), "not four numbers"),
        ("1,2,3,4", "not four numbers"),
        ((10, 10, 1, 1), "less than 2x2"),
        ((639.5, 10, 20, 20), "less than 2x2"),
    ],
)
def test_wrong_boxes_are_refused_with_a_reason(box, message):
    with pytest.raises(BoxError, match=message):
        checked_box(box, 640, 480)


def test_a_box_over_the_border_is_cut():
    np.testing.assert_array_equal(checked_box((-10, 470, 30, 30), 640, 480), [0, 470, 20, 10])


GIVEN = np.array([100.0, 100, 40, 80])
LARGER = np.array([95.0, 100, 50, 80])  # overlaps it by 0.8
CONFIG = TrackingConfig(mask_box_weight=0.6, mask_box_gain=2.0, mask_box_weight_min=0.3)


def test_the_box_that_fits_has_the_larger_share():
    assert BoxFusion.learned(GIVEN, LARGER, GIVEN, CONFIG).mask_weight == pytest.approx(1.0)
    assert BoxFusion.learned(GIVEN, GIVEN, GIVEN, CONFIG).mask_weight == pytest.approx(0.6)
    slightly = np.array([99.0, 100, 42, 80])
    assert BoxFusion.learned(GIVEN, GIVEN, slightly, CONFIG).mask_weight == pytest.approx(
        0.6 - 2 * (1 - 40 / 42)
    )
    assert BoxFusion.learned(GIVEN, GIVEN, LARGER, CONFIG).mask_weight == pytest.approx(0.3)


def test_a_model_that_reports_the_decoded_box_does_not_turn_to_the_mask_in_doubt():
    config = TrackingConfig(mask_box_weight=0.1, mask_box_gain=2.0, mask_box_weight_min=0.3)
    assert BoxFusion.learned(GIVEN, GIVEN, LARGER, config).mask_weight == pytest.approx(0.1)


def test_the_size_follows_that_of_the_given_box_about_the_centre():
    config = TrackingConfig(mask_box_weight=0.6, size_correction=1.0)
    fit = BoxFusion.learned(GIVEN, LARGER, LARGER, config)
    assert fit.size_ratio == pytest.approx((0.8, 1.0))
    np.testing.assert_allclose(fit.box(LARGER + (30, 0, 0, 0), LARGER + (30, 0, 0, 0)), GIVEN + (30, 0, 0, 0))
    half = BoxFusion.learned(GIVEN, LARGER, None, TrackingConfig(size_correction=0.5))
    assert half.size_ratio == pytest.approx((0.8**0.5, 1.0))
    np.testing.assert_allclose(half.box(LARGER, None)[2:], (50 * 0.8**0.5, 80))


def test_search_regions_forgive_a_network_that_decodes_boxes_of_another_size():
    fit = BoxFusion.learned(GIVEN, LARGER, GIVEN, TrackingConfig(mask_box_weight=1.0))
    assert fit.decoded_ratio == pytest.approx((0.8, 1.0))
    assert fit.size_ratio == (1.0, 1.0)


def test_no_size_is_changed_by_more_than_three_tenths():
    fit = BoxFusion.learned(GIVEN, np.array([100.0, 100, 40, 150]), None, TrackingConfig(size_correction=1.0))
    assert fit.size_ratio == fit.decoded_ratio == pytest.approx((1.0, 1 / 1.3))


def test_nothing_is_learned_where_something_else_is_found():
    config = TrackingConfig(mask_box_weight=0.6, mask_box_gain=3.0, size_correction=1.0)
    assert BoxFusion.learned(GIVEN, GIVEN + (60, 0, 0, 0), None, config) == BoxFusion(0.6)


@pytest.mark.parametrize("turns", range(-4, 5))
def test_a_rotated_box_is_described_by_the_angle_nearest_to_another(turns):
    box = RotatedBox(10, 20, 30, 8, 0.2)
    near = box.described_near(0.1 + turns * np.pi / 2)
    expected = (0.2 + turns * np.pi / 2 + np.pi) % (2 * np.pi) - np.pi
    assert near.angle_rad == pytest.approx(expected)
    assert (near.width, near.height) == ((8, 30) if turns % 2 else (30, 8))
    assert {tuple(corner) for corner in near.corners().round(3)} == {
        tuple(corner) for corner in box.corners().round(3)
    }


def test_the_angle_of_a_turning_box_does_not_jump():
    """The smallest rectangle has an angle of 0 to 90 degrees, which jumps where an edge passes the axis."""
    angle = 0.0
    for degrees in range(0, 720, 5):
        smallest = RotatedBox(
            0, 0, *((30, 8) if degrees // 90 % 2 == 0 else (8, 30)), np.deg2rad(degrees % 90)
        )
        described = smallest.described_near(angle)
        assert abs(np.angle(np.exp(1j * (described.angle_rad - angle)))) < np.deg2rad(6)
        assert described.width == 30
        angle = described.angle_rad
