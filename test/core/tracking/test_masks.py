"""Masks: pasted to the pixel, aligned with image edges, enclosed by boxes, put into one picture."""

import cv2
import numpy as np
import pytest

from siammaskpp_core.tracking import RotatedBox
from siammaskpp_core.tracking.boxes import mask_bounding_box
from siammaskpp_core.tracking.crops import CropWindow
from siammaskpp_core.tracking.masks import (
    LabelledMask,
    PixelRect,
    guided_filter,
    label_picture,
    mask_window,
    outline,
    paste_mask,
    separate_masks,
    union_mask,
)


@pytest.mark.parametrize("scale", [1.0, 2.0, 0.5])
@pytest.mark.parametrize("cell", [(12, 12), (9, 15)])
def test_a_mask_comes_back_to_the_pixel(scale, cell):
    """A rectangle drawn in the image, seen through the crop, pasted back: the same pixels."""
    window = CropWindow(160.5, 120.5, 255 / scale, 255)
    truth = np.zeros((240, 320), np.uint8)
    y = 120 + round((cell[0] - 12) * 8 / scale)
    x = 160 + round((cell[1] - 12) * 8 / scale)
    truth[y - 10 : y + 11, x - 16 : x + 17] = 255
    in_crop = window.cut(truth, (0,)).astype(np.float32) / 255
    row, column = 127 + (cell[0] - 12) * 8, 127 + (cell[1] - 12) * 8
    probability = in_crop[row - 63 : row + 64, column - 63 : column + 64]
    mask, region = paste_mask(probability, mask_window(window, cell), truth.shape, 0.49)
    shape = outline(mask, region)
    if scale >= 1:
        np.testing.assert_array_equal(mask, truth)
        np.testing.assert_array_equal(shape.box_xywh, mask_bounding_box(truth))
    else:  # the crop has half the pixels
        np.testing.assert_allclose(shape.box_xywh, mask_bounding_box(truth), atol=2)


def test_a_mask_at_the_border_is_cut():
    probability = np.ones((127, 127), np.float32)
    mask, region = paste_mask(probability, mask_window(CropWindow(0, 0, 255, 255), (12, 12)), (100, 100), 0.5)
    assert region == PixelRect(0, 0, 64, 64)
    assert mask[:63, :63].all()
    assert not mask[64:].any()


def test_masks_of_few_pixels_are_pasted():
    """Down to one pixel, wherever it lies."""
    rng = np.random.default_rng(0)
    sizes = set()
    for _ in range(500):
        probability = np.zeros((127, 127), np.float32)
        probability[tuple(rng.integers(0, 127, 2))] = 1
        window = CropWindow(*rng.uniform(-5, 45, 2).tolist(), float(np.exp(rng.uniform(0, 6))), 255)
        mask, region = paste_mask(probability, mask_window(window, (12, 12)), (40, 40), 0.5)
        sizes.add((region.right - region.left, region.bottom - region.top))
        part = mask[region.top : region.bottom, region.left : region.right]
        assert np.count_nonzero(mask) == np.count_nonzero(part)
    assert (1, 1) in sizes


def test_a_mask_outside_the_image_is_empty():
    probability = np.ones((127, 127), np.float32)
    mask, region = paste_mask(
        probability, mask_window(CropWindow(-500, -500, 255, 255), (12, 12)), (100, 100), 0.5
    )
    assert not mask.any()
    assert outline(mask, region) is None


