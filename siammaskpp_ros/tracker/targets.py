"""The targets by name, shared by the services (which set them) and the worker (which follows them)."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from siammaskpp_core.engines.load import load_tracker
from siammaskpp_core.engines.options import EngineOptions
from siammaskpp_core.errors import UserError
from siammaskpp_core.tracking import LongTermConfig, LongTermTracker, Target, TrackResult
from siammaskpp_core.tracking.click import box_at
from siammaskpp_core.tracking.long_term.state import State
from siammaskpp_ros.common.tracked_target import TrackedTarget
from siammaskpp_ros.tracker.frame_buffer import Frame, FrameBuffer


class TrackerLike(Protocol):
    """What the node needs of :class:`siammaskpp_core.tracking.LongTermTracker`."""

    @property
    def timings(self) -> dict[str, float]:
        """Milliseconds of the last step by stage."""

    def init(self, image: NDArray[np.uint8], box_xywh: Sequence[float]) -> tuple[Target, TrackResult]:
        """Start on the object in a box; :class:`UserError` when image or box cannot be used."""

    def try_boxes(
        self, image: NDArray[np.uint8], boxes_xywh: Sequence[NDArray[np.float64]]
    ) -> list[TrackResult]:
        """What is found, in the same image, of targets set on these boxes."""

    def step(
        self, image: NDArray[np.uint8], targets: list[Target], stamp_ns: int, config: LongTermConfig
    ) -> list[TrackResult]:
        """Find the targets in the next image; update them and their track states."""


def load_long_term_tracker(model_dir: Path | None, options: EngineOptions) -> LongTermTracker:
    """The node's tracker; raises what :func:`siammaskpp_core.engines.load.load_tracker` does."""
    return LongTermTracker(load_tracker(model_dir, options))


MAX_STEPS = 10
"""Steps of a target on its way from the image its box was drawn on to the newest one."""
BUDGET_S = 0.1
"""How long each image may wait for targets that catch up; one step is always made."""
# Nearer to each other than at 10 Hz, images tell a tracker little new.
_MIN_INTERVAL_S = 0.1
# How long a request waits for the image at work: longer than a step with many targets on a slow board takes.
_BUSY_TIMEOUT_S = 3.0


class TrackerBusy(UserError):
    """A tracker that does not come back from an image."""


class TooManyTargets(UserError):
    """One more target than the node may follow."""


@dataclass(eq=False)
class _Entry:
    label: str
    target: Target
    index: int  # of the newest frame it has been searched for in; at first, the one its box was drawn on
    steps_left: int = MAX_STEPS  # until it has caught up with the newest frame; 0 from then on


