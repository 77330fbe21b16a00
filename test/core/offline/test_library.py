"""The functions that a program imports from `siammaskpp_core`."""

import json
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import cv2
import numpy as np
import pytest
from squares import BLUE_BOX, RED_BOX, picture, tracker

import siammaskpp_core
from siammaskpp_core.errors import MissingPackageError, UserError
from siammaskpp_core.io.frame import Moment
from siammaskpp_core.offline.session import Selection, Session
from siammaskpp_core.tracking import BoxError, State

ROOT = Path(__file__).parents[3]
IMAGES = [picture(number) for number in range(6)]


def lefts(results):
    return [round(float(result.box_xywh[0])) for result in results]


def test_one_object_is_one_result_for_each_frame():
    results = list(siammaskpp_core.track(IMAGES, RED_BOX, tracker=tracker(), fps=10))
    assert lefts(results) == pytest.approx([20, 24, 28, 32, 36, 40], abs=4)
    last = results[-1]
    assert (last.frame, last.time_s, last.state, last.is_seen) == (5, 0.5, State.TRACKING, True)
    assert last.score == last.confidence > 0.9
    assert last.mask.shape == IMAGES[0].shape[:2]
    assert last.box_xyxy[2] - last.box_xyxy[0] == last.box_xywh[2]
    assert str(last.state) == "TRACKING"
    assert len(repr(last)) < 120


@pytest.mark.parametrize("kind", ["mask", "point"])
def test_a_target_starts_from_a_mask_or_a_point(kind):
    mask = np.zeros(IMAGES[0].shape[:2], bool)
    mask[30:70, 20:60] = True
    start = {"mask": {"mask": mask}, "point": {"point": (40, 50)}}[kind]
    results = list(siammaskpp_core.track(IMAGES, tracker=tracker(), **start))
    assert lefts(results)[-1] == pytest.approx(40, abs=4)


def test_several_objects_are_one_frame_of_results():
    boxes = {"red": RED_BOX, "blue": np.array(BLUE_BOX)}
    *_, last = siammaskpp_core.track_several(IMAGES, boxes, tracker=tracker())
    assert [target.id for target in last] == ["red", "blue"]
    assert last["blue"].box_xywh[0] == pytest.approx(185, abs=4)
    later = Selection(BLUE_BOX, label="blue", at=Moment(frame=2))
    counts = [
        len(each) for each in siammaskpp_core.track_several(IMAGES, [RED_BOX, later], tracker=tracker())
    ]
    assert counts == [1, 1, 2, 2, 2, 2]


def test_a_part_of_a_folder_of_pictures(tmp_path):
    for number, image in enumerate(IMAGES):
        cv2.imwrite(str(tmp_path / f"{number}.png"), image)
    box = (28, 30, 40, 40)
    part = siammaskpp_core.track(str(tmp_path), box, start=2, end=0.12, tracker=tracker())
    assert [result.frame for result in part] == [2, 3]


def test_images_have_stamps_of_their_own_or_colours_in_another_order():
    pairs = [(image[..., ::-1], 10**18 + number * 50_000_000) for number, image in enumerate(IMAGES)]
    results = list(siammaskpp_core.track(pairs, RED_BOX, is_rgb=True, tracker=tracker(), end=0.1))
    assert [result.stamp_ns for result in results] == [stamp for _, stamp in pairs[:3]]
    frames = siammaskpp_core.track_several(pairs, [RED_BOX], is_rgb=True, tracker=tracker())
    np.testing.assert_array_equal(next(frames).image, IMAGES[0])


def test_images_that_come_one_by_one():
    session = Session(tracker(), fps=10)
    assert session.add(IMAGES[0], RED_BOX, label="red").box_xywh == pytest.approx(RED_BOX, abs=1)
    results = [session.update(image) for image in IMAGES[1:4]]
    assert [result.number for result in results] == [1, 2, 3]
    assert results[-1]["red"].time_s == pytest.approx(0.3)
    session.add(IMAGES[3], (191, 120, 40, 40), label="blue")
    assert session.update(IMAGES[4], stamp_ns=400_000_000)["blue"].box_xywh[0] == pytest.approx(188, abs=4)
    session.remove("red")
    assert [target.id for target in session.update(IMAGES[5])] == ["blue"]


