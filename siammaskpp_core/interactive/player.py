"""A recording that is tracked while somebody watches: play, pause, go back, correct, save."""

from __future__ import annotations

import threading
import time
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from siammaskpp_core.arrays import Mask
from siammaskpp_core.errors import UserError
from siammaskpp_core.interactive.reader import FrameReader
from siammaskpp_core.io.frame import Frame
from siammaskpp_core.io.images import MediaError
from siammaskpp_core.io.video import DEFAULT_FPS
from siammaskpp_core.offline.results import FrameResult, TargetResult
from siammaskpp_core.offline.session import Memory, Selection, Session
from siammaskpp_core.offline.writers.base import Writer
from siammaskpp_core.tracking import LongTermTracker

SNAPSHOT_EVERY = 25
"""The memory of the targets is kept at every so many frames; between them it is tracked anew."""
MAX_UNDO = 20


class NothingToUndo(UserError):
    """No change is left that could be undone."""


@dataclass(frozen=True)
class _Kept:
    """The results of one frame, with masks as PNG files: 640 x 480 pixels take 2 KB instead of 300."""

    frame: int
    targets: tuple[TargetResult, ...]
    masks: tuple[bytes | None, ...]

    @classmethod
    def of(cls, result: FrameResult) -> _Kept:
        masks = tuple(_packed(target.found.mask) for target in result)
        bare = tuple(replace(target, found=replace(target.found, mask=None)) for target in result)
        return cls(result.number, bare, masks)

    def result(self, frame: Frame, labels: dict[str, str]) -> FrameResult:
        """Return the results with their masks, and with the `labels` that targets have by now."""
        targets = (
            replace(
                target,
                label=labels.get(target.id, target.label),
                found=replace(target.found, mask=_unpacked(mask)),
            )
            for target, mask in zip(self.targets, self.masks, strict=True)
        )
        return FrameResult(frame, tuple(targets))

    def without(self, id: str) -> _Kept:
        """Return the results of all other targets."""
        pairs = [pair for pair in zip(self.targets, self.masks, strict=True) if pair[0].id != id]
        return _Kept(self.frame, tuple(target for target, _ in pairs), tuple(mask for _, mask in pairs))


@dataclass(frozen=True)
class _Past:
    """The state of a player before a change; :meth:`Player.undo` brings it back."""

    kept: list[_Kept]
    snapshots: dict[int, Memory]
    memory: Memory
    labels: dict[str, str]
    position: int
    what: str


