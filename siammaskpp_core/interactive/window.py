"""The view in a window of OpenCV, for a machine with a screen."""

from __future__ import annotations

from dataclasses import dataclass

import cv2

from siammaskpp_core.arrays import Image
from siammaskpp_core.errors import UserError
from siammaskpp_core.interactive.player import Player
from siammaskpp_core.interactive.run import Watched
from siammaskpp_core.io.drawing import draw_text, line_height
from siammaskpp_core.offline.results import FrameResult
from siammaskpp_core.offline.session import Selection
from siammaskpp_core.offline.writers.pictures import draw
from siammaskpp_core.offline.writers.window import open_window

_WAIT_MS = 15
_TAP_PX = 5.0
"""A shorter drag is a tap."""
_WHITE = (255, 255, 255)
_ESCAPE, _ENTER = 27, 13
KEYS = {
    "Space": "play, pause",
    ", .": "one frame back, forward",
    "1 ... 9": "choose target 1 ... 9: the next box or tap corrects it",
    "x": "remove the chosen target",
    "z": "undo",
    "Enter, s": "save and end",
    "Esc": "give up a box or a choice",
}


@dataclass
class _Drag:
    """A box that is being drawn on a frame that stands still."""

    result: FrameResult
    from_xy: tuple[float, float]
    to_xy: tuple[float, float]

    @property
    def box_xywh(self) -> tuple[float, float, float, float]:
        (x0, y0), (x1, y1) = self.from_xy, self.to_xy
        return min(x0, x1), min(y0, y1), abs(x1 - x0), abs(y1 - y0)

    @property
    def is_tap(self) -> bool:
        return max(self.box_xywh[2:]) < _TAP_PX


class WindowView:
    """Shows a player in a window: drag a box around an object, or click it; :data:`KEYS` do the rest."""

    def __init__(self) -> None:
        """Raises :class:`~siammaskpp_core.config.ConfigError` when no window can be opened."""
        self._title = "siammaskpp"
        open_window(self._title)
        self._drag: _Drag | None = None
        self._chosen = ""
        self._text = "drag a box around an object, or click it"
        print("\n".join(f"{keys:10} {use}" for keys, use in KEYS.items()), flush=True)

    def __call__(self, watched: Watched) -> None:
        """Show the window until the outputs are saved, the window is closed, or the run is over."""
        cv2.setMouseCallback(self._title, lambda event, x, y, *_: self._on_mouse(watched, event, x, y))
        try:
            while not watched.is_over():
                cv2.imshow(self._title, self._picture(watched))
                key = cv2.waitKey(_WAIT_MS) & 0xFF
                if key in (_ENTER, ord("s")) and self._is_saved(watched):
                    return
                if cv2.getWindowProperty(self._title, cv2.WND_PROP_VISIBLE) < 1:
                    return
                self._on_key(watched, key)
        finally:
            cv2.destroyWindow(self._title)

    def _is_saved(self, watched: Watched) -> bool:
        """Write the outputs; show why, when that is not possible, and return False."""
        try:
            watched.save()
        except UserError as error:
            self._text = str(error)
            return False
        return True

    def _picture(self, watched: Watched) -> Image:
        result = self._drag.result if self._drag else watched.player.shown
        canvas = draw(result)
        if self._drag is not None:
            x, y, width, height = (round(value) for value in self._drag.box_xywh)
            cv2.rectangle(canvas, (x, y), (x + width, y + height), _WHITE, 1)
        chosen = f"{self._chosen}: draw its box again, or click it" if self._chosen else self._text
        player = watched.player
        state = "" if player.is_live else (" playing" if player.is_playing else " paused")
        step = line_height(canvas)
        draw_text(canvas, f"{result.number}{state}  {chosen}", (step / 2, canvas.shape[0] - step / 2), _WHITE)
        return canvas

    def _on_mouse(self, watched: Watched, event: int, x: int, y: int) -> None:
        point = (float(x), float(y))
        if event == cv2.EVENT_LBUTTONDOWN:
            self._drag = _Drag(watched.player.shown, point, point)
        elif self._drag is not None and event == cv2.EVENT_MOUSEMOVE:
            self._drag.to_xy = point
        elif self._drag is not None and event == cv2.EVENT_LBUTTONUP:
            self._drag.to_xy = point
            drag, self._drag = self._drag, None
            self._select(watched, drag)

    def _select(self, watched: Watched, drag: _Drag) -> None:
        """Set or correct a target; a refusal is shown in the window."""
        if drag.is_tap:  # a click names a pixel; its centre is meant
            x, y = drag.from_xy
            selection = Selection(point_xy=(x + 0.5, y + 0.5), id=self._chosen)
        else:
            selection = Selection(box_xywh=drag.box_xywh, id=self._chosen)
        try:
            id = watched.player.select(selection, drag.result.number)
        except UserError as error:
            self._text = str(error)
            return
        self._chosen, self._text = "", f"{id} is set"

    def _on_key(self, watched: Watched, key: int) -> None:
        player = watched.player
        letter = chr(key)
        try:
            if key == _ESCAPE:
                self._drag, self._chosen = None, ""
            elif letter == "z":
                self._text = f"back again: {player.undo()}"
            elif letter == "x" and self._chosen:
                self._text = f"removed: {', '.join(player.remove(self._chosen))}"
                self._chosen = ""
            elif letter in "123456789":
                ids = [target.id for target in player.shown]
                self._chosen = ids[int(letter) - 1] if int(letter) <= len(ids) else ""
            elif isinstance(player, Player):
                self._play(player, letter)
        except UserError as error:
            self._text = str(error)

    def _play(self, player: Player, letter: str) -> None:
        if letter == " ":
            (player.pause if player.is_playing else player.play)()
        elif letter in ",.":
            player.go_to(player.shown.number + (1 if letter == "." else -1))
