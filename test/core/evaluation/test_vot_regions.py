"""VOT's polygons, rectangles and masks against ours."""

import cv2
import numpy as np
import pytest

from siammaskpp_core.evaluation.vot.dataset import mask_polygon, polygon_box, rotated_polygon
from siammaskpp_core.tracking import RotatedBox


def test_an_upright_polygon_is_its_pixels():
    corners = np.array([[10, 20], [19, 20], [19, 24], [10, 24]], float)
    # Pixels 10 to 19 and 20 to 24.
    assert polygon_box(corners) == pytest.approx([10, 20, 10, 5])


def test_a_diamond_becomes_a_square_of_its_area():
    corners = np.array([[10, 0], [20, 10], [10, 20], [0, 10]], float)
    # Half of the hull's 20x20; a pixel's width is added to each side, and its half to the centre (10, 10).
    side = np.sqrt(200) + 1
    assert polygon_box(corners) == pytest.approx([10.5 - side / 2, 10.5 - side / 2, side, side])


def test_a_polygon_without_area_keeps_its_pixels():
    assert polygon_box(np.full((4, 2), 7.0)) == pytest.approx([7, 7, 1, 1])


def test_rotated_boxes_are_drawn_through_the_centres_of_their_border_pixels():
    corners = rotated_polygon(RotatedBox(15.0, 22.5, 10.0, 5.0, 0.0))
    assert corners.tolist() == [[10, 20], [19, 20], [19, 24], [10, 24]]
    assert rotated_polygon(RotatedBox(15.0, 22.5, 0.5, 5.0, 0.0))[:, 0].tolist() == [14.5] * 4


def test_the_polygon_of_a_mask_surrounds_all_of_it():
    mask = np.zeros((40, 60), np.uint8)
    cv2.fillPoly(mask, [np.array([[10, 5], [30, 25], [20, 35], [0, 15]])], 255)
    corners = mask_polygon(mask)
    assert sorted(map(tuple, np.rint(corners).tolist())) == [(0, 15), (10, 5), (20, 35), (30, 25)]
    assert mask_polygon(np.zeros((40, 60), np.uint8)) is None


@pytest.mark.timeout(300)  # at its first use the toolkit is compiled by numba
def test_the_toolkit_draws_regions_as_we_do():
    region = pytest.importorskip("vot.region", reason="needs the extra [vot] and vot-toolkit")
    mask = np.zeros((40, 60), np.uint8)
    mask[20:25, 10:20] = 1
    truth = region.Mask(mask)
    polygon = region.Polygon([tuple(corner) for corner in rotated_polygon(RotatedBox(15, 22.5, 10, 5, 0))])
    for drawn in (
        polygon,
        region.Rectangle(10, 20, 10, 5),
        region.Polygon(list(map(tuple, mask_polygon(mask)))),
    ):
        assert region.calculate_overlap(drawn, truth, (60, 40)) == 1
    larger = region.Polygon([(10, 20), (20, 20), (20, 25), (10, 25)])
    assert region.calculate_overlap(larger, truth, (60, 40)) == pytest.approx(50 / 66)
