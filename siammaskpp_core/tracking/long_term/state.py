"""Is the target there? TRACKING, UNCERTAIN and LOST as a state machine of pure functions.

What the network says of one image is an :class:`Evidence`; :func:`advance` turns the presence before that
image into the one after it. docs/states.md has the table of transitions.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum, IntEnum
from typing import NamedTuple

from siammaskpp_core.config import Checked, ConfigError, option

Box = tuple[float, float, float, float]


class State(IntEnum):
    """Whether a target's place can be relied on. The numbers are those of siammaskpp/TrackedObject."""

    TRACKING = 1
    """It is seen and followed."""
    UNCERTAIN = 2
    """It is followed, but what is seen is doubtful or has been missing for a moment."""
    LOST = 3
    """It is not seen; a place is not known until it has been confirmed."""


class Evidence(Enum):
    """What one image says about the target."""

    GOOD = "good"
    WEAK = "weak"
    NONE = "none"


@dataclass(frozen=True)
class StateConfig(Checked):
    """When a target counts as TRACKING, UNCERTAIN and LOST."""

    confidence_high: float = option(0.5, "Below this score a target is UNCERTAIN", low=0.0, high=1.0)
    confidence_low: float = option(
        0.25, "Below this score an image does not show the target; it is LOST after some", low=0.0, high=1.0
    )
    lost_after_frames: int = option(
        10, "Images in a row that do not show the target until it is LOST", low=1, high=10000
    )
    lost_after_s: float = option(
        0.5,
        "Or the time from the first of them to the newest, by the images' stamps",
        low=0.0,
        high=600.0,
        unit="s",
    )
    confirm_frames: int = option(
        2, "Images in a row that must show a LOST target in one place until it is TRACKING", low=1, high=1000
    )
    confirm_max_shift_sizes: float = option(
        1.0,
        "How far it may move between two of them, in its mean sides",
        low=0.05,
        high=20.0,
        unit="sides",
    )

    def __post_init__(self) -> None:
        """Check ranges and that the thresholds are in order."""
        super().__post_init__()
        if self.confidence_low > self.confidence_high:
            raise ConfigError(
                f"confidence_low: {self.confidence_low:g} is above confidence_high {self.confidence_high:g}; "
                "set both at once (set_parameters_atomically) or change the other one first"
            )


class Observation(NamedTuple):
    """What the tracker found in one image: calibrated score, box (x, y, w, h) in pixels.

    `has_mask` is False when the network has masks and this one is empty.
    """

    score: float
    box_xywh: Sequence[float]
    has_mask: bool = True


@dataclass(frozen=True)
class TrackStatus:
    """The state and what the next one depends on. A new target is TRACKING: somebody has pointed at it."""

    state: State = State.TRACKING
    is_seen: bool = False
    """Whether the place found in the newest image is believed to be the target's; False while LOST."""
    last_box_xywh: Box | None = None
    """Where it was last seen, or is expected since; None before that, and after a jump in time."""
    candidate_box_xywh: Box | None = None
    """Newest of the sightings that are being confirmed, or looked at once more, while LOST."""
    hits: int = 0
    """How many of them were good: in a row, each near the one before."""
    misses: int = 0
    """Images in a row that do not show it."""
    missed_since_ns: int = 0
    """Stamp of the first of them."""
    stamp_ns: int | None = None
    """Stamp of the newest image."""


def evidence(observation: Observation, config: StateConfig) -> Evidence:
    """What a observation is worth: numbers that are not finite are none, an empty mask is weak at best."""
    if (
        not all(map(math.isfinite, (observation.score, *observation.box_xywh)))
        or observation.score < config.confidence_low
    ):
        return Evidence.NONE
    is_good = observation.score >= config.confidence_high and observation.has_mask
    return Evidence.GOOD if is_good else Evidence.WEAK


def is_near(box_xywh: Sequence[float], place_xywh: Sequence[float], config: StateConfig) -> bool:
    """Whether a box lies within `confirm_max_shift_sizes` of a place, from centre to centre."""
    (x, y, width, height), (place_x, place_y, place_width, place_height) = box_xywh, place_xywh
    along_x = x + width / 2 - place_x - place_width / 2
    along_y = y + height / 2 - place_y - place_height / 2
    return math.hypot(along_x, along_y) <= config.confirm_max_shift_sizes * math.sqrt(
        place_width * place_height
    )


def has_jumped_back(presence: TrackStatus, stamp_ns: int) -> bool:
    """Whether an image is older than the one before, as when a recording starts anew."""
    return presence.stamp_ns is not None and stamp_ns < presence.stamp_ns


def advance(
    presence: TrackStatus, observation: Observation, stamp_ns: int, config: StateConfig
) -> TrackStatus:
    """The presence after an image with this stamp.

    When time has jumped back, clocks and counts begin anew; the state stays.
    """
    if has_jumped_back(presence, stamp_ns):
        presence = TrackStatus(presence.state)
    worth = evidence(observation, config)
    if worth is Evidence.NONE:
        return _missed(presence, stamp_ns, config)
    x, y, width, height = map(float, observation.box_xywh)
    box = (x, y, width, height)
    if presence.state is State.TRACKING and worth is Evidence.GOOD:
        return TrackStatus(State.TRACKING, True, box, stamp_ns=stamp_ns)
    if presence.state is State.LOST:
        return _returned(presence, box, worth, stamp_ns, config)
    if presence.last_box_xywh is None or is_near(box, presence.last_box_xywh, config):
        state = State.TRACKING if worth is Evidence.GOOD else State.UNCERTAIN
        return TrackStatus(state, True, box, stamp_ns=stamp_ns)
    # Something like it elsewhere, while it is in doubt where it was, is something else.
    return _missed(presence, stamp_ns, config)


def moved(presence: TrackStatus, along_x: float, along_y: float) -> TrackStatus:
    """The presence of a target that is expected so many pixels from where it was last seen."""
    if presence.last_box_xywh is None:
        return presence
    x, y, width, height = presence.last_box_xywh
    return replace(presence, last_box_xywh=(x + along_x, y + along_y, width, height))


def _missed(presence: TrackStatus, stamp_ns: int, config: StateConfig) -> TrackStatus:
    misses = presence.misses + 1
    since_ns = presence.missed_since_ns if presence.misses else stamp_ns
    is_over = misses >= config.lost_after_frames or stamp_ns - since_ns >= config.lost_after_s * 1e9
    state = State.LOST if is_over or presence.state is State.LOST else State.UNCERTAIN
    return TrackStatus(
        state, False, presence.last_box_xywh, misses=misses, missed_since_ns=since_ns, stamp_ns=stamp_ns
    )


def _returned(
    presence: TrackStatus, box: Box, worth: Evidence, stamp_ns: int, config: StateConfig
) -> TrackStatus:
    """Something like the lost target, which it may be when it is seen well, again and in the same place."""
    if worth is Evidence.WEAK:  # it is looked at once more: networks know better what is in the middle
        return TrackStatus(State.LOST, False, presence.last_box_xywh, box, stamp_ns=stamp_ns)
    candidate = presence.candidate_box_xywh
    hits = presence.hits + 1 if candidate and is_near(box, candidate, config) else 1
    if hits >= config.confirm_frames:
        return TrackStatus(State.TRACKING, True, box, stamp_ns=stamp_ns)
    return TrackStatus(State.LOST, False, presence.last_box_xywh, box, hits, stamp_ns=stamp_ns)