class Player:
    """Plays a recording and tracks in it. Results are kept, and dropped behind a frame that is corrected.

    Every method may be called from any thread; :meth:`run` takes one while it plays.
    """

    is_live = False

    def __init__(self, tracker: LongTermTracker, reader: FrameReader, fps: float | None) -> None:
        """Raises :class:`MediaError` when there is no frame."""
        self._session = Session(tracker)
        self._reader = reader
        self._period_s = 1 / (fps or DEFAULT_FPS)
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        self._kept: list[_Kept] = []
        self._snapshots: dict[int, Memory] = {}
        self._labels: dict[str, str] = {}
        self._past: list[_Past] = []
        self._position = -1
        self._is_playing = self._is_closed = False
        self._step_s = 0.0
        self.is_at_end = False
        """True when the last frame of the recording has been tracked."""
        self._shown: FrameResult
        if not self._advance():
            raise MediaError("there is no frame to track")

    # The frame on the screen -----------------------------------------------------------------------

    @property
    def is_playing(self) -> bool:
        """True between :meth:`play` and the next pause or end."""
        return self._is_playing

    @property
    def shown(self) -> FrameResult:
        """The frame on the screen with its results; the same object until something changes."""
        return self._shown

    @property
    def first(self) -> int:
        """Number of the first frame."""
        return self._kept[0].frame

    @property
    def tracked_to(self) -> int:
        """Number of the last frame that has been tracked."""
        return self._kept[-1].frame

    @property
    def has_results(self) -> bool:
        """True when there is a target in any frame."""
        return any(kept.targets for kept in self._kept)

    @property
    def fps(self) -> float | None:
        """Frames that are tracked per second, smoothed; None before the first step with a target."""
        return 1 / self._step_s if self._step_s else None

    # Playing ---------------------------------------------------------------------------------------

    def play(self) -> None:
        """Go on: through tracked frames at the speed of the recording, then as fast as tracking allows."""
        with self._changed:
            self._is_playing = True
            self._changed.notify_all()

    def pause(self) -> None:
        """Stop at the frame on the screen."""
        with self._lock:
            self._is_playing = False

    def go_to(self, number: int) -> None:
        """Show the frame with this number; one step behind the last tracked frame tracks the next one."""
        with self._lock:
            self._is_playing = False
            if number > self.tracked_to:
                self._show(len(self._kept) - 1)
                self._advance()
                return
            numbers = [kept.frame for kept in self._kept]
            self._show(max(0, bisect_right(numbers, number) - 1))

    def run(self) -> None:
        """Play, whenever :meth:`play` was called, until :meth:`close`."""
        while True:
            with self._changed:
                while not (self._is_playing or self._is_closed):
                    self._changed.wait()
                if self._is_closed:
                    return
                begin_s = time.monotonic()
                is_tracked = self._position < len(self._kept) - 1
                self._is_playing = self._advance() and self._is_playing
            # Frames that have been tracked are shown at the speed of the recording. Without a pause, other
            # threads would not get the lock.
            pause_s = self._period_s - (time.monotonic() - begin_s) if is_tracked else 0.0
            time.sleep(max(0.0005, pause_s))

    def close(self) -> None:
        """End :meth:`run`."""
        with self._changed:
            self._is_closed, self._is_playing = True, False
            self._changed.notify_all()

    # Targets ---------------------------------------------------------------------------------------

    def select(self, selection: Selection, number: int) -> str:
        """Set or correct a target in the frame with this number, and return its id.

        Results behind that frame are dropped, because they are to change. Raises BoxError,
        :class:`~siammaskpp_core.offline.session.SelectionError` and ImageError; nothing has changed then.
        """
        with self._lock:
            if number != self._shown.number:
                self.go_to(number)
            past = self._now(f"{selection.id or 'the new target'} as it was")
            try:
                self._drop_behind()
                target = self._session.select(self._shown.frame, selection)
            except Exception:
                self._restore(past)
                raise
            assert target is not None
            self._remember(past)
            if target.id not in self._ids():  # a new one; the label may be of one that was removed
                self._labels = {id: label for id, label in self._labels.items() if id != target.id}
            others = [other for other in self._shown if other.id != target.id]
            where = next((i for i, other in enumerate(self._shown) if other.id == target.id), len(others))
            self._kept[-1] = _Kept.of(
                FrameResult(self._shown.frame, (*others[:where], target, *others[where:]))
            )
            self._snapshots[self._position] = self._session.memory
            self._show(self._position)
            return target.id

    def remove(self, id: str) -> list[str]:
        """Remove a target from all frames (empty: all targets); return the ids that were removed."""
        with self._lock:
            removed = [name for name in self._ids() if id in ("", name)]
            if not removed:
                return []
            self._remember(self._now(", ".join(self._labels.get(name, name) for name in removed)))
            for name in removed:
                self._kept = [kept.without(name) for kept in self._kept]
                self._snapshots = {at: _without(name, memory) for at, memory in self._snapshots.items()}
                self._session.memory = _without(name, self._session.memory)
            self._show(self._position)
            return removed

    def rename(self, id: str, label: str) -> bool:
        """Give a target another label in all frames; return False when there is none."""
        with self._lock:
            if id not in self._ids():
                return False
            self._remember(self._now(f"the label of {id}"))
            self._labels = {**self._labels, id: label}
            self._show(self._position)
            return True

    def undo(self) -> str:
        """Take the last change back, and return what is as it was; raises :class:`NothingToUndo`.

        What has been tracked since then is tracked again.
        """
        with self._lock:
            if not self._past:
                raise NothingToUndo("there is nothing to undo")
            past = self._past.pop()
            self._restore(past)
            return past.what

    # Saving ----------------------------------------------------------------------------------------

    def write(self, writers: Sequence[Writer]) -> int:
        """Give the results of all tracked frames to the writers, and return their number."""
        with self._lock:
            self._is_playing = False
            for position, kept in enumerate(self._kept):
                frame = self._reader.at(position)
                assert frame is not None
                result = kept.result(frame, self._labels)
                for write in writers:
                    write(result)
            return len(self._kept)

    # Inside, with the lock -------------------------------------------------------------------------

    def _advance(self) -> bool:
        """Show the next frame, and track it if it is new; return False at the end of the recording."""
        if self._position < len(self._kept) - 1:
            self._show(self._position + 1)
            return True
        frame = self._reader.at(self._position + 1)
        if frame is None:
            self.is_at_end = True
            return False
        begin_s = time.perf_counter()
        result = self._session.track(frame)
        if len(result):
            step_s = time.perf_counter() - begin_s
            self._step_s = 0.9 * self._step_s + 0.1 * step_s if self._step_s else step_s
        self._kept.append(_Kept.of(result))
        self._position += 1
        if self._position % SNAPSHOT_EVERY == 0:
            self._snapshots[self._position] = self._session.memory
        self._show(self._position)
        return True

    def _ids(self) -> list[str]:
        """Return the ids of the targets in all frames, in the order in which they appear."""
        return list(dict.fromkeys(target.id for kept in self._kept for target in kept.targets))

    def _show(self, position: int) -> None:
        frame = self._reader.at(position)
        assert frame is not None
        self._position = position
        self._shown = self._kept[position].result(frame, self._labels)

    def _drop_behind(self) -> None:
        """Bring the session to the frame on the screen and drop the results behind it."""
        if self._position == len(self._kept) - 1:
            return
        self._kept = self._kept[: self._position + 1]
        self._snapshots = {at: memory for at, memory in self._snapshots.items() if at <= self._position}
        self.is_at_end = False
        start = max(self._snapshots)
        self._session.memory = self._snapshots[start]
        for position in range(start + 1, self._position + 1):
            frame = self._reader.at(position)
            assert frame is not None
            self._session.track(frame)

    def _remember(self, past: _Past) -> None:
        self._past = [*self._past, past][-MAX_UNDO:]

    def _now(self, what: str) -> _Past:
        memory = self._session.memory
        return _Past(list(self._kept), dict(self._snapshots), memory, self._labels, self._position, what)

    def _restore(self, past: _Past) -> None:
        self._kept, self._snapshots = list(past.kept), dict(past.snapshots)
        self._session.memory = past.memory
        self._labels = past.labels
        self.is_at_end = self.is_at_end and self._reader.at(len(self._kept)) is None
        self._show(min(past.position, len(self._kept) - 1))


def _without(id: str, memory: Memory) -> Memory:
    """Return a memory in which a target, if it is there, has been removed."""
    if id not in memory:
        return memory
    return {**memory, id: ("", memory[id][1], None)}


def _packed(mask: Mask | None) -> bytes | None:
    if mask is None:
        return None
    _, data = cv2.imencode(".png", mask, [cv2.IMWRITE_PNG_COMPRESSION, 1])
    return data.tobytes()


def _unpacked(data: bytes | None) -> Mask | None:
    if data is None:
        return None
    return np.asarray(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE), np.uint8)
