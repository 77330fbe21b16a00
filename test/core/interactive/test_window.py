"""The window: the mouse sets targets and the keys do the rest; OpenCV's windows are replaced."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import pytest
from squares import RED_BOX
from watched import player

from siammaskpp_core.config import ConfigError
from siammaskpp_core.interactive.player import Player
from siammaskpp_core.interactive.run import Watched
from siammaskpp_core.interactive.window import WindowView
from siammaskpp_core.offline.session import SelectionError

Action = Callable[[Player], None]


class Screen:
    """OpenCV's window: each call of waitKey does the next action, or presses the next key."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.shown = 0
        self.actions: list[str | Action] = []
        self.mouse: Callable[..., None] = lambda *_: None
        monkeypatch.setenv("DISPLAY", ":0")
        for name in ("namedWindow", "destroyWindow"):
            monkeypatch.setattr(cv2, name, lambda *_: None)
        monkeypatch.setattr(cv2, "setMouseCallback", lambda _, function: setattr(self, "mouse", function))
        monkeypatch.setattr(cv2, "getWindowProperty", lambda *_: 1.0)
        monkeypatch.setattr(cv2, "imshow", lambda *_: setattr(self, "shown", self.shown + 1))
        monkeypatch.setattr(cv2, "waitKey", self._wait_key)

    def drag(self, x0: int, y0: int, x1: int, y1: int) -> None:
        for event, x, y in ((cv2.EVENT_LBUTTONDOWN, x0, y0), (cv2.EVENT_MOUSEMOVE, x1, y1)):
            self.mouse(event, x, y, 0, None)
        self.mouse(cv2.EVENT_LBUTTONUP, x1, y1, 0, None)

    def watch(self, *actions: str | Action) -> Player:
        """Show a player; the actions end with the key that saves."""
        self.actions = [*actions, "s"]
        watched = player()
        self.player = watched
        saved = []
        view = Watched(watched, "squares", "none", 5, lambda: saved.append("saved") or "saved", lambda: False)
        WindowView()(view)
        assert saved == ["saved"]
        return watched

    def _wait_key(self, _: int) -> int:
        action = self.actions.pop(0)
        if isinstance(action, str):
            return ord(action)
        action(self.player)
        return -1


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Screen:
    return Screen(monkeypatch)


def test_draw_step_correct_and_save(screen: Screen) -> None:
    left, top, width, height = (int(value) for value in RED_BOX)
    watched = screen.watch(
        lambda _: screen.drag(left, top, left + width, top + height),
        ".",
        ".",
        "1",  # the target that is to be corrected
        lambda _: screen.drag(194, 120, 234, 160),
        ".",
    )
    (target,) = watched.shown
    assert watched.shown.number == 3
    assert target.box_xywh is not None
    assert target.box_xywh[0] == pytest.approx(191, abs=2)  # the blue square
    assert screen.shown > 5


def test_a_click_finds_the_box_and_keys_undo(screen: Screen) -> None:
    watched = screen.watch(lambda _: screen.drag(40, 50, 41, 50), "1", "x", "z")
    (target,) = watched.shown
    assert target.is_seen


def test_a_refusal_leaves_everything_as_it_is(screen: Screen) -> None:
    watched = screen.watch(lambda _: screen.drag(900, 900, 950, 950), "z", "x", "9", chr(27), " ", " ")
    assert len(watched.shown) == 0
    assert not watched.is_playing


def test_a_save_that_is_refused_is_told_in_the_window(screen: Screen) -> None:
    answers = iter([SelectionError("there is no target yet"), None])

    def save() -> str:
        error = next(answers)
        if error is not None:
            raise error
        return "saved"

    screen.actions = ["s", "s"]
    WindowView()(Watched(player(), "squares", "none", 5, save, lambda: False))
    assert screen.actions == []


def test_a_window_that_cannot_be_opened_is_an_error(screen: Screen, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise cv2.error("not implemented")

    monkeypatch.setattr(cv2, "namedWindow", refuse)
    with pytest.raises(ConfigError, match="opencv-python"):
        WindowView()
