"""Track states: TRACKING, UNCERTAIN and LOST as a state machine of pure functions.

:func:`advance` turns the status before an image into the status after it, given the observation in that
image. docs/states.md has the table of transitions.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
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


class Evidence(Enum):
    """How well one image shows the target."""

    GOOD = "good"
    WEAK = "weak"
    NONE = "none"


class Observation(NamedTuple):
    """The result of the search in one image: confidence, and box (x, y, w, h) in pixels.

    `has_mask` is False when the network predicts masks and this one is empty.
    """

    confidence: float
    box_xywh: Sequence[float]
    has_mask: bool = True


@dataclass(frozen=True)
class TrackStatus:
    """The track state and the memory on which the next one depends.

    A new target is TRACKING, because somebody has pointed at it.
    """

    state: State = State.TRACKING
    is_seen: bool = False
    """True when the place found in the newest image is accepted as the target's; False while LOST."""
    last_box_xywh: Box | None = None
    """Box of the last accepted observation, moved by the motion model since then.

    It is None before the first observation and after a jump back in time.
    """
    candidate_box_xywh: Box | None = None
    """Box of the newest candidate for re-detection; None unless LOST."""
    hits: int = 0
    """Number of good observations in a row, each near the one before, that confirm the candidate."""
    misses: int = 0
    """Number of images in a row that did not show the target."""
    missed_since_ns: int = 0
    """Stamp of the first of these images."""
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


def advance(
    status: TrackStatus, observation: Observation, stamp_ns: int, config: LongTermConfig
) -> TrackStatus:
    """Return the status after an image with this stamp.

    When time has jumped back, counters and times start again; the state stays.
    """
    if has_jumped_back(status.stamp_ns, stamp_ns):
        status = TrackStatus(status.state)
    found = evidence(observation, config)
    if found is Evidence.NONE:
        return _missed(status, stamp_ns, config)
    x, y, width, height = map(float, observation.box_xywh)
    box = (x, y, width, height)
    if status.state is State.TRACKING and found is Evidence.GOOD:
        return TrackStatus(State.TRACKING, True, box, stamp_ns=stamp_ns)
    if status.state is State.LOST:
        return _redetected(status, box, found, stamp_ns, config)
    if status.last_box_xywh is None or is_near(box, status.last_box_xywh, config):
        state = State.TRACKING if found is Evidence.GOOD else State.UNCERTAIN
        return TrackStatus(state, True, box, stamp_ns=stamp_ns)
    # A similar object away from where a doubtful target is expected counts as a distractor.
    return _missed(status, stamp_ns, config)


def moved(status: TrackStatus, shift_x_px: float, shift_y_px: float) -> TrackStatus:
    """Return the status of a target whose expected place has moved by a number of pixels."""
    if status.last_box_xywh is None:
        return status
    x, y, width, height = status.last_box_xywh
    return replace(status, last_box_xywh=(x + shift_x_px, y + shift_y_px, width, height))


def _missed(status: TrackStatus, stamp_ns: int, config: LongTermConfig) -> TrackStatus:
    misses = status.misses + 1
    since_ns = status.missed_since_ns if status.misses else stamp_ns
    is_over = misses >= config.lost_after_frames or stamp_ns - since_ns >= config.lost_after_s * 1e9
    state = State.LOST if is_over or status.state is State.LOST else State.UNCERTAIN
    return TrackStatus(
        state, False, status.last_box_xywh, misses=misses, missed_since_ns=since_ns, stamp_ns=stamp_ns
    )


def _redetected(
    status: TrackStatus, box: Box, found: Evidence, stamp_ns: int, config: LongTermConfig
) -> TrackStatus:
    """Return the status of a LOST target after an observation, which must be confirmed in the same place."""
    if found is Evidence.WEAK:
        # The next image searches around it: the network knows best what lies in the middle of a region.
        return TrackStatus(State.LOST, False, status.last_box_xywh, box, stamp_ns=stamp_ns)
    candidate = status.candidate_box_xywh
    hits = status.hits + 1 if candidate and is_near(box, candidate, config) else 1
    if hits >= config.confirm_frames:
        return TrackStatus(State.TRACKING, True, box, stamp_ns=stamp_ns)
    return TrackStatus(State.LOST, False, status.last_box_xywh, box, hits, stamp_ns=stamp_ns)
