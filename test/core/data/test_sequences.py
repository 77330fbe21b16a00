"""Folders in the layouts of OTB, VOT and DAVIS."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from turned import write_turned

from siammaskpp_core.data.sequences import DatasetError, find_sequences
from siammaskpp_core.io.images import MediaError


def write_pictures(folder: Path, count: int, first: int = 1, digits: int = 4) -> None:
    folder.mkdir(parents=True)
    for index in range(first, first + count):
        cv2.imwrite(str(folder / f"{index:0{digits}d}.jpg"), np.full((40, 60, 3), 90, np.uint8))


def otb(folder: Path, lines: list[str], pictures: int | None = None) -> Path:
    write_pictures(folder / "img", len(lines) if pictures is None else pictures)
    (folder / "groundtruth_rect.txt").write_text("\n".join(lines) + "\n")
    return folder


def davis(root: Path, name: str, annotations: list[np.ndarray]) -> Path:
    write_pictures(root / "JPEGImages/480p" / name, len(annotations), first=0, digits=5)
    folder = root / "Annotations/480p" / name
    folder.mkdir(parents=True)
    for index, annotation in enumerate(annotations):
        cv2.imwrite(str(folder / f"{index:05d}.png"), annotation)
    return root


def mask(left: int, top: int, width: int, height: int) -> np.ndarray:
    image = np.zeros((40, 60), np.uint8)
    image[top : top + height, left : left + width] = 255
    return image


def test_otb_reads_all_separators_and_marks_absent_objects(tmp_path):
    folder = otb(tmp_path / "Cup", ["1,2,3,4", "1.5\t2\t3\t4", "1 2  3 4", "NaN,NaN,NaN,NaN", "0,0,0,0"])
    (sequence,) = find_sequences([folder])
    assert (sequence.name, sequence.layout, len(sequence.frames)) == ("Cup", "otb", 5)
    assert sequence.boxes[:3].tolist() == [[1, 2, 3, 4], [1.5, 2, 3, 4], [1, 2, 3, 4]]
    assert np.isnan(sequence.boxes[3:]).all()


def test_a_sequence_begins_where_the_object_appears(tmp_path):
    (sequence,) = find_sequences([otb(tmp_path / "Cup", ["NaN,NaN,NaN,NaN", "1,2,3,4", "5,6,7,8"])])
    assert [frame.name for frame in sequence.frames] == ["0002.jpg", "0003.jpg"]
    assert sequence.boxes[0].tolist() == [1, 2, 3, 4]


def test_otb_with_two_objects_and_pictures_after_the_ground_truth(tmp_path):
    folder = otb(tmp_path / "Jogging", ["1,2,3,4"] * 3, pictures=5)
    (folder / "groundtruth_rect.txt").rename(folder / "groundtruth_rect.1.txt")
    (folder / "groundtruth_rect.2.txt").write_text("9,9,3,4\n9,9,3,4\n")
    sequences = find_sequences([folder])
    assert [(s.name, len(s.frames)) for s in sequences] == [("Jogging.1", 3), ("Jogging.2", 2)]


def test_the_ground_truth_of_otbs_david_begins_at_picture_300(tmp_path):
    (sequence,) = find_sequences([otb(tmp_path / "David", ["1,2,3,4"] * 3, pictures=305)])
    assert [frame.name for frame in sequence.frames] == ["0300.jpg", "0301.jpg", "0302.jpg"]


@pytest.mark.parametrize("pictures", ["color", "."])
def test_vot_polygons_become_bounding_boxes(tmp_path, pictures):
    write_pictures(tmp_path / "bag" / pictures, 2) if pictures == "color" else write_pictures(
        tmp_path / "bag", 2
    )
    (tmp_path / "bag/groundtruth.txt").write_text("10,5,20,10,15,20,5,15\n1,2,3,4\n")
    (sequence,) = find_sequences([tmp_path])
    assert sequence.layout == "vot"
    assert sequence.boxes.tolist() == [[5, 5, 15, 15], [1, 2, 3, 4]]


def test_vot_masks_become_bounding_boxes_too(tmp_path):
    write_pictures(tmp_path / "bag/color", 3, digits=8)
    # Three pixels in a row; an empty mask; the three pixels moved by one.
    (tmp_path / "bag/groundtruth.txt").write_text("m10,20,3,1,0,3\nm0,0,60,40,2400\nm11,21,3,1,0,3\n")
    (sequence,) = find_sequences([tmp_path])
    assert sequence.boxes[[0, 2]].tolist() == [[10, 20, 3, 1], [11, 21, 3, 1]]
    assert np.isnan(sequence.boxes[1]).all()


def test_davis_boxes_are_the_bounding_boxes_of_the_masks(tmp_path):
    root = davis(tmp_path, "dog", [mask(3, 4, 5, 6), mask(0, 0, 0, 0), mask(0, 0, 60, 40)])
    (sequence,) = find_sequences([root])
    assert (sequence.name, sequence.layout) == ("dog", "davis")
    assert sequence.boxes[[0, 2]].tolist() == [[3, 4, 5, 6], [0, 0, 60, 40]]
    assert np.isnan(sequence.boxes[1]).all()
    assert np.array_equal(sequence.mask(0), mask(3, 4, 5, 6))


def test_davis_annotations_begin_with_the_object_too(tmp_path):
    root = davis(tmp_path, "dog", [mask(0, 0, 0, 0), mask(3, 4, 5, 6), mask(4, 4, 5, 6)])
    (sequence,) = find_sequences([root])
    assert sequence.frames[0].stem == sequence.annotations[0].stem == "00001"


def test_davis_colours_are_objects(tmp_path):
    annotation = np.zeros((40, 60, 3), np.uint8)
    annotation[0:5, 0:5] = (0, 0, 128)
    annotation[10:20, 30:50] = (0, 128, 0)
    first, second = find_sequences([davis(tmp_path, "dogs", [annotation] * 2)])
    assert (first.name, first.boxes[0].tolist()) == ("dogs.1", [0, 0, 5, 5])
    assert (second.name, second.boxes[0].tolist()) == ("dogs.2", [30, 10, 20, 10])
    assert np.count_nonzero(second.mask(1)) == 200


def test_a_parent_of_several_data_sets_one_davis_sequence_and_duplicates(tmp_path):
    davis(tmp_path / "davis", "dog", [mask(3, 4, 5, 6)] * 2)
    otb(tmp_path / "otb/dog", ["1,2,3,4"] * 2)
    names = [sequence.name for sequence in find_sequences([tmp_path, tmp_path / "otb"])]
    assert names == ["dog", "dog (2)"]
    (one,) = find_sequences([tmp_path / "davis/JPEGImages/480p/dog"])
    assert one.layout == "davis"


def test_of_several_resolutions_480p_is_read(tmp_path):
    davis(tmp_path, "dog", [mask(3, 4, 5, 6)] * 2)
    write_pictures(tmp_path / "JPEGImages/1080p/dog", 2, first=0, digits=5)
    (sequence,) = find_sequences([tmp_path])
    assert "480p" in sequence.frames[0].parts


@pytest.mark.parametrize(
    ("lines", "pictures", "message"),
    [
        (["1,2,3,4", "1,2,3"], 2, r"groundtruth_rect.txt, line 2: 4 numbers are expected, not '1,2,3'"),
        (["1,2,3,4", "one,2,3,4"], 2, "line 2"),
        (["1,2,3,4"] * 3, 2, "3 boxes for 2 pictures"),
        (["NaN,NaN,NaN,NaN"] * 2, 2, "must be in two frames at least"),
    ],
)
def test_unusable_otb_sequences_are_refused(tmp_path, lines, pictures, message):
    with pytest.raises(DatasetError, match=message):
        find_sequences([otb(tmp_path / "Cup", lines, pictures)])


def test_nothing_found_names_the_layouts(tmp_path):
    with pytest.raises(DatasetError, match=r"no sequences found; expected .*OTB.*VOT.*DAVIS"):
        find_sequences([tmp_path])
    with pytest.raises(DatasetError, match="no such folder"):
        find_sequences([tmp_path / "missing"])


def test_missing_and_damaged_annotations_are_named(tmp_path):
    root = davis(tmp_path, "dog", [mask(3, 4, 5, 6)] * 3)
    damaged = root / "Annotations/480p/dog/00001.png"
    damaged.write_bytes(b"not a picture")
    with pytest.raises(MediaError, match=r"00001.png: not a readable image"):
        find_sequences([root])
    damaged.unlink()
    with pytest.raises(DatasetError, match=r"00001.png: missing; 1 of 3"):
        find_sequences([root])


def test_what_editors_and_spreadsheets_add_to_a_ground_truth(tmp_path):
    """A byte order mark, a comma at the end of a line, Windows line ends, empty lines."""
    folder = otb(tmp_path / "Cup", ["1,2,3,4"] * 2)
    (folder / "groundtruth_rect.txt").write_bytes(b"\xef\xbb\xbf1,2,3,4,\r\n\r\n 5, 6, 7, 8 ;\r\n")
    (sequence,) = find_sequences([folder])
    assert sequence.boxes.tolist() == [[1, 2, 3, 4], [5, 6, 7, 8]]


def test_lasot_marks_where_the_object_is_absent(tmp_path):
    folder = tmp_path / "LaSOT/cup/cup-1"
    write_pictures(folder / "img", 5, digits=8)
    (folder / "groundtruth.txt").write_text("1,2,3,4\n" * 5)
    (folder / "full_occlusion.txt").write_text("0,1,0,0,0")
    (folder / "out_of_view.txt").write_text("0,0,0,1,0\n")
    (folder / "nlp.txt").write_text("a red cup\n")
    (sequence,) = find_sequences([tmp_path])
    assert (sequence.name, sequence.layout, len(sequence.frames)) == ("cup-1", "lasot", 5)
    assert np.isfinite(sequence.boxes).all(axis=1).tolist() == [True, False, True, False, True]
    (folder / "out_of_view.txt").write_text("0,0,1")
    with pytest.raises(DatasetError, match=r"out_of_view.txt: 5 values 0 or 1 are expected"):
        find_sequences([tmp_path])


def test_got_10k_marks_absent_objects_line_by_line(tmp_path):
    folder = tmp_path / "GOT-10k_Train_000001"
    write_pictures(folder, 3, digits=8)
    (folder / "groundtruth.txt").write_text("1.0,2.0,3.0,4.0\n" * 3)
    (folder / "absence.label").write_text("0\n1\n0\n")
    (sequence,) = find_sequences([tmp_path])
    assert np.isfinite(sequence.boxes).all(axis=1).tolist() == [True, False, True]


def test_numbers_in_a_grey_annotation_are_objects(tmp_path):
    """255 marks pixels that belong to no object. Without numbers it is the object, as in DAVIS 2016."""
    numbers = np.where(mask(0, 0, 5, 5), 1, 0).astype(np.uint8)
    numbers[10:20, 30:50] = 2
    numbers[0:40, 55:60] = 255
    first, second = find_sequences([davis(tmp_path / "numbers", "dogs", [numbers] * 2)])
    assert (first.name, first.boxes[0].tolist()) == ("dogs.1", [0, 0, 5, 5])
    assert (second.name, second.boxes[0].tolist()) == ("dogs.2", [30, 10, 20, 10])
    assert np.count_nonzero(second.mask(1)) == 200
    smooth = cv2.blur(mask(10, 10, 20, 20), (3, 3))
    (one,) = find_sequences([davis(tmp_path / "smooth", "dog", [smooth] * 2)])
    assert one.boxes[0].tolist() == [9, 9, 22, 22]


def test_objects_that_appear_later_are_found(tmp_path):
    before, after = np.zeros((2, 40, 60, 3), np.uint8)
    before[0:5, 0:5] = after[0:5, 0:5] = (0, 0, 128)
    after[10:20, 30:50] = (0, 128, 0)
    first, second = find_sequences([davis(tmp_path, "dogs", [before, after, after])])
    assert (first.name, len(first.frames)) == ("dogs.1", 3)
    assert (second.name, second.frames[0].name, len(second.frames)) == ("dogs.2", "00001.jpg", 2)


def test_smoothed_colours_are_refused(tmp_path):
    colours = np.random.default_rng(0).integers(1, 256, (40, 60, 3), dtype=np.uint8)
    with pytest.raises(DatasetError, match=r"dogs: more than 63 colours.*save the annotations as PNG"):
        find_sequences([davis(tmp_path, "dogs", [colours] * 2)])


def test_pictures_are_those_that_were_annotated(tmp_path):
    """Annotations refer to the stored pixels, whatever a viewer shows."""
    folder = otb(tmp_path / "Cup", ["1,2,3,4"] * 2)
    for path in (folder / "img").iterdir():
        write_turned(path, np.full((40, 60, 3), 90, np.uint8))
    (sequence,) = find_sequences([folder])
    assert sequence.image(0).shape == (40, 60, 3)


def test_hidden_files_and_folders_are_no_data(tmp_path):
    folder = otb(tmp_path / "Cup", ["1,2,3,4"] * 2)
    (folder / "img/._0001.jpg").write_bytes(b"a resource fork")
    (folder / "._groundtruth_rect.txt").write_bytes(b"a resource fork")
    otb(tmp_path / ".Trash/Cup", ["1,2,3,4"] * 2)
    (sequence,) = find_sequences([tmp_path])
    assert [frame.name for frame in sequence.frames] == ["0001.jpg", "0002.jpg"]


def test_sequences_that_cannot_be_used_are_left_out(tmp_path):
    otb(tmp_path / "Cup", ["1,2,3,4"] * 2)
    otb(tmp_path / "Long", ["1,2,3,4"] * 3, pictures=2)
    otb(tmp_path / "Text", ["1,2,3,4", "here"])
    davis(tmp_path / "davis", "dog", [mask(3, 4, 5, 6)] * 2)
    (tmp_path / "davis/Annotations/480p/dog/00001.png").write_bytes(b"")
    left_out = []
    assert [sequence.name for sequence in find_sequences([tmp_path], left_out)] == ["Cup"]
    assert len(left_out) == 3
    for message, part in zip(
        sorted(left_out), ("3 boxes for 2 pictures", "line 2", "00001.png: not a readable image"), strict=True
    ):
        assert part in message
    with pytest.raises(DatasetError, match=r"Text: no sequence in it can be used: .*line 2"):
        find_sequences([tmp_path / "Text"], left_out)
