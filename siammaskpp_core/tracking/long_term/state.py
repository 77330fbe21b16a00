"""Track states: TRACKING, UNCERTAIN and LOST as a state machine of pure functions.

:func:`advance` turns the status before an image into the status after it, given the observation in that
image. docs/states.md has the table of transitions.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum, IntEnum
from typing import NamedTuple

from siammaskpp_core.io.stamps import has_jumped_back
from siammaskpp_core.tracking.long_term.config import LongTermConfig

Box = tuple[float, float, float, float]


class State(IntEnum):
    """The track state. Its numbers are those of siammaskpp/TrackedObject."""

    TRACKING = 1
    """The target is seen and followed."""
    UNCERTAIN = 2
    """The target is followed, but it is seen with low confidence or has just not been seen."""
    LOST = 3
    """The target is not seen. It has no place until re-detection has confirmed one."""

    def __str__(self) -> str:
        return self.name


class Evidence(Enum):
    """How well one image shows the target."""

    GOOD = "good"
    WEAK = "weak"
    NONE = "none"


class Observation(NamedTuple):
    """The result of the search in one image: confidence, and box (x, y, w, h) in pixels.

    `has_mask` is False when the network predicts masks and this one is empty. `is_elsewhere` is True for a
    candidate of the global search, which is not where the target is expected. `is_followed` is True where the
    object that has been followed is seen, whether or not it is believed to be the target.
    """

    confidence: float
    box_xywh: Sequence[float]
    has_mask: bool = True
    is_elsewhere: bool = False
    is_followed: bool = False


class Streak(NamedTuple):
    """Images in a row of which something is true: their number, and the stamp of the first of them."""

    images: int = 0
    since_ns: int = 0

    def extended(self, stamp_ns: int) -> Streak:
        """Return the streak after one more image."""
        return Streak(self.images + 1, self.since_ns if self.images else stamp_ns)

    def is_lost(self, stamp_ns: int, config: LongTermConfig) -> bool:
        """Return True when the streak is long enough for a target to be LOST."""
        is_long = self.images > 0 and stamp_ns - self.since_ns >= config.lost_after_s * 1e9
        return is_long or self.images >= config.lost_after_frames


@dataclass(frozen=True)
class TrackStatus:
    """The track state and the memory on which the next one depends.

    A new target is TRACKING, because somebody has pointed at it.
    """

    state: State = State.TRACKING
    is_seen: bool = False
    """True when the place found in the newest image is accepted as the target's; False while LOST."""
    missed: Streak = field(default_factory=Streak)
    """The newest images that do not show the target."""
    unclear: Streak = field(default_factory=Streak)
    """The newest images that do not show the target clearly."""
    candidate_box_xywh: Box | None = None
    """Box of the newest candidate for re-detection, if there is one."""
    hits: int = 0
    """Number of good observations in a row, each near the one before, that confirm the candidate."""
    stamp_ns: int | None = None
    """Stamp of the newest image; None before the first."""


def evidence(observation: Observation, config: LongTermConfig) -> Evidence:
    """Return how well an observation shows the target.

    Numbers that are not finite show nothing. An observation with an empty mask is WEAK at best.
    """
    is_finite = all(map(math.isfinite, (observation.confidence, *observation.box_xywh)))
    if not is_finite or observation.confidence < config.confidence_low:
        return Evidence.NONE
    is_good = observation.confidence >= config.confidence_high and observation.has_mask
    return Evidence.GOOD if is_good else Evidence.WEAK


def is_near(box_xywh: Sequence[float], other_xywh: Sequence[float], config: LongTermConfig) -> bool:
    """Return True when the centres of two boxes are close together.

    The limit is `confirm_max_shift_sizes` times the mean side (root of the area) of the other box.
    """
    (x, y, width, height), (other_x, other_y, other_width, other_height) = box_xywh, other_xywh
    shift_x = x + width / 2 - other_x - other_width / 2
    shift_y = y + height / 2 - other_y - other_height / 2
    return math.hypot(shift_x, shift_y) <= config.confirm_max_shift_sizes * math.sqrt(
        other_width * other_height
    )


def is_searched_for(status: TrackStatus, config: LongTermConfig) -> bool:
    """Return True when the global search looks for the target, besides the search where it is expected.

    So it is with a LOST target, and with one that has not been seen clearly for as long as that would take.
    """
    if status.state is State.LOST:
        return True
    return status.stamp_ns is not None and status.unclear.is_lost(status.stamp_ns, config)


def advance(
    status: TrackStatus, observation: Observation, stamp_ns: int, config: LongTermConfig
) -> TrackStatus:
    """Return the status after an image with this stamp.

    When time has jumped back, counters and times start again; the state stays.
    """
    if has_jumped_back(status.stamp_ns, stamp_ns):
        status = TrackStatus(status.state)
    found = evidence(observation, config)
    if status.state is State.LOST or observation.is_elsewhere:
        return _redetected(status, observation, found, stamp_ns, config)
    if found is Evidence.GOOD:
        return TrackStatus(State.TRACKING, is_seen=True, stamp_ns=stamp_ns)
    unclear = status.unclear.extended(stamp_ns)
    if found is Evidence.WEAK:
        return TrackStatus(State.UNCERTAIN, is_seen=True, unclear=unclear, stamp_ns=stamp_ns)
    if observation.is_followed:
        return TrackStatus(State.UNCERTAIN, unclear=unclear, stamp_ns=stamp_ns)
    missed = status.missed.extended(stamp_ns)
    state = _state_of_missed(status.state, missed, stamp_ns, config)
    return TrackStatus(state, missed=missed, unclear=unclear, stamp_ns=stamp_ns)


def _redetected(
    status: TrackStatus, observation: Observation, found: Evidence, stamp_ns: int, config: LongTermConfig
) -> TrackStatus:
    """Return the status after an observation that must be confirmed in the same place.

    The next image searches around a weak one as well: the network knows best what lies in the middle of a
    region.
    """
    x, y, width, height = map(float, observation.box_xywh)
    box = (x, y, width, height)
    candidate = status.candidate_box_xywh
    hits = status.hits + 1 if candidate and is_near(box, candidate, config) else 1
    if found is Evidence.GOOD and hits >= config.confirm_frames:
        return TrackStatus(State.TRACKING, is_seen=True, stamp_ns=stamp_ns)
    missed = status.missed.extended(stamp_ns)
    return TrackStatus(
        _state_of_missed(status.state, missed, stamp_ns, config),
        missed=missed,
        unclear=status.unclear.extended(stamp_ns),
        candidate_box_xywh=None if found is Evidence.NONE else box,
        hits=hits if found is Evidence.GOOD else 0,
        stamp_ns=stamp_ns,
    )


def _state_of_missed(state: State, missed: Streak, stamp_ns: int, config: LongTermConfig) -> State:
    is_lost = state is State.LOST or missed.is_lost(stamp_ns, config)
    return State.LOST if is_lost else State.UNCERTAIN