@pytest.mark.parametrize("scale", [0.4, 1.7])
def test_a_mask_is_pasted_only_where_it_can_be_and_as_if_everywhere(scale):
    """Against bilinear interpolation at every pixel of the image, in double precision."""
    window, (row, column) = CropWindow(150.3, 130.8, 255 / scale, 255), (10, 15)
    y, x = np.mgrid[:127, :127]
    probability = (1 / (1 + np.exp(np.hypot(x - 40, 1.5 * (y - 80)) - 20))).astype(np.float32)
    mask, region = paste_mask(probability, mask_window(window, (row, column)), (240, 320), 0.5)

    center_x, center_y = 150.3 + (column - 12) * 8 / scale, 130.8 + (row - 12) * 8 / scale
    columns = (np.arange(320) + 0.5 - center_x) * scale + 63
    rows = (np.arange(240) + 0.5 - center_y) * scale + 63
    padded = np.pad(probability.astype(np.float64), 1)
    places = np.arange(-1, 128)
    along_x = np.stack([np.interp(columns, places, line, 0, 0) for line in padded])
    expected = np.stack([np.interp(rows, places, line, 0, 0) for line in along_x.T]).T
    clear = np.abs(expected - 0.5) > 0.05  # OpenCV rounds places to 1/32 of a pixel
    np.testing.assert_array_equal(mask[clear] > 0, expected[clear] > 0.5)
    assert (mask[~clear] > 0).sum() == pytest.approx((expected[~clear] > 0.5).sum(), abs=3)
    # The target has 41 x 27 of the mask's pixels; some more may be touched by interpolation.
    assert region.right - region.left <= 46 / scale + 2
    assert region.bottom - region.top <= 32 / scale + 2


@pytest.mark.parametrize("cell", [(12, 12), (8, 15)])
def test_a_masks_window_is_its_part_of_the_search_crop(cell):
    image = np.random.default_rng(0).integers(0, 256, (400, 500, 3), dtype=np.uint8)
    window = CropWindow(250.5, 200.5, 255, 255)
    crop = window.cut(image, (0, 0, 0))
    row, column = 127 + (cell[0] - 12) * 8, 127 + (cell[1] - 12) * 8
    np.testing.assert_array_equal(
        mask_window(window, cell).cut(image, (0, 0, 0)), crop[row - 63 : row + 64, column - 63 : column + 64]
    )


def test_nothing_is_touched_by_a_mask_below_the_threshold():
    probability = np.full((127, 127), 0.4, np.float32)
    mask, region = paste_mask(
        probability, mask_window(CropWindow(50, 50, 255, 255), (12, 12)), (100, 100), 0.5
    )
    assert not mask.any()
    assert region == PixelRect(0, 0, 0, 0)


@pytest.mark.parametrize("kind", ["min_area", "ellipse"])
def test_mask_and_boxes_are_of_the_largest_part(kind):
    mask = np.zeros((50, 60), np.uint8)
    mask[20:40, 10:50] = 255
    mask[25:35, 20:30] = 0  # a hole in it stays
    largest = mask.copy()
    mask[5:9, 5:9] = mask[45, 3] = 255
    found = outline(mask, PixelRect(0, 0, 60, 50), kind)
    np.testing.assert_array_equal(found.box_xywh, [10, 20, 40, 20])
    np.testing.assert_array_equal(mask, largest)
    assert found.fraction == pytest.approx(700 / 717)
    rows, columns = np.nonzero(mask)
    centres = np.column_stack([columns + 0.5, rows + 0.5]).astype(np.float32)
    inside = [
        cv2.pointPolygonTest(found.rotated_box.corners(), point.tolist(), False) >= 0 for point in centres
    ]
    assert np.mean(inside) == 1.0


def linear_fit(probability, picture, radius):
    """Filter by the definition: least squares in every square, in double precision."""
    height, width = probability.shape
    colours = picture.reshape(height, width, 3) / 255
    pad = ((radius, radius), (radius, radius))
    padded = np.pad(probability, pad, mode="symmetric").astype(np.float64)
    padded_colours = np.pad(colours, (*pad, (0, 0)), mode="symmetric")
    slopes = np.empty((height, width, 3))
    offsets = np.empty((height, width))
    side = 2 * radius + 1
    for y in range(height):
        for x in range(width):
            here = padded_colours[y : y + side, x : x + side].reshape(-1, 3)
            wanted = padded[y : y + side, x : x + side].ravel()
            spread = (here - here.mean(axis=0)) / np.sqrt(side**2)
            slope = np.linalg.solve(
                spread.T @ spread + 3e-4 * np.eye(3),
                spread.T @ (wanted - wanted.mean()) / np.sqrt(side**2),
            )
            slopes[y, x], offsets[y, x] = slope, wanted.mean() - here.mean(axis=0) @ slope
    smooth = [
        cv2.blur(plane, (side, side), borderType=cv2.BORDER_REFLECT)
        for plane in (*np.moveaxis(slopes, 2, 0), offsets)
    ]
    return sum(a * c for a, c in zip(smooth[:3], np.moveaxis(colours, 2, 0), strict=True)) + smooth[3]


