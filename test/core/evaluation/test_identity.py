"""The identity benchmark: its clips to the pixel, and the figures of known trackers on its cases."""

import json

import cv2
import numpy as np
import pytest

from siammaskpp_core.cli.main import main
from siammaskpp_core.data.sequences import find_sequences
from siammaskpp_core.evaluation.identity.benchmark import (
    IdentityResult,
    run_case,
    summarise,
    which_object,
)
from siammaskpp_core.evaluation.identity.cases import video_cases
from siammaskpp_core.evaluation.identity.clips import FRAMES, KINDS, make_clips
from siammaskpp_core.tracking import State, TrackResult
from siammaskpp_core.tracking.boxes import RotatedBox

pytest.importorskip("pycocotools")

RED, GREEN, BLUE, GREY = (0, 0, 230), (0, 230, 0), (150, 80, 80), (90, 90, 90)


def write_picture(folder, number, objects, annotations):
    """Write a grey picture with coloured rectangles (x, y, w, h, category, colour), and note them."""
    image = np.full((200, 200, 3), GREY, np.uint8)
    for x, y, width, height, category, colour in objects:
        image[y : y + height, x : x + width] = colour
        corners = [x, y, x + width, y, x + width, y + height, x, y + height]
        annotations.append(
            {
                "id": len(annotations) + 1,
                "image_id": number,
                "category_id": category,
                "iscrowd": 0,
                "bbox": [x, y, width, height],
                "segmentation": [corners],
            }
        )
    cv2.imwrite(str(folder / "images" / f"{number}.png"), image)
    return {"id": number, "file_name": f"{number}.png", "width": 200, "height": 200}


@pytest.fixture(scope="module")
def coco(tmp_path_factory):
    folder = tmp_path_factory.mktemp("coco")
    (folder / "images").mkdir()
    annotations = []
    pair = [(20, 50, 40, 80, 1, RED), (100, 60, 50, 70, 1, GREEN)]
    strangers = [(20, 50, 40, 80, 2, BLUE), (100, 60, 50, 70, 3, BLUE)]
    images = [
        write_picture(folder, 1, pair, annotations),
        write_picture(folder, 2, strangers, annotations),
    ]
    content = {"images": images, "annotations": annotations, "categories": [{"id": 1}, {"id": 2}, {"id": 3}]}
    (folder / "instances.json").write_text(json.dumps(content), encoding="utf-8")
    return folder


def colour_box(image, colour):
    """Return the bounding box of the pixels that are nearly of this colour."""
    near = np.abs(image.astype(int) - colour).max(axis=2) < 60
    return np.array(cv2.boundingRect(near.astype(np.uint8)), np.float64)


def colour_area(image, colour):
    """Return the number of pixels that are nearly of this colour."""
    return int((np.abs(image.astype(int) - colour).max(axis=2) < 60).sum())


def test_the_kinds_take_turns_and_pairs_have_one_category(coco):
    clips = make_clips(coco, 10)
    assert [clip.kind for clip in clips] == [*KINDS, *KINDS]
    assert {tuple(sorted((clip.target, clip.other))) for clip in clips} == {(0, 1)}
    assert {clip.target for clip in clips} == {0, 1}, "either of the two is the target at times"
    assert len({clip.name for clip in clips}) == 10


def test_a_clip_is_a_function_of_its_seed(coco):
    one, again, other = make_clips(coco, 1)[0], make_clips(coco, 1)[0], make_clips(coco, 1, seed=2)[0]
    first = next(one.frames())
    np.testing.assert_array_equal(first.image, next(again.frames()).image)
    assert not np.array_equal(first.image, next(other.frames()).image)


@pytest.mark.parametrize("number", range(len(KINDS)))
def test_the_boxes_are_those_of_the_drawn_objects(coco, number):
    clip = make_clips(coco, number + 1)[number]
    colours = [RED, GREEN] if clip.target == 0 else [GREEN, RED]
    frames = list(clip.frames())
    assert len(frames) == len(clip) == FRAMES
    for frame in (frames[0], frames[-1]):  # nothing covers the objects at the ends
        for box, colour in zip((frame.box_xywh, frame.others_xywh[0]), colours, strict=True):
            np.testing.assert_allclose(colour_box(frame.image, colour), box, atol=4)


@pytest.mark.parametrize(("kind", "visible"), [("behind", 1), ("in_front", 0), ("turn", 1)])
def test_who_covers_whom(coco, kind, visible):
    clip = next(clip for clip in make_clips(coco, 10) if clip.kind == kind)
    colours = [RED, GREEN] if clip.target == 0 else [GREEN, RED]
    middle = min(clip.frames(), key=lambda frame: abs(frame.box_xywh[0] - frame.others_xywh[0, 0]))
    boxes = middle.box_xywh, middle.others_xywh[0]
    parts = [
        colour_area(middle.image, colour) / box[2:].prod() for colour, box in zip(colours, boxes, strict=True)
    ]
    assert parts[visible] > 1.5 * parts[1 - visible]


def test_a_folder_without_pairs_is_refused(coco, tmp_path, capsys):
    (tmp_path / "images").mkdir()
    content = json.loads((coco / "instances.json").read_text())
    content["annotations"] = [each for each in content["annotations"] if each["image_id"] == 2]
    (tmp_path / "instances.json").write_text(json.dumps(content), encoding="utf-8")
    cv2.imwrite(str(tmp_path / "images" / "2.png"), np.zeros((200, 200, 3), np.uint8))
    assert main(["evaluate", str(tmp_path), "--protocol", "identity"]) == 2
    assert "no picture holds two objects of one category" in capsys.readouterr().err


