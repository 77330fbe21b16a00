"""The demo as a user runs it: three processes, a recording, and an exit code that tells success."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path

import cv2
import pytest
from ros_harness import ball, ball_box

from siammaskpp_ros.demo.run import DemoVideoError, fetch_cup

IMAGES = 30
RATE = 30.0  # default frame rate of a folder of images


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """A folder of images: the ball rolls to the right."""
    folder = tmp_path / "ball"
    folder.mkdir()
    for index in range(IMAGES):
        cv2.imwrite(str(folder / f"{index:03d}.png"), ball((200 + 4 * index, 240))[0])
    return folder


def run_demo(domain_id: int, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "siammaskpp_ros.demo.run", *arguments],
        env={**os.environ, "ROS_DOMAIN_ID": str(domain_id)},
        capture_output=True,
        text=True,
        timeout=90,
    )


@pytest.mark.slow
@pytest.mark.ros
def test_the_demo_records_what_it_tracked(video: Path, tmp_path: Path, domain_id: int) -> None:
    box = ",".join(str(value) for value in ball_box((200, 240)))
    output = tmp_path / "output"
    done = run_demo(domain_id, "--video", str(video), "--box", box, "--output", str(output))
    assert done.returncode == 0, done.stdout + done.stderr
    for line in (
        "frames received",
        "frames tracked",
        "frames dropped",
        "FPS",
        "latency median",
        "latency p95",
    ):
        assert line in done.stdout
    with (output / "tracks.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {row["id"] for row in rows} == {"target"}
    # The last image that is tracked depends on the speed of the machine. The ball moves 4 px per image.
    first, last = (({key: float(row[key]) for key in ("stamp_s", "center_x")}) for row in (rows[0], rows[-1]))
    seconds = last["stamp_s"] - first["stamp_s"]
    assert seconds > IMAGES / 2 / RATE
    assert last["center_x"] == pytest.approx(first["center_x"] + 4 * RATE * seconds, abs=20)
    assert cv2.imread(str(output / "contact_sheet.png")) is not None
    found, picture = cv2.VideoCapture(str(output / "overlay.mp4")).read()
    assert found
    assert picture.shape == (480, 640, 3)


@pytest.mark.ros
def test_a_refused_box_ends_the_demo_with_the_reason(video: Path, tmp_path: Path, domain_id: int) -> None:
    arguments = ("--video", str(video), "--box", "900,900,50,50", "--output", str(tmp_path / "output"))
    done = run_demo(domain_id, *arguments)
    assert done.returncode == 1
    assert "set_target was refused" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--video", "/no/such.mp4", "--box", "1,2,3,4"), "no such file"),
        (("--video", __file__), "needs the object's box"),
        (("--box", "1,2,3"), "four numbers"),
        (("--box", "a,b,c,d"), "four numbers"),
    ],
)
def test_wrong_arguments_are_explained(domain_id: int, arguments: tuple[str, ...], reason: str) -> None:
    done = run_demo(domain_id, *arguments)
    assert done.returncode == 2
    assert reason in done.stderr


def test_without_apt_an_own_video_is_proposed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DemoVideoError, match="make demo VIDEO=file BOX="):
        fetch_cup(tmp_path / "cache")


def test_a_video_fetched_before_is_used_again(tmp_path: Path) -> None:
    (tmp_path / "cup.mp4").write_bytes(b"video")
    assert fetch_cup(tmp_path) == tmp_path / "cup.mp4"
