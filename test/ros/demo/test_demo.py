"""The demo as a user runs it: three processes, a recording, and an exit code that tells success."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from ros_harness import ball, ball_box

from siammaskpp.msg import TrackerStatus
from siammaskpp_core.io.video import VideoWriter
from siammaskpp_ros.demo.client import DemoFailed, summary
from siammaskpp_ros.demo.run import DemoVideoError, fetch_cup

FIRST, LAST = (200, 240), (316, 240)
IMAGES = [ball((x, FIRST[1]))[0] for x in range(FIRST[0], LAST[0] + 1, 4)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of images: the ball rolls to the right."""
    folder = tmp_path / "ball"
    folder.mkdir()
    for index, image in enumerate(IMAGES):
        cv2.imwrite(str(folder / f"{index:03d}.png"), image)
    return folder


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """A video of 8 images a second, which a busy machine can follow."""
    path = tmp_path / "ball.avi"
    with VideoWriter(path, (640, 480), 8.0) as writer:
        for image in IMAGES:
            writer.write(image)
    return path


def run_demo(domain_id: int, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "siammaskpp_ros.demo.run", *arguments],
        env={**os.environ, "ROS_DOMAIN_ID": str(domain_id)},
        capture_output=True,
        text=True,
        timeout=90,
    )


@pytest.mark.alone
@pytest.mark.slow
@pytest.mark.ros
def test_the_demo_records_what_it_tracked(video: Path, tmp_path: Path, domain_id: int) -> None:
    box = ",".join(str(value) for value in ball_box(FIRST))
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
    # Which images are tracked depends on the speed of the machine, but the ball rolls on from row to row. The
    # more of its path is between two images, the sooner the target is not seen for a while.
    seen = [row for row in rows if row["center_x"]]
    stamps_s, x, y = ([float(row[key]) for row in seen] for key in ("stamp_s", "center_x", "center_y"))
    assert stamps_s == sorted(set(stamps_s))
    assert np.diff(x).min() > -4
    assert x[-1] > (FIRST[0] + LAST[0]) / 2
    assert max(x) < LAST[0] + 20
    np.testing.assert_allclose(y, FIRST[1], atol=20)
    assert cv2.imread(str(output / "contact_sheet.png")) is not None
    found, picture = cv2.VideoCapture(str(output / "overlay.mp4")).read()
    assert found
    assert picture.shape == (480, 640, 3)


@pytest.mark.ros
def test_a_refused_box_ends_the_demo_with_the_reason(folder: Path, tmp_path: Path, domain_id: int) -> None:
    arguments = ("--video", str(folder), "--box", "900,900,50,50", "--output", str(tmp_path / "output"))
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


@pytest.mark.parametrize(("tracked", "is_slow"), [(20, True), (190, False)])
def test_a_machine_that_is_too_slow_is_told_from_a_target_that_is_lost(tracked: int, is_slow: bool) -> None:
    status = TrackerStatus(frames_received=194, frames_tracked=tracked)
    client = SimpleNamespace(status=status, recording=SimpleNamespace(states=lambda: ["TRACKING", "LOST"]))
    with pytest.raises(DemoFailed, match="last state: LOST") as error:
        summary(client)  # type: ignore[arg-type]
    assert ("make demo RATE=5" in str(error.value)) is is_slow


def test_without_apt_an_own_video_is_proposed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DemoVideoError, match="make demo VIDEO=file BOX="):
        fetch_cup(tmp_path / "cache")


def test_a_video_fetched_before_is_used_again(tmp_path: Path) -> None:
    (tmp_path / "cup.mp4").write_bytes(b"video")
    assert fetch_cup(tmp_path) == tmp_path / "cup.mp4"