def write_sequence(folder, name, lines):
    (folder / "img").mkdir(parents=True, exist_ok=True)
    for number in range(len(lines)):
        cv2.imwrite(str(folder / "img" / f"{number + 1:04d}.png"), np.full((60, 80, 3), 9, np.uint8))
    (folder / name).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def test_videos_with_several_objects(tmp_path):
    write_sequence(tmp_path / "two", "groundtruth_rect.1.txt", ["1,2,10,10", "2,2,10,10", "3,2,10,10"])
    write_sequence(tmp_path / "two", "groundtruth_rect.2.txt", ["NaN,NaN,NaN,NaN", "40,2,9,9", "41,2,9,9"])
    write_sequence(tmp_path / "alone", "groundtruth_rect.txt", ["1,2,10,10", "2,2,10,10"])
    first, second = video_cases(find_sequences([tmp_path]))
    assert (first.name, second.name) == ("two.1", "two.2")
    frames = list(first.frames())
    assert np.isnan(frames[0].others_xywh).all()
    assert frames[1].others_xywh.tolist() == [[40, 2, 9, 9]]
    assert len(second) == 2, "a sequence begins where its object appears"
    assert [frame.others_xywh.tolist() for frame in second.frames()] == [[[2, 2, 10, 10]], [[3, 2, 10, 10]]]


def test_which_object():
    target, others = np.array([10.0, 10, 20, 20]), np.array([[100.0, 10, 20, 20], [np.nan] * 4])
    assert which_object(target + 1, target, others) == (True, False)
    assert which_object(others[0] + 1, target, others) == (False, True)
    assert which_object(np.array([50.0, 50, 20, 20]), target, others) == (False, False)
    assert which_object(np.full(4, np.nan), target, others) == (False, False)
    crossing = np.array([[14.0, 10, 20, 20]])
    assert which_object(target, target, crossing) == (False, False), "they cannot be told apart"
    absent = np.full(4, np.nan)
    assert which_object(others[0], absent, others) == (False, True)
    assert which_object(target, absent, np.empty((0, 4))) == (False, False)


@pytest.mark.parametrize(
    ("frames", "switches"),
    [
        ("tttt", 0),
        ("oott", 0),  # two frames are too few
        ("tooo", 1),
        ("ooooooo", 1),
        ("oo-o", 1),  # a frame on no object does not interrupt
        ("ootoo", 0),
        ("oo?oo", 0),  # a frame that is not believed ends the run
        ("ooottooo", 2),
    ],
)
def test_switches(frames, switches):
    result = IdentityResult(
        "video",
        "name",
        [letter != "?" for letter in frames],
        [letter == "t" for letter in frames],
        [letter == "o" for letter in frames],
    )
    assert result.switches == switches


def test_fractions_and_the_end():
    right = IdentityResult("behind", "a", [True] * 10, [True] * 10, [False] * 10)
    wrong = IdentityResult("close", "b", [True] * 10, [True] * 4 + [False] * 6, [False] * 4 + [True] * 6)
    doubts = IdentityResult("close", "c", [False] * 10, [True] * 10, [False] * 10)
    total = summarise([right, wrong, doubts])
    assert (total.cases, total.switches, total.switched, total.ends) == (3, 1, 1, 1)
    assert total.on_other == pytest.approx(0.2)
    assert total.seen == pytest.approx((1 + 0.4 + 0) / 3)


class Follower:
    """A tracker that is always on the object `which` of each frame of a case (0: the target)."""

    def __init__(self, case, which):
        self.boxes = [(frame.box_xywh, *frame.others_xywh)[which] for frame in case.frames()]
        self.is_seen, self.state = True, State.TRACKING

    def init(self, image, box_xywh):
        np.testing.assert_array_equal(image.shape, (320, 432, 3))
        return self, None

    def step(self, image, targets, stamp_ns):
        box = self.boxes[round(stamp_ns / 33_333_333)]
        return [TrackResult(box, RotatedBox.axis_aligned(box), 1.0, None)]


@pytest.mark.parametrize("which", [0, 1])
def test_a_perfect_tracker_and_one_on_the_other_object(coco, which):
    case = make_clips(coco, 4)[3]  # close: the two are apart in every frame
    result = run_case(Follower(case, which), case)
    assert len(result.believed) == FRAMES - 1
    assert result.switches == which
    assert result.ends_on_target == (which == 0)
    assert result.seen_fraction == pytest.approx(1 - which)
    assert result.on_other_fraction == pytest.approx(which)


@pytest.mark.slow
def test_the_command(coco, capsys):
    assert main(["evaluate", str(coco), "--protocol", "identity", "--clips", "1"]) == 0
    rows = [line.split("|")[1:3] for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    assert [[word.strip() for word in row] for row in rows[2:]] == [["behind", "1"], ["all", "1"]]


def test_options_of_other_protocols_are_refused(coco, capsys):
    assert main(["evaluate", str(coco), "--clips", "2"]) == 2
    assert "belong to --protocol identity" in capsys.readouterr().err
    assert main(["evaluate", str(coco), "--protocol", "identity", "--baselines", "kcf"]) == 2
    assert "belong to the other protocols" in capsys.readouterr().err
