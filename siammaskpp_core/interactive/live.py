"""A camera that is tracked while somebody watches; the results are written as they come."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace

from siammaskpp_core.errors import UserError
from siammaskpp_core.io.frame import Frame
from siammaskpp_core.offline.results import FrameResult
from siammaskpp_core.offline.session import Memory, Selection, SelectionError, Session, with_ids
from siammaskpp_core.offline.writers.base import Writer
from siammaskpp_core.tracking import LongTermTracker

BUFFER_BYTES = 128_000_000
"""Memory for the newest frames: a box is drawn on a picture that stands still while the camera goes on."""


class Live:
    """Tracks in the frames of a camera. Every method may be called from any thread; :meth:`run` takes one.

    Frames are written from the first target on.
    """

    is_live = True
    is_playing = True

    def __init__(self, tracker: LongTermTracker, frames: Iterator[Frame], writers: Sequence[Writer]) -> None:
        """See the class; `frames` has at least one image."""
        self._tracker = tracker
        self._session = Session(tracker)
        self._frames = frames
        self._writers = writers
        self._lock = threading.Lock()
        self._buffer: deque[Frame] = deque()
        self._removed: Memory | None = None
        self._is_closed = False
        self._period_s = 0.0
        self.failure: UserError | None = None
        """The error that ended the camera, or the writing."""
        self.count = 0
        """Number of frames that were written."""
        self._shown: FrameResult
        self._take(next(frames))

    @property
    def shown(self) -> FrameResult:
        """The newest frame with its results."""
        return self._shown

    @property
    def has_results(self) -> bool:
        """True once there was a target."""
        return self.count > 0

    @property
    def fps(self) -> float | None:
        """Frames per second, smoothed; None before the second frame."""
        return 1 / self._period_s if self._period_s else None

    def run(self) -> None:
        """Track the newest frame, again and again, until :meth:`close` or until the camera fails.

        Frames that come while one is tracked are left out, so that the delay never grows.
        """
        newest = _Newest(self._frames)
        before_s = time.monotonic()
        try:
            for frame in newest:
                with self._lock:
                    if self._is_closed:
                        return
                    self._take(frame)
                now_s = time.monotonic()
                period_s = now_s - before_s
                self._period_s = 0.9 * self._period_s + 0.1 * period_s if self._period_s else period_s
                before_s = now_s
        except UserError as error:  # of the camera, the tracker or a writer
            self.failure = error
        finally:
            newest.stop()

    def close(self) -> None:
        """End :meth:`run`; afterwards nothing is written any more."""
        with self._lock:
            self._is_closed = True

    def select(self, selection: Selection, number: int) -> str:
        """Set or correct a target in the frame with this number, and return its id.

        The target is followed through the frames that came since then. Raises :class:`SelectionError` when
        the frame is not remembered, BoxError and ImageError.
        """
        with self._lock:
            (selection,) = with_ids([selection], self._session.ids)
            since = [frame for frame in self._buffer if frame.number >= number]
            if not since or since[0].number != number:
                raise SelectionError(
                    "the picture stood still for too long; draw the box faster, or tap the object"
                )
            memory = self._session.memory
            if selection.id in memory and not selection.label:
                selection = replace(selection, label=memory[selection.id][0])
            follower = Session(self._tracker)  # of this target alone; the numbers of the others stay taken
            follower.memory = {id: ("", index, None) for id, (_, index, _) in memory.items()}
            result = follower.track(since[0], [selection])
            for frame in since[1:]:
                result = follower.track(frame)
            self._session.memory = {**memory, selection.id: follower.memory[selection.id]}
            others = [target for target in self._shown if target.id != selection.id]
            self._shown = FrameResult(self._shown.frame, (*others, *result))
            return selection.id

    def remove(self, id: str) -> list[str]:
        """Remove a target (empty: all of them) from now on; return the ids that were removed."""
        with self._lock:
            removed = [name for name in self._session.ids if id in ("", name)]
            if removed:
                self._removed = {id: self._session.memory[id] for id in removed}
            for name in removed:
                self._session.remove(name)
            return removed

    def rename(self, id: str, label: str) -> bool:
        """Give a target another label from now on; return False when there is none."""
        with self._lock:
            if id not in self._session.ids:
                return False
            _, index, target = self._session.memory[id]
            self._session.memory = {**self._session.memory, id: (label, index, target)}
            return True

    def undo(self) -> str:
        """Search again for what was removed last, and return its ids; raises :class:`SelectionError`."""
        with self._lock:
            if self._removed is None:
                raise SelectionError("there is nothing to undo")
            removed, self._removed = self._removed, None
            self._session.memory = {**self._session.memory, **removed}
            return ", ".join(removed)

    def _take(self, frame: Frame) -> None:
        result = self._session.track(frame)
        self._buffer.append(frame)
        while len(self._buffer) > 1 and len(self._buffer) * frame.image.nbytes > BUFFER_BYTES:
            self._buffer.popleft()
        if self.count or len(result):
            for write in self._writers:
                write(result)
            self.count += 1
        self._shown = result


class _Newest:
    """Reads frames in a thread, and yields the newest one that has not been yielded."""

    def __init__(self, frames: Iterator[Frame]) -> None:
        self._frames = frames
        self._changed = threading.Condition()
        self._frame: Frame | None = None
        self._error: BaseException | None = None
        self._is_over = False
        threading.Thread(target=self._read, name="camera", daemon=True).start()

    def __iter__(self) -> Iterator[Frame]:
        while True:
            with self._changed:
                while self._frame is None and not self._is_over:
                    self._changed.wait()
                frame, self._frame = self._frame, None
                if frame is None and self._error is not None:
                    raise self._error
            if frame is None:
                return
            yield frame

    def stop(self) -> None:
        """Read no further frame."""
        with self._changed:
            self._is_over = True
            self._changed.notify_all()

    def _read(self) -> None:
        try:
            for frame in self._frames:
                with self._changed:
                    if self._is_over:
                        return
                    self._frame = frame
                    self._changed.notify_all()
        except BaseException as error:
            self._error = error
        self.stop()
