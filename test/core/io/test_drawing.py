"""Overlays and contact sheets."""

import cv2
import numpy as np
import pytest

from siammaskpp_core.io.drawing import (
    GAP_PX,
    DrawnTarget,
    contact_sheet,
    draw_results,
    draw_targets,
    target_colour,
)
from siammaskpp_core.tracking import RotatedBox, TrackResult


def result(left: int, top: int, width: int, height: int, confidence: float = 0.9) -> TrackResult:
    mask = np.zeros((240, 320), np.uint8)
    mask[top : top + height, left : left + width] = 255
    rotated = RotatedBox(left + width / 2, top + height / 2, width, height, 0.0)
    return TrackResult(np.array([left, top, width, height], float), rotated, confidence, mask)


def test_the_mask_is_tinted_outlined_and_the_image_untouched():
    image = np.full((240, 320, 3), 100, np.uint8)
    drawn = draw_results(image, [result(100, 80, 60, 40)])
    assert (image == 100).all()
    tinted = np.rint(0.6 * 100 + 0.4 * np.array(target_colour(0)))
    assert np.abs(drawn[100, 130].astype(int) - tinted).max() <= 1
    for column, row in [(100, 80), (159, 80), (100, 119), (159, 119)]:
        assert np.abs(drawn[row, column].astype(int) - target_colour(0)).max() <= 2, "a corner of the outline"
    changed = np.argwhere((drawn != 100).any(axis=2))
    # Below and right of the mask is nothing but the box's smooth line; the confidence stands above it.
    assert (changed.max(axis=0) <= (119 + 2, 159 + 2)).all()
    assert 60 < changed.min(axis=0)[0] < 78


def test_a_turned_box_is_drawn_turned():
    turned = TrackResult(
        np.array([110.0, 70, 100, 100]),
        RotatedBox(160, 120, 100, 20, np.pi / 4),
        0.5,
        np.zeros((240, 320), np.uint8),
    )
    drawn = draw_results(np.zeros((240, 320, 3), np.uint8), [turned])
    # Clockwise: the long axis goes down to the right; its end is half of 100 away.
    end = (round(160 + 50 * np.cos(np.pi / 4)), round(120 + 50 * np.sin(np.pi / 4)))
    assert drawn[end[1] - 3 : end[1] + 3, end[0] - 3 : end[0] + 3].any()
    assert not drawn[120 - 40 : 120 - 30, 160 + 30 : 160 + 40].any()


def test_masks_at_the_border_and_empty_ones():
    image = np.zeros((240, 320, 3), np.uint8)
    drawn = draw_results(image, [result(0, 0, 320, 240), result(0, 0, 0, 0)], ["all", "none"])
    assert drawn[200, 200].any()


def test_targets_have_their_own_colours():
    colours = {target_colour(index) for index in range(8)}
    assert len(colours) == 8
    assert target_colour(3) == target_colour(3)
    image = np.zeros((240, 320, 3), np.uint8)
    drawn = draw_results(image, [result(20, 50, 40, 40), result(200, 150, 40, 40)], ["cup", "pen"])
    hues = cv2.cvtColor(drawn, cv2.COLOR_BGR2HSV)[[70, 170], [40, 220], 0]
    assert abs(int(hues[0]) - int(hues[1])) > 20


def test_targets_have_their_state_written_and_hidden_ones_in_the_corner():
    image = np.zeros((240, 320, 3), np.uint8)
    place = result(150, 120, 60, 40)

    def drawn(state, *others):
        return draw_targets(image, [DrawnTarget("cup", state, place, 0), *others])

    def width(picture):
        return np.ptp(np.argwhere(picture[80:118].any(axis=(0, 2))))

    assert width(drawn("UNCERTAIN")) > width(drawn("TRACKING")) + 40, "TRACKING is not written"
    assert not drawn("TRACKING")[:60].any()
    lost = drawn("TRACKING", DrawnTarget("pen", "LOST", None, 1), DrawnTarget("hat", "UNCERTAIN", None, 2))
    lines = np.flatnonzero(lost[:60].any(axis=(1, 2)))
    assert (np.diff(lines) > 1).sum() == 1, "two lines"
    hidden_colour = np.abs(lost[:60].astype(int) - target_colour(1)).sum(axis=2).min()
    assert hidden_colour < 60, "in the colour of the target"


def test_labels_must_be_one_for_each():
    with pytest.raises(ValueError, match="1 labels for 2 results"):
        draw_results(np.zeros((240, 320, 3), np.uint8), [result(1, 1, 9, 9)] * 2, ["one"])


def test_contact_sheet_places_pictures_in_rows():
    pictures = [np.full((10, 20, 3), value, np.uint8) for value in (1, 2, 3)]
    sheet = contact_sheet(pictures, 2)
    assert sheet.shape == (2 * 10 + 3 * GAP_PX, 2 * 20 + 3 * GAP_PX, 3)
    assert sheet[GAP_PX, GAP_PX, 0] == 1
    assert sheet[GAP_PX, 20 + 2 * GAP_PX, 0] == 2
    assert sheet[10 + 2 * GAP_PX, GAP_PX, 0] == 3
    with pytest.raises(ValueError, match="at least one image"):
        contact_sheet([], 2)


def test_a_result_may_keep_its_colour_when_its_position_changes():
    image, one, other = np.zeros((240, 320, 3), np.uint8), result(20, 50, 40, 40), result(200, 150, 40, 40)
    both = draw_results(image, [one, other])
    alone = draw_results(image, [other], colours=[1])
    np.testing.assert_array_equal(alone[120:, 160:], both[120:, 160:])