@pytest.mark.parametrize("radius", [1, 4])
def test_it_is_the_linear_fit_of_every_square(radius):
    rng = np.random.default_rng(0)
    picture = cv2.blur(rng.integers(0, 256, (24, 31, 3), dtype=np.uint8), (3, 3))
    probability = cv2.blur(rng.random((24, 31), dtype=np.float32), (5, 5))
    np.testing.assert_allclose(
        guided_filter(probability, picture, radius), linear_fit(probability, picture, radius), atol=1e-4
    )


def test_it_is_exact_where_the_colours_are_one():
    """Pictures of grey cameras: the covariances alone have no inverse."""
    rng = np.random.default_rng(0)
    grey = np.kron(rng.integers(0, 2, (4, 5), dtype=np.uint8) * 255, np.ones((6, 6), np.uint8))
    picture = np.stack([grey] * 3, axis=-1)
    probability = cv2.blur(rng.random(grey.shape, dtype=np.float32), (5, 5))
    np.testing.assert_allclose(
        guided_filter(probability, picture, 4), linear_fit(probability, picture, 4), atol=2e-3
    )


@pytest.mark.parametrize("inside", [(200, 90, 90), (90, 90, 200), (90, 130, 80)])
def test_an_inexact_edge_moves_to_that_of_the_picture(inside):
    picture = np.full((127, 127, 3), (90, 90, 90), np.uint8)
    picture[40:90, 40:90] = inside
    truth = np.zeros((127, 127), np.uint8)
    truth[40:90, 40:90] = 1
    off_by_two = np.roll(truth, 2, axis=1).astype(np.float32)
    blurred = cv2.GaussianBlur(off_by_two, (0, 0), 3)
    wrong = np.count_nonzero((blurred > 0.5) != truth)
    assert np.count_nonzero((guided_filter(blurred, picture, 4) > 0.5) != truth) < 0.2 * wrong


def test_a_picture_without_edges_changes_little():
    blurred = np.zeros((127, 127), np.float32)
    cv2.circle(blurred, (60, 60), 30, 1.0, -1)
    blurred = cv2.GaussianBlur(blurred, (0, 0), 3)
    filtered = guided_filter(blurred, np.full((127, 127, 3), 77, np.uint8), 4)
    clear = np.abs(blurred - 0.5) > 0.1
    np.testing.assert_array_equal(filtered[clear] > 0.5, blurred[clear] > 0.5)


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
    # The chord at t half axes from the centre is sqrt(1 - t^2) of the axis: a fifth of it at t = 0.98.
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


def test_where_masks_overlap_the_higher_confidence_wins():
    left, right = np.zeros((1, 4), np.uint8), np.zeros((1, 4), np.uint8)
    left[0, :3], right[0, 1:] = 255, 255
    picture = label_picture((1, 4), [LabelledMask(1, 0.9, left), LabelledMask(2, 0.6, right)])
    assert picture.tolist() == [[1, 1, 1, 2]]


def test_masks_that_overlap_are_separated():
    first, second, third = (np.zeros((6, 8), np.uint8) for _ in range(3))
    first[1:4, 1:5] = second[2:6, 3:8] = third[0:3, 4:8] = 255
    before = second.copy()
    separate_masks([first, None, second, third], [0.5, 0.99, 0.9, 0.7])
    np.testing.assert_array_equal(second, before)
    assert not (first & second).any()
    assert not (third & second).any()
    assert not (first & third).any()
    np.testing.assert_array_equal(first | second | third, first | before | third)
    assert first[1, 1] == third[0, 7] == 255


def test_the_union_of_masks():
    left, right = np.zeros((1, 4), np.uint8), np.zeros((1, 4), np.uint8)
    left[0, :2], right[0, 1:3] = 255, 255
    assert union_mask((1, 4), [left, right]).tolist() == [[255, 255, 255, 0]]
    assert union_mask((1, 4), [left]) is left
    assert left.tolist() == [[255, 255, 0, 0]]
    assert union_mask((1, 4), [None]).tolist() == [[0, 0, 0, 0]]
    assert label_picture((1, 4), [LabelledMask(3, 0.9, None)]).tolist() == [[0, 0, 0, 0]]