def test_a_session_takes_rgb():
    session = Session(tracker(), is_rgb=True)
    session.add(IMAGES[0][..., ::-1], RED_BOX)
    result = session.update(IMAGES[1][..., ::-1])
    np.testing.assert_array_equal(result.image, IMAGES[1])
    assert result["target"].is_seen


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({}, UserError, "give one of box"),
        ({"box": RED_BOX, "point": (1, 1)}, UserError, "give one of box"),
        ({"box": (1, 2, 3)}, BoxError, "not four numbers"),
        ({"mask": np.zeros((4, 4))}, BoxError, "the mask is empty"),
        ({"box": RED_BOX, "start": -1}, UserError, "lies before the recording"),
        ({"box": RED_BOX, "source": IMAGES[0]}, UserError, "several images are expected"),
        ({"box": RED_BOX, "source": 1.5}, UserError, "not float"),
        ({"box": RED_BOX, "source": "missing.mp4"}, UserError, "no such file"),
    ],
)
def test_what_cannot_be_used_is_said_at_once(arguments, error, words):
    source = arguments.pop("source", IMAGES)
    with pytest.raises(error, match=words):
        siammaskpp_core.track(source, tracker=tracker(), **arguments)


def test_a_box_is_no_list_of_targets_and_a_target_neither():
    with pytest.raises(BoxError, match="a list of boxes"):
        siammaskpp_core.track_several(IMAGES, RED_BOX, tracker=tracker())
    own = tracker()
    target, result = own.init(IMAGES[0], RED_BOX)
    with pytest.raises(TypeError, match=r"step\(image, \[target\], stamp_ns\)"):
        own.step(IMAGES[1], target, 0)
    for thing in (target, target.template, result):
        assert len(repr(thing)) < 160, "no arrays in it"


def test_a_writer_is_opened_by_its_name(tmp_path):
    with siammaskpp_core.writer("json", str(tmp_path / "red.json"), fps=10) as write:
        for frame in siammaskpp_core.track_several(IMAGES, [RED_BOX], tracker=tracker()):
            write(frame)
    assert json.loads((tmp_path / "red.json").read_text())["recording"] == "red"
    with pytest.raises(UserError, match="format 'avi' is not one of video, masks"):
        siammaskpp_core.writer("avi", tmp_path / "a.avi")


def test_results_become_detections_of_supervision(monkeypatch):
    class Detections(dict):
        """Stands in for the class of supervision, which checks these shapes."""

        def __init__(self, xyxy, mask, confidence, class_id, tracker_id, data):
            count = len(xyxy)
            assert (xyxy.shape, mask.shape[0], mask.dtype) == ((count, 4), count, bool)
            assert {len(each) for each in (confidence, class_id, tracker_id, *data.values())} == {count}
            super().__init__(xyxy=xyxy, class_id=class_id, tracker_id=tracker_id, **data)

    monkeypatch.setitem(sys.modules, "supervision", type(sys)("supervision"))
    sys.modules["supervision"].Detections = Detections
    boxes = [Selection(RED_BOX, label="square"), Selection(BLUE_BOX, label="square")]
    frame = next(siammaskpp_core.track_several(IMAGES, boxes, tracker=tracker()))
    found = frame.to_supervision()
    assert found["xyxy"][0] == pytest.approx((20, 30, 60, 70), abs=1)
    assert (found["class_id"].tolist(), found["tracker_id"].tolist()) == ([0, 0], [1, 2])
    assert found["state"].tolist() == ["TRACKING"] * 2
    monkeypatch.setitem(sys.modules, "supervision", None)
    with pytest.raises(MissingPackageError, match="pip install supervision"):
        frame.to_supervision()


def test_the_example_of_the_documents_runs(tmp_path, monkeypatch):
    text = (ROOT / "docs/library.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    monkeypatch.chdir(tmp_path)
    for module in ("library", "session"):
        monkeypatch.setattr(f"siammaskpp_core.offline.{module}.load_tracker", lambda *_: tracker()._tracker)
    image = np.full((480, 640, 3), 90, np.uint8)
    image[122:384, 306:416], image[40:70, 20:100] = (40, 40, 230), (230, 60, 40)
    values = {"image": image, "images": [image] * 3}
    exec(example, values)
    assert values["result"].is_seen
    assert [target.id for target in values["frame"]] == ["cup"]
    assert len(json.loads((tmp_path / "tracks.json").read_text())["frames"]) == 3


def test_the_package_has_its_names_and_its_version():
    assert set(siammaskpp_core.__all__) <= set(dir(siammaskpp_core))
    assert all(getattr(siammaskpp_core, name) is not None for name in siammaskpp_core.__all__)
    with pytest.raises(AttributeError, match="no attribute 'tracks'"):
        siammaskpp_core.tracks  # noqa: B018
    version = siammaskpp_core.__version__
    assert f'\nversion = "{version}"\n' in (ROOT / "pyproject.toml").read_text()
    assert ElementTree.parse(ROOT / "package.xml").getroot().findtext("version") == version
    command = [sys.executable, "-m", "siammaskpp_core", "--version"]
    assert subprocess.check_output(command, text=True) == f"siammaskpp {version}\n"
