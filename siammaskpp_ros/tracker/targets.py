"""The named targets: services set and remove them, the tracking thread tracks them."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from siammaskpp_core.arrays import Float64Array, Image
from siammaskpp_core.engines.load import load_tracker
from siammaskpp_core.engines.options import EngineOptions
from siammaskpp_core.errors import UserError
from siammaskpp_core.io.image_messages import ImageMessageError
from siammaskpp_core.tracking import LongTermConfig, LongTermTracker, RotatedBox, State, Target, TrackResult
from siammaskpp_core.tracking.click import box_at
from siammaskpp_ros.common.frame_buffer import Frame, FrameBuffer
from siammaskpp_ros.common.tracked_target import TrackedTarget
from siammaskpp_ros.tracker.replay import frames_to_replay

REPLAY_MAX_STEPS = 10
"""Most steps in which a new target is tracked from the image of its box to the newest image."""
REPLAY_BUDGET_S = 0.1
"""Time that replays may take before each new image is processed; one step is always made."""
# Longest time for which a request waits for the image at work: a step with many targets on a slow board is
# shorter.
_BUSY_TIMEOUT_S = 3.0


class TargetTracker(Protocol):
    """The methods of :class:`siammaskpp_core.tracking.LongTermTracker` that the node calls."""

    @property
    def engine_name(self) -> str:
        """Name of the engine that runs the network."""

    @property
    def timings(self) -> dict[str, float]:
        """Milliseconds of the last step by stage (:data:`siammaskpp_core.tracking.tracker.STAGES`)."""

    def init(self, image: Image, box_xywh: Sequence[float]) -> tuple[Target, TrackResult]:
        """Start a target on the object in a box; return it with the result for the same image.

        Raises a :class:`UserError` when the image or the box cannot be used.
        """

    def try_boxes(self, image: Image, boxes_xywh: Sequence[Float64Array]) -> list[TrackResult]:
        """Return the result of searching for the content of each box in the same image."""

    def step(
        self, image: Image, targets: list[Target], stamp_ns: int, config: LongTermConfig
    ) -> list[TrackResult]:
        """Find the targets in the next image, and update their track states."""


def load_long_term_tracker(model_dir: Path, options: EngineOptions) -> LongTermTracker:
    """Return the tracker of a model folder.

    Raises the errors of :func:`siammaskpp_core.engines.load.load_tracker`.
    """
    return LongTermTracker(load_tracker(model_dir, options))


class TrackerBusy(UserError):
    """The tracker does not finish an image, so that a request cannot be answered."""


class RemovedMeanwhile(UserError):
    """A target is removed while it is being set."""


class TooManyTargets(UserError):
    """The node already tracks `max_targets` targets."""


@dataclass(eq=False)
class _Entry:
    label: str
    target: Target
    number: int
    """Mask value of the target for life; it also gives its colour."""
    index: int
    """Index of the newest frame that was searched; at first, of the frame on which the box was drawn."""
    replay_steps_left: int = REPLAY_MAX_STEPS
    """Steps that its replay may still take; 0 once it has reached the newest frame."""


class TargetStore:
    """Named targets of one tracker.

    :meth:`step` and :attr:`timings` belong to the tracking thread; every other method may be called from any
    thread.

    A target that is set on an older frame is first tracked through some of the buffered `frames` since then
    (a replay), a few steps with each new frame. Then it is searched for together with the other targets.
    """

    def __init__(self, tracker: TargetTracker, frames: FrameBuffer) -> None:
        self._tracker = tracker
        self._frames = frames
        self._entries: dict[str, _Entry] = {}
        self._starting: dict[str, bool] = {}  # ids that are being set, and whether they were removed since
        self._entries_lock = threading.Lock()
        # Not every engine can be called from two threads at once.
        self._tracker_lock = threading.Lock()
        self._step_s = 0.0  # duration of the last step
        self.timings: dict[str, float] = {}
        """Milliseconds of the last step by stage; empty when there was no target."""
        self.failures: dict[str, str] = {}
        """Reason for each target that could not be searched for in the last step, by id."""

    def set(
        self,
        id: str,
        label: str,
        frame: Frame,
        box_xywh_px: Sequence[float],
        limit: int,
    ) -> None:
        """Start to track the object in a box of `frame`; a target with the same id is replaced.

        `limit` is the largest number of targets. Raises :class:`TooManyTargets`, :class:`TrackerBusy`,
        :class:`RemovedMeanwhile`, or the tracker's error when the box or the image cannot be used; then
        nothing has changed.
        """
        self._check_room(id, limit)
        picture = frame.bgr()
        with self._tracker_for_request() as tracker:
            target, _ = tracker.init(picture, box_xywh_px)
        with self._entries_lock:
            if self._starting.get(id):
                raise RemovedMeanwhile(f"the target {id!r} was removed while it was set")
            self._entries[id] = _Entry(label, target, self._number_for(id), frame.index)

    @contextmanager
    def starting(self, id: str) -> Iterator[None]:
        """Set the target `id` in this context: :meth:`remove` prevents that from its begin on.

        Only one thread may use it.
        """
        with self._entries_lock:
            self._starting[id] = False
        try:
            yield
        finally:
            with self._entries_lock:
                del self._starting[id]

    def box_at(self, frame: Frame, point_xy: tuple[float, float]) -> Float64Array:
        """Return the box (x, y, w, h) of the object at a point of `frame`, in pixels.

        The tracker is free for new images between the boxes that are tried. Raises :class:`TrackerBusy`, and
        the errors of :func:`siammaskpp_core.tracking.click.box_at`.
        """
        picture = frame.bgr()

        def try_boxes(boxes: Sequence[Float64Array]) -> list[TrackResult]:
            with self._tracker_for_request() as tracker:
                return tracker.try_boxes(picture, boxes)

        return box_at(point_xy, picture.shape, try_boxes)

    def remove(self, id: str) -> list[str]:
        """Remove the target `id`, or all targets when it is empty; return the ids that were removed.

        A target that another thread is :meth:`starting` is among them.
        """
        with self._entries_lock:
            removed = [name for name in {**self._entries, **self._starting} if id in ("", name)]
            for name in removed:
                self._entries.pop(name, None)
                if name in self._starting:
                    self._starting[name] = True
        return removed

    def rename(self, id: str, label: str) -> bool:
        """Give the target `id` another label; return False when there is none."""
        with self._entries_lock:
            entry = self._entries.get(id)
            if entry is not None:
                entry.label = label
        return entry is not None

    def states(self) -> dict[str, State]:
        """Return the track state of every target by its id."""
        with self._entries_lock:
            return {name: entry.target.state for name, entry in self._entries.items()}

    def ids(self) -> list[str]:
        """Return the ids of all targets in the order in which they were set."""
        with self._entries_lock:
            return list(self._entries)

    def step(self, frame: Frame, picture: Image, config: LongTermConfig) -> list[TrackedTarget]:
        """Find all targets in `frame`, whose image is `picture`.

        Targets that are removed or replaced meanwhile, and those whose replay has not ended, are left out. A
        target for which the tracker fails is not seen, and :attr:`failures` says why; when it fails for all
        targets, its error is raised.
        """
        self.failures = {}
        self._replay(frame, config)
        with self._entries_lock:
            # A target that was set on this frame or a later one has nothing to find here.
            entries = {
                name: entry
                for name, entry in self._entries.items()
                if entry.index < frame.index and not entry.replay_steps_left
            }
        self.timings = {}
        if not entries:
            return []
        results = self._search(frame, picture, list(entries.values()), config)
        self.failures |= {
            name: _described(result)
            for name, result in zip(entries, results, strict=True)
            if isinstance(result, Exception)
        }
        with self._entries_lock:
            return [
                _tracked_target(name, entry, result)
                for (name, entry), result in zip(entries.items(), results, strict=True)
                if self._entries.get(name) is entry
            ]

    def _number_for(self, id: str) -> int:
        """Return the number of the target that is replaced, or the lowest that no target has."""
        if id in self._entries:
            return self._entries[id].number
        taken = {entry.number for entry in self._entries.values()}
        return next(number for number in itertools.count(1) if number not in taken)

    def _check_room(self, id: str, limit: int) -> None:
        ids = self.ids()
        if id not in ids and len(ids) >= limit:
            raise TooManyTargets(
                f"{len(ids)} targets are tracked already and max_targets is {limit}; remove one of "
                f"{', '.join(ids)} or raise max_targets"
            )

    @contextmanager
    def _tracker_for_request(self) -> Iterator[TargetTracker]:
        """Lock the tracker for a request; images wait meanwhile."""
        if not self._tracker_lock.acquire(timeout=_BUSY_TIMEOUT_S):
            raise TrackerBusy(
                f"the tracker has been working on one image for more than {_BUSY_TIMEOUT_S:g} s; ask again, "
                "and restart the node if this persists"
            )
        try:
            yield self._tracker
        finally:
            self._tracker_lock.release()

    def _replay(self, newest: Frame, config: LongTermConfig) -> None:
        """Track new targets through buffered frames before `newest`, until the time for replays is over."""
        end_s = time.monotonic() + REPLAY_BUDGET_S
        with self._entries_lock:
            entries = {name: entry for name, entry in self._entries.items() if entry.index < newest.index}
        for name, entry in entries.items():
            if not entry.replay_steps_left:
                continue
            frames = self._frames.between(entry.index, newest.index)
            for frame in frames_to_replay(frames, newest, entry.replay_steps_left, self._step_s):
                entry.index, entry.replay_steps_left = frame.index, entry.replay_steps_left - 1
                try:
                    self._search(frame, frame.bgr(), [entry], config)
                except ImageMessageError:
                    pass  # it was reported when it arrived; the replay goes on with the next image
                except Exception as error:
                    self.failures[name] = _described(error)
                if time.monotonic() > end_s:
                    break
            else:
                entry.replay_steps_left = 0

    def _search(
        self, frame: Frame, picture: Image, entries: list[_Entry], config: LongTermConfig
    ) -> list[TrackResult | Exception]:
        """Return the result of each entry, or the error of an entry for which the tracker fails.

        Raises the tracker's error when it fails for all of them.
        """
        with self._tracker_lock:
            begin_s = time.monotonic()
            targets = [entry.target for entry in entries]

            def step(targets: list[Target]) -> list[TrackResult]:
                return self._tracker.step(picture, targets, frame.stamp_ns, config)

            results: list[TrackResult | Exception]
            try:
                results = [*step(targets)]
            except Exception:
                errors = [_error_of(step, target) for target in targets]
                healthy = [target for target, error in zip(targets, errors, strict=True) if error is None]
                if not healthy or len(healthy) == len(targets):
                    raise
                found = iter(step(healthy))
                results = [error or next(found) for error in errors]
            self._step_s = time.monotonic() - begin_s
            self.timings = self._tracker.timings
        return results


def _error_of(step: Callable[[list[Target]], list[TrackResult]], target: Target) -> Exception | None:
    """Return the error of a step with this target alone, which is made with a copy; None without an error."""
    try:
        step([copy(target)])
    except Exception as error:
        return error
    return None


def _described(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def _tracked_target(id: str, entry: _Entry, result: TrackResult | Exception) -> TrackedTarget:
    target = entry.target
    if not isinstance(result, Exception):
        return TrackedTarget(id, entry.label, result, target.state, target.is_seen, entry.number)
    state = State.LOST if target.state is State.LOST else State.UNCERTAIN
    nothing = TrackResult(np.zeros(4), RotatedBox(0.0, 0.0, 0.0, 0.0, 0.0), 0.0, None)
    return TrackedTarget(id, entry.label, nothing, state, is_seen=False, number=entry.number)
