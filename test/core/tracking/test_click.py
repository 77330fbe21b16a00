"""A click on an object becomes its box."""

import cv2
import numpy as np
import pytest
from colour_engine import ColourEngine

from siammaskpp_core.network.config import NetworkConfig
from siammaskpp_core.tracking import BoxError, LongTermTracker, RotatedBox, Tracker, TrackResult
from siammaskpp_core.tracking.boxes import overlap
from siammaskpp_core.tracking.click import FIRST_SIDES, ROUNDS, box_at

SHAPE = (480, 640, 3)


def found(box, score=0.9, mask=None) -> TrackResult:
    x, y, width, height = box
    return TrackResult(
        np.array(box, float), RotatedBox(x + width / 2, y + height / 2, width, height, 0.0), score, mask
    )


def mask_of(box) -> np.ndarray:
    x, y, width, height = box
    mask = np.zeros(SHAPE[:2], np.uint8)
    mask[y : y + height, x : x + width] = 255
    return mask


@pytest.mark.parametrize("box", [(100, 80, 60, 60), (20, 30, 300, 400), (500, 300, 120, 50)])
@pytest.mark.parametrize("where", [(0.5, 0.5), (0.3, 0.6)])
def test_the_tracker_finds_the_object_around_a_click(box, where):
    x, y, width, height = box
    image = np.full(SHAPE, 90, np.uint8)
    image[y : y + height, x : x + width] = (20, 20, 220)
    engine = ColourEngine()
    # The template's middle must be the object's colour, so it has to lie near the click.
    point = (x + width * where[0], y + height * where[1])
    tracker = LongTermTracker(Tracker(engine))
    result = box_at(point, SHAPE, lambda boxes: tracker.try_boxes(image, boxes))
    assert overlap(result, box) > 0.85
    assert engine.searched == [len(FIRST_SIDES)] * ROUNDS


def test_a_round_starts_from_what_the_last_one_found():
    """A tracker that finds the box's half nearer to the truth."""
    truth = np.array([200.0, 150.0, 120.0, 90.0])
    tried = []

    def try_boxes(boxes):
        tried.append(boxes)
        return [found((box + truth) / 2) for box in boxes]

    result = box_at((260, 195), SHAPE, try_boxes)
    np.testing.assert_allclose(tried[1][0], (tried[0][0] + truth) / 2)
    assert overlap(result, truth) > 0.8
    # Squares around the click, in shares of 480 px, cut to the image.
    np.testing.assert_allclose(tried[0][0], (260 - 48, 195 - 48, 96, 96))
    np.testing.assert_allclose(tried[0][2], (260 - 216, 0, 432, 195 + 216))


def test_the_whole_is_preferred_to_its_part():
    """Both agree with their boxes; a mask elsewhere does not count however large."""
    part, whole, other = (250, 190, 20, 20), (200, 150, 120, 90), (10, 10, 400, 120)
    found_by_size = {0: part, 1: whole, 2: other}

    def try_boxes(boxes):
        return [found(found_by_size[i], mask=mask_of(found_by_size[i])) for i in range(len(boxes))]

    np.testing.assert_array_equal(box_at((260, 200), SHAPE, try_boxes), whole)


@pytest.mark.parametrize("point", [(-1, 5), (640, 5), (5, 480), (float("nan"), 5)])
def test_a_click_outside_the_image_is_refused(point):
    with pytest.raises(BoxError, match="outside the 640x480 image"):
        box_at(point, SHAPE, lambda boxes: pytest.fail("nothing to try"))


def test_where_nothing_is_found_the_click_is_refused():
    empty = np.zeros(SHAPE[:2], np.uint8)
    with pytest.raises(BoxError, match="no object is found at x=30 y=40"):
        box_at((30, 40), SHAPE, lambda boxes: [found(box, mask=empty) for box in boxes])
    with pytest.raises(BoxError, match="no object"):
        box_at((30, 40), SHAPE, lambda boxes: [found((0, 0, 1, 1)) for _ in boxes])


def test_a_network_without_masks_has_boxes():
    image = np.full(SHAPE, 90, np.uint8)
    cv2.rectangle(image, (100, 80), (159, 139), (20, 20, 220), -1)
    tracker = LongTermTracker(Tracker(ColourEngine(), NetworkConfig(mask="none")))
    result = box_at((130, 110), SHAPE, lambda boxes: tracker.try_boxes(image, boxes))
    assert overlap(result, (100, 80, 60, 60)) > 0.85
