"""A run with somebody who watches: a player or a camera, a view of it, and the outputs at the end."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from siammaskpp_core.errors import UserError, with_causes
from siammaskpp_core.interactive.live import Live
from siammaskpp_core.interactive.player import Player
from siammaskpp_core.interactive.reader import FrameReader
from siammaskpp_core.io.frame import FIRST, Frame, Moment, cut
from siammaskpp_core.io.images import MediaError
from siammaskpp_core.io.video import Frames, open_frames
from siammaskpp_core.offline.session import SelectionError
from siammaskpp_core.offline.video import recording_name
from siammaskpp_core.offline.writers.base import Recording, file_name
from siammaskpp_core.offline.writers.formats import OutputPlan, open_writers
from siammaskpp_core.outcome import Interrupt, Outcome
from siammaskpp_core.tracking import LongTermTracker


@dataclass(frozen=True)
class Watched:
    """All that a view needs in order to show a recording or a camera."""

    player: Player | Live
    name: str
    """Name of the recording or camera."""
    engine: str
    """Name of the engine that runs the network."""
    last: int | None
    """Number of the last frame; None when it is not known."""
    save: Callable[[], str]
    """Writes the outputs and returns what was written, in one line; raises OutputError."""
    is_over: Callable[[], bool]
    """Returns True when Ctrl-C or an error ends the run."""


class View(Protocol):
    """Shows a player until it is saved or over."""

    def __call__(self, watched: Watched) -> None:
        """Return at the end."""


def track_watched(
    frames: Frames,
    source: str | Path,
    tracker: LongTermTracker,
    outputs: Sequence[OutputPlan],
    view: View,
    *,
    start: Moment = FIRST,
    end: Moment | None = None,
    classes: Sequence[str] = (),
) -> Outcome:
    """Show a recording or a camera in a view where targets are set, and write the outputs at the end.

    `frames` come from `source`, which is opened again to go back and to write. The end comes with the view's
    command to save, or with Ctrl-C, after which the outputs hold what was tracked until then. `classes` are
    those of :class:`~siammaskpp_core.offline.writers.base.Recording`. Raises MediaError, OutputError, and the
    error of the view.
    """
    recording = Recording(file_name(recording_name(frames)), frames.fps, tuple(classes))
    if frames.is_camera:
        return _watch_camera(frames, tracker, outputs, view, recording)
    _check(outputs, recording, frames.path)
    opened: list[Frames] = []

    def open_from(number: int | None) -> Iterator[Frame]:
        opened.append(open_frames(source))
        first = start if number is None else Moment(frame=number)
        return cut(opened[-1].stamped(start=first), end=end)

    try:
        player = Player(tracker, FrameReader(open_from), frames.fps)
    except MediaError as error:
        place = f"{frames.name}: there is no frame from {start} to {end or 'the end'}"
        raise MediaError(with_causes(place, _left_out(opened))) from error

    def write() -> str:
        with open_writers(outputs, recording, frames.path) as writers:
            count = player.write(writers)
        return _written(count, outputs)

    last = _last(frames.count, end)
    return _watch(player, frames.name, tracker, last, write, view, lambda: _left_out(opened))


def _watch_camera(
    frames: Frames,
    tracker: LongTermTracker,
    outputs: Sequence[OutputPlan],
    view: View,
    recording: Recording,
) -> Outcome:
    outcome = Outcome("")
    with suppress(_NothingToWrite), ExitStack() as stack:
        writers = stack.enter_context(open_writers(outputs, recording))
        live = Live(tracker, frames.stamped(), writers)

        def write() -> str:
            live.close()
            stack.close()
            return _written(live.count, outputs)

        outcome = _watch(live, frames.name, tracker, None, write, view, lambda: frames.left_out)
        if not live.has_results:
            raise _NothingToWrite
    return outcome


def _watch(
    player: Player | Live,
    name: str,
    tracker: LongTermTracker,
    last: int | None,
    write: Callable[[], str],
    view: View,
    left_out: Callable[[], Sequence[str]],
) -> Outcome:
    """Run the player in a thread and the view in this one; save what was not saved."""
    saved: list[str] = []
    errors: list[BaseException] = []

    def save() -> str:
        if not player.has_results:
            raise SelectionError("there is no target yet: draw a box around an object, or tap it")
        saved.append(write())
        return saved[-1]

    def run() -> None:
        try:
            player.run()
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run, name="player", daemon=True)
    with Interrupt() as interrupt:
        thread.start()
        try:
            view(
                Watched(
                    player,
                    name,
                    tracker.engine_name,
                    last,
                    save,
                    lambda: interrupt.is_requested or bool(errors) or not thread.is_alive(),
                )
            )
        finally:
            player.close()
            thread.join(timeout=2.0)
        if errors:
            raise errors[0]
        is_cut = not saved and interrupt.is_requested and not player.is_live
        if not saved and player.has_results:
            save()
    failure = player.failure if isinstance(player, Live) else None
    text = saved[0] if saved else "nothing was tracked, and nothing was written"
    return Outcome(text, tuple(dict.fromkeys(left_out())), failure, is_cut)


class _NothingToWrite(UserError):
    """No target was set, so that the outputs that were begun are given up."""


def _check(outputs: Sequence[OutputPlan], recording: Recording, source: Path | None) -> None:
    """Raise, before somebody works for an hour, the error of an output that cannot be written."""
    with suppress(_NothingToWrite), open_writers(outputs, recording, source):
        raise _NothingToWrite


def _written(count: int, outputs: Sequence[OutputPlan]) -> str:
    return f"{count} frames in {', '.join(str(plan.path) for plan in outputs)}"


def _left_out(opened: Sequence[Frames]) -> list[str]:
    return list(dict.fromkeys(message for frames in opened for message in frames.left_out))


def _last(count: int | None, end: Moment | None) -> int | None:
    """Return the number of the last frame that will be shown, as far as it is known before it is reached."""
    if end is not None and end.frame is None:
        return None
    if count is None:
        return None if end is None else end.frame
    return count - 1 if end is None or end.frame is None else min(end.frame, count - 1)
