"""The scripts in examples/, each run on a small video; that of ROS is run in test/ros/test_examples.py."""

import csv
import json
import runpy
import sys
from pathlib import Path

import cv2
import pytest
from squares import BLUE_BOX, RED_BOX, picture, tracker

from siammaskpp_core.io.video import VideoWriter, open_frames

EXAMPLES = Path(__file__).parents[2] / "examples"
FRAMES = 5
RED, BLUE = (",".join(f"{value:g}" for value in box) for box in (RED_BOX, BLUE_BOX))


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A function that runs a script in a folder with the video squares.avi, by a tracker of squares."""

    def load_tracker(*_):
        return tracker()._tracker

    for module in ("siammaskpp_core.offline.library", "siammaskpp_core.offline.session", "siammaskpp_core"):
        monkeypatch.setattr(f"{module}.load_tracker", load_tracker)
    monkeypatch.chdir(tmp_path)
    with VideoWriter(tmp_path / "squares.avi", (320, 240), 25.0) as video:
        for number in range(FRAMES):
            video.write(picture(number))

    def run(name, *arguments):
        monkeypatch.setattr(sys, "argv", [name, *arguments])
        runpy.run_path(str(EXAMPLES / name), run_name="__main__")

    return run


def test_video(run, capsys):
    run("video.py", "squares.avi", RED)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == FRAMES
    assert lines[0].startswith("  0.00 s  TRACKING  box [20.0, 30.0, ")
    assert lines[0].endswith(" pixels")


def test_several_targets(run, tmp_path):
    run("several_targets.py", "squares.avi", f"red={RED}", f"blue={BLUE}")
    with (tmp_path / "squares_tracks.csv").open() as file:
        assert [row["id"] for row in csv.DictReader(file)] == ["red", "blue"] * FRAMES
    assert len(list(open_frames(tmp_path / "squares_overlay.mp4"))) == FRAMES


def test_start_from_mask(run, tmp_path):
    mask = cv2.inRange(picture(0), (0, 0, 200), (80, 80, 255))
    cv2.imwrite("mask.png", mask)
    run("start_from_mask.py", "squares.avi", "mask.png", "masks")
    files = sorted((tmp_path / "masks").iterdir())
    assert [file.name for file in files] == [f"{number:06d}.png" for number in range(FRAMES)]
    assert (cv2.imread(str(files[0]), cv2.IMREAD_GRAYSCALE) != mask).mean() < 0.01


def test_label_data_set(run, tmp_path, capsys):
    pytest.importorskip("pycocotools")
    run("label_data_set.py", "red", f"squares.avi={RED}")
    assert capsys.readouterr().out == f"squares.avi: {FRAMES} pictures\n"
    content = json.loads((tmp_path / "squares_coco/instances.json").read_text())
    assert len(content["annotations"]) == len(content["images"]) == FRAMES
    assert content["categories"] == [{"id": 1, "name": "red"}]


def test_webcam(run, monkeypatch):
    shown, keys = [], iter([-1, ord("r"), -1, ord("q")])
    drawn = iter([(20, 30, 40, 40), (28, 30, 40, 40)])
    monkeypatch.setattr(cv2, "selectROI", lambda *_, **__: next(drawn))
    monkeypatch.setattr(cv2, "imshow", lambda _, image: shown.append(image))
    monkeypatch.setattr(cv2, "waitKey", lambda _: next(keys))
    run("webcam.py", "squares.avi")
    assert len(shown) == 4
    assert next(drawn, None) is None, "r selects anew"


def test_every_script_is_run_and_listed():
    scripts = {path.name for path in EXAMPLES.glob("*.py")}
    tests = {f"{name.removeprefix('test_')}.py" for name in globals() if name.startswith("test_")}
    assert scripts - tests == {"ros_client.py"}
    index = (EXAMPLES / "README.md").read_text()
    assert [name for name in scripts if f"[{name}]({name})" not in index] == []
