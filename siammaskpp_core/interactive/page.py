"""The web page of a recording or a camera that is tracked in this process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from siammaskpp_core.arrays import Image
from siammaskpp_core.errors import UserError
from siammaskpp_core.interactive.live import Live
from siammaskpp_core.interactive.player import Player
from siammaskpp_core.offline.results import FrameResult, TargetResult
from siammaskpp_core.offline.session import Selection
from siammaskpp_core.tracking import State
from siammaskpp_core.tracking.masks import LabelledMask, label_picture
from siammaskpp_core.web.pictures import ShownTarget, encode_picture
from siammaskpp_core.web.source import Answer, Command, text

MAX_FPS = 25.0
MAX_SIDE_PX = 1280
_MAX_VALUE = 255


class PageSource:
    """The source of the page (:class:`~siammaskpp_core.web.source.Source`) for a player or a camera.

    `name` is that of the recording, `last` the number of its last frame, None when it is not known. `save`
    writes the outputs and returns what was written; it runs in a thread.
    """

    max_fps = MAX_FPS

    def __init__(
        self, player: Player | Live, name: str, engine: str, last: int | None, save: Callable[[], str]
    ) -> None:
        self.viewers = 0
        self.is_saved = False
        """True when the page has asked to save, and the outputs are written."""
        self.is_saving = False
        """True while the outputs are written."""
        self.problem = ""
        """Why no newer frame comes; empty while there is no reason."""
        self._player, self._name, self._engine, self._last = player, name, engine, last
        self._save = save
        self._busy = asyncio.Lock()
        self.commands: Mapping[str, Command] = {
            "set_target": Command(_selection, self._set_target),
            "remove_target": Command(lambda body: text(body["id"]), self._remove),
            "rename": Command(lambda body: (text(body["id"]), text(body["label"])), self._rename),
            "undo": Command(_nothing, self._undo),
            "save": Command(_nothing, self._on_save),
        }
        if isinstance(player, Player):
            self.commands = {
                **self.commands,
                "play": Command(_nothing, self._acting(player.play)),
                "pause": Command(_nothing, self._acting(player.pause)),
                "go_to": Command(lambda body: int(body["frame"]), self._acting(player.go_to)),
            }

    def newest(self) -> FrameResult:
        """Return the frame to show, with its results."""
        return self._player.shown

    def encode(self, picture: FrameResult) -> bytes:
        """Return the message with a frame for the page."""
        targets = [_shown(target) for target in picture]
        labels = _labels(picture)
        return encode_picture(picture.image, {"frame": picture.number}, targets, labels, MAX_SIDE_PX)

    def status(self) -> dict[str, Any]:
        """Return the status for the page."""
        player = self._player
        shown, fps = player.shown, player.fps
        video: dict[str, Any] = {
            "is_live": player.is_live,
            "is_playing": player.is_playing,
            "frame": shown.number,
            "time_s": round(shown.time_s, 1),
            "can_save": player.has_results and not self.is_saved,
        }
        if isinstance(player, Player):
            last = player.tracked_to if player.is_at_end else self._last
            video |= {"first": player.first, "tracked_to": player.tracked_to, "last": last}
        return {
            "tracker": self._name,
            "camera": self.problem,
            "state": self._state(shown),
            "message": "",
            "targets": len(shown),
            "fps": None if fps is None else round(fps, 1),
            "engine": self._engine,
            "video": video,
        }

    def _state(self, shown: FrameResult) -> str:
        player = self._player
        if isinstance(player, Player) and not player.is_playing:
            return "ENDED" if player.is_at_end and shown.number == player.tracked_to else "PAUSED"
        states = [target.state for target in shown]
        best = next((state for state in State if state in states), None)
        return "IDLE" if best is None else best.name

    # Commands --------------------------------------------------------------------------------------

    async def _set_target(self, request: tuple[Selection, int]) -> Answer:
        return await self._answer(
            self._player.select, *request, says=lambda id: f"{id} is set", more=lambda id: {"id": id}
        )

    async def _remove(self, id: str) -> Answer:
        removed = await self._in_thread(self._player.remove, id)
        remaining = [target.id for target in self._player.shown]
        if removed or not id:
            return Answer(True, f"Removed: {', '.join(removed) or 'nothing'}.", {"remaining": remaining})
        return Answer(False, f"there is no target {id!r}", {"remaining": remaining})

    async def _rename(self, request: tuple[str, str]) -> Answer:
        found = await self._in_thread(self._player.rename, *request)
        return Answer(found, "renamed" if found else f"there is no target {request[0]!r}")

    async def _undo(self, _: None) -> Answer:
        return await self._answer(self._player.undo, says=lambda what: f"Back again: {what}.")

    async def _on_save(self, _: None) -> Answer:
        if self.is_saved or self.is_saving:
            return Answer(False, "it is saved already")
        self.is_saving = True
        try:
            answer = await self._answer(self._save, says=lambda what: f"Saved: {what}")
            self.is_saved = self.is_saved or answer.success
        finally:
            self.is_saving = False
        return answer

    def _acting(self, action: Callable[..., None]) -> Callable[[Any], Any]:
        """Return a command that does something without a result."""

        async def run(request: Any) -> Answer:
            return await self._answer(action, *(() if request is None else (request,)), says=lambda _: "")

        return run

    async def _answer(
        self,
        action: Callable[..., Any],
        *arguments: Any,
        says: Callable[[Any], str],
        more: Callable[[Any], Mapping[str, Any]] = lambda _: {},
    ) -> Answer:
        try:
            result = await self._in_thread(action, *arguments)
        except UserError as error:
            return Answer(False, str(error))
        return Answer(True, says(result), more(result))

    async def _in_thread(self, action: Callable[..., Any], *arguments: Any) -> Any:
        """Run an action that waits for the tracker in a thread, one after the other."""
        async with self._busy:
            return await asyncio.to_thread(action, *arguments)


def _nothing(_: dict[str, Any]) -> None:
    return None


def _selection(body: dict[str, Any]) -> tuple[Selection, int]:
    """Return the selection in {header: {frame}, box: [x, y, w, h], id, label}, and the frame's number."""
    x, y, width, height = map(float, body["box"])
    id, label = text(body["id"]), text(body["label"])
    if not width and not height:
        return Selection(point_xy=(x, y), id=id, label=label), int(body["header"]["frame"])
    return Selection(box_xywh=(x, y, width, height), id=id, label=label), int(body["header"]["frame"])


def _value(target: TargetResult) -> int:
    """Return the value of a target in the label image; its colour is that of :func:`target_colour`."""
    return min(target.index + 1, _MAX_VALUE)


def _labels(result: FrameResult) -> Image | None:
    seen: Sequence[TargetResult] = [target for target in result.seen if target.mask is not None]
    if not seen:
        return None
    labelled = [LabelledMask(_value(target), target.confidence, target.mask) for target in seen]
    return label_picture(result.image.shape[:2], labelled)


def _shown(target: TargetResult) -> ShownTarget:
    if target.box_xywh is None or target.rotated_box is None:
        return ShownTarget(target.id, target.label, target.state.name, target.confidence)
    return ShownTarget(
        target.id,
        target.label,
        target.state.name,
        target.confidence,
        _value(target),
        target.rotated_box.corners().reshape(8).tolist(),
        target.box_xywh.tolist(),
    )