class TargetStore:
    """Named targets of one tracker. Every method may be called from any thread.

    A target that was set on one of the remembered `frames` is led through some of those since then, a few
    steps with each new one, before it is searched for together with the others.
    """

    def __init__(self, tracker: TrackerLike, frames: FrameBuffer) -> None:
        self._tracker = tracker
        self._frames = frames
        self._entries: dict[str, _Entry] = {}
        self._entries_lock = threading.Lock()
        # Not every engine can be called from two threads at once.
        self._tracker_lock = threading.Lock()
        self._step_s = 0.0  # how long the last step took
        self.timings: dict[str, float] = {}
        """Milliseconds of the last step by stage of the tracker; empty when there was no target."""

    def set(
        self,
        id: str,
        label: str,
        frame: Frame,
        box_xywh_px: Sequence[float],
        limit: int,
    ) -> None:
        """Follow the object in a box of `frame`.

        A target with the same id is replaced. Raises :class:`TooManyTargets`, :class:`TrackerBusy`, or the
        tracker's error when box or image cannot be used; then nothing has changed.
        """
        self._check_room(id, limit)
        picture = frame.bgr()
        with self._tracker_for_request() as tracker:
            target, _ = tracker.init(picture, box_xywh_px)
        with self._entries_lock:
            self._entries[id] = _Entry(label, target, frame.index)

    def box_at(self, frame: Frame, point_xy: tuple[float, float]) -> NDArray[np.float64]:
        """The box of what is at a point of `frame`; images have their turn between the boxes that are tried.

        Raises :class:`TrackerBusy`, and what :func:`siammaskpp_core.tracking.click.box_at` does.
        """
        picture = frame.bgr()

        def try_boxes(boxes: Sequence[NDArray[np.float64]]) -> list[TrackResult]:
            with self._tracker_for_request() as tracker:
                return tracker.try_boxes(picture, boxes)

        return box_at(point_xy, picture.shape, try_boxes)

    @contextmanager
    def _tracker_for_request(self) -> Iterator[TrackerLike]:
        if not self._tracker_lock.acquire(timeout=_BUSY_TIMEOUT_S):
            raise TrackerBusy(
                f"the tracker has been at one image for more than {_BUSY_TIMEOUT_S:g} s; ask again, and "
                "restart the node when this goes on"
            )
        try:
            yield self._tracker
        finally:
            self._tracker_lock.release()

    def remove(self, id: str) -> list[str]:
        """Forget the target `id`, all of them when it is empty; the ids that were removed."""
        with self._entries_lock:
            removed = [name for name in self._entries if id in ("", name)]
            for name in removed:
                del self._entries[name]
        return removed

    def states(self) -> dict[str, State]:
        """The state of every target by its id."""
        with self._entries_lock:
            return {name: entry.target.state for name, entry in self._entries.items()}

    def ids(self) -> list[str]:
        """The ids of all targets in the order in which they were set."""
        with self._entries_lock:
            return list(self._entries)

    def step(self, frame: Frame, picture: NDArray[np.uint8], config: LongTermConfig) -> list[TrackedTarget]:
        """Find all targets in `frame`, whose image is `picture`.

        Targets removed or set anew meanwhile, and those that have not caught up yet, are left out.
        """
        self._catch_up(frame, config)
        with self._entries_lock:
            # A target that was set on this frame or a later one has nothing to find here.
            entries = {
                name: entry
                for name, entry in self._entries.items()
                if entry.index < frame.index and not entry.steps_left
            }
        self.timings = {}
        if not entries:
            return []
        results = self._search(frame, picture, list(entries.values()), config)
        with self._entries_lock:
            return [
                _tracked_target(name, entry, result)
                for (name, entry), result in zip(entries.items(), results, strict=True)
                if self._entries.get(name) is entry
            ]

    def _catch_up(self, newest: Frame, config: LongTermConfig) -> None:
        """Lead targets through frames before `newest`, as far as the time for it goes."""
        end_s = time.monotonic() + BUDGET_S
        with self._entries_lock:
            behind = [
                item for item in self._entries.values() if item.steps_left and item.index < newest.index
            ]
        for entry in behind:
            frames = self._frames.between(entry.index, newest.index)
            for frame in way(frames, newest, entry.steps_left, self._step_s):
                entry.index, entry.steps_left = frame.index, entry.steps_left - 1
                self._search(frame, frame.bgr(), [entry], config)
                if time.monotonic() > end_s:
                    break
            else:
                entry.steps_left = 0

    def _search(
        self, frame: Frame, picture: NDArray[np.uint8], entries: list[_Entry], config: LongTermConfig
    ) -> list[TrackResult]:
        with self._tracker_lock:
            begin_s = time.monotonic()
            targets = [entry.target for entry in entries]
            results = self._tracker.step(picture, targets, frame.stamp_ns, config)
            self._step_s = time.monotonic() - begin_s
            self.timings = self._tracker.timings
        return results

    def _check_room(self, id: str, limit: int) -> None:
        ids = self.ids()
        if id not in ids and len(ids) >= limit:
            raise TooManyTargets(
                f"{len(ids)} targets are tracked already and max_targets is {limit}; remove one of "
                f"{', '.join(ids)} or raise max_targets"
            )


def _tracked_target(id: str, entry: _Entry, result: TrackResult) -> TrackedTarget:
    target = entry.target
    return TrackedTarget(id, entry.label, result, target.state, target.is_seen)


def way(frames: Sequence[Frame], newest: Frame, steps: int, step_s: float) -> list[Frame]:
    """At most `steps` of `frames`, evenly over the time from the first of them to `newest`.

    The first is the one the target has been seen in and is left out, as is `newest`. `step_s` is how long a
    step takes: each makes up for twice that time at least, or a slow tracker would never catch up.
    """
    if len(frames) < 2:
        return []
    begin_s = frames[0].received_s
    gap_s = newest.received_s - begin_s
    interval_s = max(_MIN_INTERVAL_S, 2 * step_s)
    count = min(steps, math.floor(gap_s / interval_s + 1e-6) - 1)
    moments_s = (begin_s + gap_s * number / (count + 1) for number in range(1, count + 1))
    nearest = (min(frames[1:], key=lambda item: abs(item.received_s - moment_s)) for moment_s in moments_s)
    return list({frame.index: frame for frame in nearest}.values())
