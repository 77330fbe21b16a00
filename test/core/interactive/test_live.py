"""A camera that is tracked while somebody watches."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from squares import BLUE_BOX, RED_BOX, frame, tracker

from siammaskpp_core.errors import UserError
from siammaskpp_core.interactive import live as live_module
from siammaskpp_core.interactive.live import Live
from siammaskpp_core.io.frame import Frame
from siammaskpp_core.io.images import MediaError
from siammaskpp_core.offline.results import FrameResult
from siammaskpp_core.offline.session import Selection, SelectionError


class Camera:
    """A live view of a camera, whose frames come when the test asks for them."""

    def __init__(self) -> None:
        self.written: list[FrameResult] = []
        self._number = 0
        self.live = Live(tracker(), self._frames(), [self.written.append])

    def _frames(self) -> Iterator[Frame]:
        while True:
            yield frame(self._number)

    def next(self) -> FrameResult:
        self._number += 1
        self.live._take(frame(self._number))
        return self.live.shown


def lefts(result: FrameResult) -> dict[str, float]:
    return {each.id: round(float(each.box_xywh[0])) for each in result.seen}


def test_a_target_is_followed_through_the_frames_that_came_while_its_box_was_drawn() -> None:
    camera = Camera()
    for _ in range(4):
        camera.next()
    assert not camera.live.has_results
    assert camera.live.select(Selection(box_xywh=RED_BOX, label="cup"), 0) == "cup"
    assert lefts(camera.live.shown) == {"cup": pytest.approx(36, abs=2)}  # the newest frame is number 4
    assert lefts(camera.next()) == {"cup": pytest.approx(40, abs=2)}
    assert [result.number for result in camera.written] == [5]


def test_targets_keep_their_numbers_and_their_labels() -> None:
    camera = Camera()
    camera.live.select(Selection(box_xywh=RED_BOX, label="cup"), 0)
    camera.live.select(Selection(box_xywh=BLUE_BOX), 0)
    camera.next()
    camera.live.select(Selection(box_xywh=(24.0, 30.0, 40.0, 40.0), id="cup"), 1)  # a correction
    assert {each.id: (each.index, each.label) for each in camera.next()} == {
        "cup": (0, "cup"),
        "target": (1, ""),
    }
    assert camera.live.rename("target", "box")
    assert not camera.live.rename("nobody", "box")
    assert camera.next()["target"].label == "box"


def test_a_removed_target_comes_back() -> None:
    camera = Camera()
    camera.live.select(Selection(box_xywh=RED_BOX, id="a"), 0)
    with pytest.raises(SelectionError, match="nothing to undo"):
        camera.live.undo()
    assert camera.live.remove("") == ["a"]
    assert len(camera.next()) == 0
    assert camera.live.undo() == "a"
    assert lefts(camera.next()) == {"a": pytest.approx(28, abs=3)}


def test_a_picture_that_stood_still_for_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_module, "BUFFER_BYTES", 2 * frame(0).image.nbytes)
    camera = Camera()
    for _ in range(3):
        camera.next()
    with pytest.raises(SelectionError, match="stood still"):
        camera.live.select(Selection(box_xywh=RED_BOX), 0)
    assert camera.live.select(Selection(box_xywh=(32.0, 30.0, 40.0, 40.0)), 3) == "target"


def test_a_camera_that_fails_ends_the_run_with_its_error() -> None:
    def frames() -> Iterator[Frame]:
        yield frame(0)
        yield frame(1)
        raise MediaError("unplugged")

    live = Live(tracker(), frames(), [])
    live.run()
    assert live.shown.number == 1
    assert isinstance(live.failure, UserError)


def test_frames_that_come_while_one_is_tracked_are_left_out() -> None:
    tracking, camera_is_ahead = threading.Event(), threading.Event()
    numbers: list[int] = []

    def frames() -> Iterator[Frame]:
        yield frame(0)
        yield frame(1)
        tracking.wait(10.0)
        for number in range(2, 6):
            yield frame(number)
        camera_is_ahead.set()

    def write(result: FrameResult) -> None:
        numbers.append(result.number)
        tracking.set()
        camera_is_ahead.wait(10.0)

    live = Live(tracker(), frames(), [write])
    live.select(Selection(box_xywh=RED_BOX), 0)
    live.run()
    assert numbers == [1, 5]
