"""Rotated boxes around shapes drawn with known parameters."""

import cv2
import numpy as np
import pytest

from siammaskpp_core.tracking import RotatedBox
from siammaskpp_core.tracking.masks import PixelRect, outline

KINDS = ["min_area", "ellipse"]


def turned(degrees: float) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates [160, 200] of pixel centres along and across a direction, from (100, 80)."""
    rows, columns = np.mgrid[:160, :200] + 0.5
    cos, sin = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    return (columns - 100) * cos + (rows - 80) * sin, (rows - 80) * cos - (columns - 100) * sin


def rotated_box(inside: np.ndarray, kind: str) -> RotatedBox:
    mask = inside.astype(np.uint8) * 255
    return outline(mask, PixelRect(0, 0, mask.shape[1], mask.shape[0]), kind).rotated_box


def overlap(first: RotatedBox, second: RotatedBox) -> float:
    common = cv2.intersectConvexConvex(first.corners(), second.corners())[0]
    return common / (first.width * first.height + second.width * second.height - common)


def turn_between(box: RotatedBox, degrees: float) -> float:
    """The angle in degrees between the sides of `box` and a direction."""
    turn = (np.rad2deg(box.angle_rad) - degrees) % 90
    return min(turn, 90 - turn)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("degrees", [0, 20, 45, 70])
def test_a_rectangle_is_its_own_box(degrees, kind):
    along, across = turned(degrees)
    found = rotated_box((abs(along) <= 45) & (abs(across) <= 15), kind)
    assert overlap(found, RotatedBox(100.0, 80.0, 90.0, 30.0, np.deg2rad(degrees))) > 0.95
    assert (found.center_x, found.center_y) == pytest.approx((100, 80), abs=0.5)
    assert turn_between(found, degrees) < 2


@pytest.mark.parametrize("degrees", [0, 20, 45, 70])
def test_the_ends_of_an_ellipse_are_trimmed_to_a_fifth_of_the_side(degrees):
    along, across = turned(degrees)
    found = rotated_box((along / 45) ** 2 + (across / 15) ** 2 <= 1, "ellipse")
    # Its chord at t half axes from the middle is sqrt(1 - t^2) of the axis: a fifth of it at t = 0.98.
    assert sorted((found.width, found.height)) == pytest.approx([0.98 * 30, 0.98 * 90], abs=2)
    assert overlap(found, RotatedBox(100.0, 80.0, 88.2, 29.4, np.deg2rad(degrees))) > 0.95
    assert turn_between(found, degrees) < 1


@pytest.mark.parametrize("degrees", [0, 25, 60])
def test_a_pan_is_boxed_without_its_handle(degrees):
    along, across = turned(degrees)
    pan = (abs(along) <= 30) & (abs(across) <= 15)
    handle = (along >= 0) & (along <= 70) & (abs(across) <= 1.5)
    body = RotatedBox(100.0, 80.0, 60.0, 30.0, np.deg2rad(degrees))
    # A tenth of a column through the handle is on the mask, less than a fifth.
    assert overlap(rotated_box(pan | handle, "ellipse"), body) > 0.93
    # The smallest rectangle holds the handle: 60 of its 100 pixels are the body.
    assert overlap(rotated_box(pan | handle, "min_area"), body) == pytest.approx(0.6, abs=0.03)


def test_a_rhombus_is_turned_like_its_diagonals_not_like_a_side():
    x, y = turned(0)
    rhombus = abs(x) / 50 + abs(y) / 30 <= 1
    # The ellipse has the symmetry axes of the rhombus; the smallest rectangle lies on a side, as always.
    assert turn_between(rotated_box(rhombus, "ellipse"), 0) < 0.5
    assert turn_between(rotated_box(rhombus, "min_area"), np.rad2deg(np.arctan2(30, 50))) < 1.5


@pytest.mark.parametrize("kind", KINDS)
def test_boxes_move_with_the_mask(kind):
    along, across = turned(30)
    shape = ((abs(along) <= 30) & (abs(across) <= 12)).astype(np.uint8) * 255
    first = rotated_box(shape > 0, kind)
    mask = np.zeros((300, 400), np.uint8)
    mask[100:260, 150:350] = shape
    second = outline(mask, PixelRect(190, 130, 320, 240), kind).rotated_box
    assert (second.center_x - first.center_x, second.center_y - first.center_y) == pytest.approx((150, 100))
    assert (second.width, second.height) == pytest.approx((first.width, first.height))


@pytest.mark.parametrize(
    "rows_columns",
    [(1, 1), (1, 3), (1, 30), (30, 1), (2, 3), (2, 30)],
    ids=lambda sizes: f"{sizes[0]}x{sizes[1]}",
)
def test_where_no_ellipse_fits_the_box_is_the_smallest_rectangle(rows_columns):
    rows, columns = rows_columns
    shape = np.zeros((50, 60), bool)
    shape[10 : 10 + rows, 20 : 20 + columns] = True
    found = rotated_box(shape, "ellipse")
    assert found == rotated_box(shape, "min_area")
    assert sorted((found.width, found.height)) == pytest.approx(sorted(rows_columns))
    assert (found.center_x, found.center_y) == pytest.approx((20 + columns / 2, 10 + rows / 2))
