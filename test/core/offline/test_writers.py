"""Data sets and tables, read back by the tools that read them or as their formats are documented."""

import configparser
import csv
import json

import cv2
import numpy as np
import pytest
import yaml
from squares import BLUE, BLUE_BOX, HEIGHT, RED_BOX, WIDTH, frame, picture, tracker

from siammaskpp_core.config import ConfigError
from siammaskpp_core.io.outputs import OutputError
from siammaskpp_core.io.video import open_frames
from siammaskpp_core.offline.run import Run
from siammaskpp_core.offline.session import Selection, Session
from siammaskpp_core.offline.writers.base import Recording
from siammaskpp_core.offline.writers.formats import FORMATS, OutputPlan, default_path, open_writers
from siammaskpp_core.offline.writers.rle import rle_counts

FRAMES = 6
HIDDEN = (3, 4)
"""Frames without the blue square."""
SELECTIONS = [Selection(RED_BOX, label="red"), Selection(BLUE_BOX, label="blue")]


@pytest.fixture
def pictures(tmp_path):
    """A folder of pictures, of which every second one is a JPEG."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(FRAMES):
        image = picture(number, without=BLUE if number in HIDDEN else None)
        cv2.imwrite(str(folder / f"img{number}.{'jpg' if number % 2 else 'png'}"), image)
    return folder


@pytest.fixture
def write(tmp_path, pictures):
    """A function that writes one format, and returns its path with the results."""

    def write(format, selections=SELECTIONS, classes=()):
        plan = OutputPlan(format, tmp_path / f"out{FORMATS[format].ending}")
        with open_writers([plan], Recording("squares", 25.0, classes)) as writers:
            run = Run(Session(tracker()), selections, writers)
            results = [run.take(each) for each in open_frames(pictures).stamped()]
        return plan.path, results

    return write


def masks_of(result):
    """The masks of a frame by id; without those of targets that are not seen."""
    return {target.id: target.mask > 0 for target in result.seen}


def test_coco(write, pictures):
    coco = pytest.importorskip("pycocotools.coco")
    path, results = write("coco")
    data = coco.COCO(str(path / "instances.json"))
    assert [item["name"] for item in data.loadCats(data.getCatIds())] == ["red", "blue"]
    for item, result in zip(data.loadImgs(data.getImgIds()), results, strict=True):
        assert (item["width"], item["height"], item["frame_id"]) == (WIDTH, HEIGHT, result.number)
        file = path / "images" / item["file_name"]
        assert file.read_bytes() == (pictures / item["file_name"]).read_bytes(), "copied as it is"
        own = data.loadAnns(data.getAnnIds(imgIds=item["id"]))
        expected = masks_of(result)
        assert [each["track_id"] for each in own] == [result[id].index + 1 for id in expected]
        for each, (id, mask) in zip(own, expected.items(), strict=True):
            np.testing.assert_array_equal(data.annToMask(each) > 0, mask)
            assert each["area"] == mask.sum()
            assert each["bbox"] == pytest.approx(result[id].box_xywh, abs=0.01)
            assert each["score"] == pytest.approx(result[id].confidence, abs=1e-4)
    assert len(data.anns) == 2 * FRAMES - len(HIDDEN)


def test_yolo_leaves_frames_out_in_which_a_target_is_not_seen(write):
    path, results = write("yolo-seg")
    described = yaml.safe_load((path / "data.yaml").read_text())
    assert described == {"train": "images/train", "val": "images/train", "names": {0: "red", 1: "blue"}}
    shown = [result for result in results if result.number not in HIDDEN]
    names = sorted(file.stem for file in (path / "labels/train").iterdir())
    assert names == sorted(file.stem for file in (path / "images/train").iterdir())
    assert names == [result.frame.name for result in shown]
    for result in shown:
        lines = (path / f"labels/train/{result.frame.name}.txt").read_text().splitlines()
        for line, (number, mask) in zip(lines, enumerate(masks_of(result).values()), strict=True):
            values = line.split()
            assert int(values[0]) == number
            # Some readers round to pixels and some cut off.
            corners = (np.array(values[1:], float).reshape(-1, 2) * (WIDTH, HEIGHT)).astype(np.int32)
            filled = cv2.fillPoly(np.zeros((HEIGHT, WIDTH), np.uint8), [corners], 1)
            np.testing.assert_array_equal(filled > 0, mask)


def test_davis(write):
    pillow = pytest.importorskip("PIL.Image")
    path, results = write("davis")
    names = (path / "ImageSets/2017/val.txt").read_text().split()
    assert names == ["squares"]
    for result in results:
        picture = pillow.open(path / f"Annotations/480p/squares/{result.frame.name}.png")
        assert picture.mode == "P"
        assert picture.getpalette()[:9] == [0, 0, 0, 128, 0, 0, 0, 128, 0]
        numbers = np.array(picture)
        masks = masks_of(result)
        for number, id in enumerate(("red", "blue"), start=1):
            np.testing.assert_array_equal(numbers == number, masks.get(id, np.zeros_like(numbers, bool)))
        assert (path / f"JPEGImages/480p/squares/{result.frame.name}.jpg").is_file()


def test_motchallenge_counts_from_one(write):
    path, results = write("mot")
    info = configparser.ConfigParser()
    info.read(path / "squares/seqinfo.ini")
    sequence = dict(info["Sequence"])
    assert (sequence["seqlength"], sequence["framerate"]) == (str(FRAMES), "25")
    assert (sequence["imwidth"], sequence["imheight"]) == (str(WIDTH), str(HEIGHT))
    assert len(list((path / "squares/img1").glob("*.jpg"))) == FRAMES
    rows = np.loadtxt(path / "squares.txt", delimiter=",")
    truth = np.loadtxt(path / "squares/gt/gt.txt", delimiter=",")
    assert rows.shape == (2 * FRAMES - len(HIDDEN), 10)
    assert truth.shape == (len(rows), 9)
    np.testing.assert_array_equal(rows[:, :6], truth[:, :6])
    expected = [
        [result.number + 1, target.index + 1, *(target.box_xywh + (1, 1, 0, 0)), target.confidence]
        for result in results
        for target in result.seen
    ]
    np.testing.assert_allclose(rows[:, :7], expected, atol=0.01)
    assert (path / "squares/gt/labels.txt").read_text().split() == ["red", "blue"]


def test_json_and_csv_tell_the_same(write):
    path, results = write("json")
    document = json.loads(path.read_text())
    assert (document["recording"], document["fps"], len(document["frames"])) == ("squares", 25.0, FRAMES)
    with write("csv")[0].open() as file:
        rows = list(csv.DictReader(file))
    items = [(each, item) for each in document["frames"] for item in each["targets"]]
    assert len(items) == len(rows) == 2 * FRAMES
    for (each, item), row in zip(items, rows, strict=True):
        assert (row["id"], row["label"], row["state"]) == (item["id"], item["label"], item["state"])
        assert (int(row["frame"]), float(row["stamp_s"])) == (each["frame"], each["time_s"])
        target = results[each["frame"]][item["id"]]
        if target.is_seen:
            assert [float(row[name]) for name in ("x", "y", "width", "height")] == item["box_xywh"]
            assert item["mask"] == {"size": [HEIGHT, WIDTH], "counts": rle_counts(target.mask)}
        else:
            assert (row["x"], item["box_xywh"], item["rotated_box"], item["mask"]) == ("", None, None, None)


def test_masks_of_several_targets_have_folders(write):
    path, results = write("masks")
    for id in ("red", "blue"):
        files = sorted((path / id).iterdir())
        assert [file.stem for file in files] == [result.frame.name for result in results]
        for file, result in zip(files, results, strict=True):
            mask = cv2.imread(str(file), cv2.IMREAD_UNCHANGED)
            np.testing.assert_array_equal(mask > 0, masks_of(result).get(id, np.zeros_like(mask, bool)))


def test_the_overlay_names_targets_that_are_not_seen(write):
    path, _ = write("video")
    drawn = list(open_frames(path))
    assert len(drawn) == FRAMES
    corner = [image[:14, :100].astype(int).std() for image in drawn]
    assert all((spread > 10) == (number in HIDDEN) for number, spread in enumerate(corner))


@pytest.mark.parametrize(
    "pixels", [[], [(0, 0)], [(3, 4)], [(0, 0), (0, 1), (1, 1), (3, 0), (3, 4)], np.ndindex(4, 5)]
)
def test_run_lengths_are_those_of_coco(pixels):
    coco_masks = pytest.importorskip("pycocotools.mask")
    mask = np.zeros((4, 5), np.uint8)
    for row, column in pixels:
        mask[row, column] = 255
    counts = rle_counts(mask)
    decoded = coco_masks.decode(coco_masks.frPyObjects({"size": [4, 5], "counts": counts}, 4, 5))
    np.testing.assert_array_equal(decoded > 0, mask > 0)


@pytest.mark.parametrize("format", ["coco", "yolo-seg", "mot"])
def test_classes_have_the_numbers_that_were_given(format, write):
    pytest.importorskip("pycocotools")
    path, _ = write(format, classes=("cup", "blue"))
    if format == "coco":
        names = [item["name"] for item in json.loads((path / "instances.json").read_text())["categories"]]
    elif format == "yolo-seg":
        names = list(yaml.safe_load((path / "data.yaml").read_text())["names"].values())
        numbers = {line.split()[0] for line in (path / "labels/train/img0.txt").read_text().splitlines()}
        assert numbers == {"1", "2"}
    else:
        names = (path / "squares/gt/labels.txt").read_text().split()
    assert names == ["cup", "blue", "red"]


def test_a_name_that_a_person_typed_leads_nowhere_else(write, tmp_path):
    ids = ("../../red", "..", "/")
    path, _ = write("masks", [Selection(RED_BOX, id=id) for id in ids])
    assert {folder.name for folder in path.iterdir()} == {"_", "__", "_.._red"}


def test_a_network_without_masks_has_boxes_alone(tmp_path):
    pytest.importorskip("pycocotools")

    def boxes_only(number):
        result = Session(tracker()).track(frame(number), [Selection(RED_BOX, label="red")])
        for target in result:
            object.__setattr__(target.found, "mask", None)
        return result

    with open_writers([OutputPlan("coco", tmp_path / "coco")], Recording("squares")) as (writer,):
        writer(boxes_only(0))
    (item,) = json.loads((tmp_path / "coco/instances.json").read_text())["annotations"]
    assert (item["segmentation"], item["area"]) == ([], 1600)
    for format in ("masks", "davis", "yolo-seg"):
        with (
            pytest.raises(ConfigError, match=f"{format}: this network has no masks"),
            open_writers([OutputPlan(format, tmp_path / format)], Recording("squares")) as (writer,),
        ):
            writer(boxes_only(0))
        assert not (tmp_path / format).exists()


def test_outputs_replace_nothing(tmp_path):
    assert default_path(tmp_path, "cup", "_tracked.mp4") == tmp_path / "cup_tracked.mp4"
    (tmp_path / "cup_tracked.mp4").touch()
    assert default_path(tmp_path, "cup", "_tracked.mp4") == tmp_path / "cup_tracked_2.mp4"
    same = [OutputPlan("csv", tmp_path / "a"), OutputPlan("json", tmp_path / "a")]
    with pytest.raises(OutputError, match="is the place of two outputs"), open_writers(same, Recording("a")):
        pass
    with (
        pytest.raises(OutputError, match="is the video to be read"),
        open_writers(
            [OutputPlan("csv", tmp_path / "cup_tracked.mp4")], Recording("a"), tmp_path / "cup_tracked.mp4"
        ),
    ):
        pass
