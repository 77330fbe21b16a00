"""Boxes: which are refused, which are cut, and how much two overlap."""

import numpy as np
import pytest

from siammaskpp_core.tracking import BoxError
from siammaskpp_core.tracking.boxes import checked_box, overlap


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
