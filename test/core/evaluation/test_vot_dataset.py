"""Sequences of every layout as the VOT toolkit reads them, and its regions beside ours."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from siammaskpp_core.data.sequences import DatasetError, find_sequences

pytest.importorskip("vot", reason="needs the extra [vot] and vot-toolkit")

from vot.dataset import load_dataset
from vot.region import Mask, Polygon, Rectangle, calculate_overlap

from siammaskpp_core.evaluation.vot.dataset import (
    VotSequence,
    mask_polygon,
    polygon_box,
    rotated_polygon,
    spaced_anchors,
    vot_sequence,
    write_dataset,
)
from siammaskpp_core.tracking import RotatedBox

pytestmark = pytest.mark.timeout(300)  # at its first use the toolkit is compiled by numba
ABSENT = "NaN,NaN,NaN,NaN"


def write_pictures(folder: Path, count: int, suffix: str = "jpg") -> None:
    folder.mkdir(parents=True)
    for index in range(1, count + 1):
        cv2.imwrite(str(folder / f"{index:04d}.{suffix}"), np.full((40, 60, 3), index, np.uint8))


def vot(folder: Path, lines: list[str]) -> Path:
    write_pictures(folder / "color", len(lines))
    (folder / "groundtruth.txt").write_text("\n".join(lines) + "\n")
    return folder


def otb(folder: Path, lines: list[str], suffix: str = "jpg") -> Path:
    write_pictures(folder / "img", len(lines), suffix)
    (folder / "groundtruth_rect.txt").write_text("\n".join(lines) + "\n")
    return folder


def one(folder: Path) -> VotSequence:
    (sequence,) = find_sequences([folder])
    return vot_sequence(sequence)


def loaded(folder: Path, *sequences: VotSequence):
    """Return the sequences that the toolkit loads from a data set written by us."""
    write_dataset(folder, sequences)
    return list(load_dataset(str(folder)))


def test_vot_polygons_are_kept_as_they_are(tmp_path):
    lines = [f"10.5,5,20,10,15,20,{index}.25,15" for index in range(11)] + ["1\t2  3, 4", ""]
    folder = vot(tmp_path / "bag", lines[:-1])
    (folder / "groundtruth.txt").write_text("\n".join(lines))
    (sequence,) = loaded(tmp_path / "out", one(folder))
    assert (sequence.name, len(sequence)) == ("bag", 12)
    region = sequence.groundtruth(3)
    assert isinstance(region, Polygon)
    assert region.points() == [(10.5, 5), (20, 10), (15, 20), (3.25, 15)]
    assert str(sequence.groundtruth(11)) == "1.0,2.0,3.0,4.0"
    assert Path(sequence.frame(3).filename()).resolve().name == "0004.jpg"


def test_vot_masks_and_their_polygons(tmp_path):
    # Window 4x2 at (10, 20): all but the last pixel.
    sequence = one(vot(tmp_path / "bag", ["m10,20,4,2,0,7,1"] * 12))
    assert sequence.has_masks
    masks, polygons = loaded(tmp_path / "out", sequence), loaded(tmp_path / "drawn", sequence.with_polygons())
    region = masks[0].groundtruth(0)
    assert isinstance(region, Mask)
    assert region.offset == (10, 20)
    assert region.mask.tolist() == [[1, 1, 1, 1], [1, 1, 1, 0]]
    corners = polygons[0].groundtruth(0).points()
    assert sorted(corners) == [(10, 20), (10, 21), (13, 20), (13, 21)]


def test_otb_boxes_png_pictures_and_frame_rate(tmp_path):
    (sequence,) = loaded(tmp_path / "out", one(otb(tmp_path / "Cup", ["1,2,3,4"] * 12, "png")))
    assert isinstance(sequence.groundtruth(0), Rectangle)
    assert str(sequence.groundtruth(0)) == "1.0,2.0,3.0,4.0"
    assert sequence.size == (60, 40)
    assert sequence.metadata("fps") == 30
    assert sequence.frame(4).image().max() == 5, "readers go by the content, not by the suffix"


def test_the_frame_rate_and_anchors_of_a_vot_data_set_are_kept(tmp_path):
    folder = vot(tmp_path / "bag", ["1,2,3,4"] * 12)
    (folder / "sequence").write_text("fps=25\n")
    (folder / "anchor.value").write_text("\n".join(["0", "1", *["0"] * 9, "-1"]))
    (sequence,) = loaded(tmp_path / "out", one(folder))
    assert sequence.metadata("fps") == 25
    assert [sequence.values(index)["anchor"] for index in (0, 1, 11)] == [0, 1, -1]


def test_only_the_longest_run_with_the_object_counts(tmp_path):
    lines = ["1,2,3,4"] * 3 + [ABSENT] * 2 + ["5,6,7,8"] * 13 + [ABSENT]
    sequence = one(otb(tmp_path / "Cup", lines))
    assert [frame.name for frame in sequence.frames] == [f"{index:04d}.jpg" for index in range(6, 19)]
    assert {str(region) for region in sequence.regions} == {"5.0,6.0,7.0,8.0"}
    with pytest.raises(DatasetError, match=r"Mug: VOT needs at least 12 frames .* longest run has 11"):
        one(otb(tmp_path / "Mug", ["1,2,3,4"] * 11 + [ABSENT] * 9))


def test_anchors_are_50_frames_apart_and_run_along_the_longer_part():
    anchors = spaced_anchors(121)
    starts = {index: direction for index, direction in enumerate(anchors) if direction}
    assert starts == {0: 1, 50: 1, 100: -1, 120: -1}
    sequence = VotSequence("a", tuple([Path("a.jpg")] * 121), (), tuple(anchors), 30)
    assert sequence.run_lengths() == [121, 71, 101, 121]


def test_an_axis_aligned_polygon_is_its_pixels():
    corners = np.array([[10, 20], [19, 20], [19, 24], [10, 24]], float)
    # The polygon covers the pixels 10 to 19 and 20 to 24.
    assert polygon_box(corners) == pytest.approx([10, 20, 10, 5])


def test_a_diamond_becomes_a_square_of_its_area():
    corners = np.array([[10, 0], [20, 10], [10, 20], [0, 10]], float)
    # The area is half of 20x20; each side grows by a pixel, and the centre (10, 10) moves by half a pixel.
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


def test_the_toolkit_draws_regions_as_we_do():
    mask = np.zeros((40, 60), np.uint8)
    mask[20:25, 10:20] = 1
    truth = Mask(mask)
    polygon = Polygon([tuple(corner) for corner in rotated_polygon(RotatedBox(15, 22.5, 10, 5, 0))])
    for drawn in (
        polygon,
        Rectangle(10, 20, 10, 5),
        Polygon(list(map(tuple, mask_polygon(mask)))),
    ):
        assert calculate_overlap(drawn, truth, (60, 40)) == 1
    larger = Polygon([(10, 20), (20, 20), (20, 25), (10, 25)])
    assert calculate_overlap(larger, truth, (60, 40)) == pytest.approx(50 / 66)


def test_what_editors_add_and_lasots_absent_frames(tmp_path):
    """The toolkit gets what the other protocols get."""
    folder = vot(tmp_path / "bag", ["1,2,3,4"] * 12)
    (folder / "groundtruth.txt").write_text("1,2,3,4,\n" * 12, encoding="utf-8-sig")
    assert [tuple(region.bounds()) for region in one(folder).regions] == [(1, 2, 4, 6)] * 12
    lasot = tmp_path / "cup-1"
    write_pictures(lasot / "img", 30)
    (lasot / "groundtruth.txt").write_text("1,2,3,4\n" * 30)
    (lasot / "out_of_view.txt").write_text(",".join(["0"] * 15 + ["1"] + ["0"] * 14))
    assert len(one(lasot).frames) == 15
