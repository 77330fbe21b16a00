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
class PresenceConfig(Checked):
    """When a target counts as TRACKING, UNCERTAIN and LOST."""

    score_uncertain: float = option(0.5, "Below this score a target is UNCERTAIN", low=0.0, high=1.0)
    score_lost: float = option(
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
    confirm_distance_sides: float = option(
        1.0,
        "How far it may move between two of them, in its mean sides",
        low=0.05,
        high=20.0,
        unit="sides",
    )

    def __post_init__(self) -> None:
        """Check ranges and that the thresholds are in order."""
        super().__post_init__()
        if self.score_lost > self.score_uncertain:
            raise ConfigError(
                f"score_lost: {self.score_lost:g} is above score_uncertain {self.score_uncertain:g}; "
                "set both at once (set_parameters_atomically) or change the other one first"
            )


class Sighting(NamedTuple):
    """What the tracker found in one image: calibrated score, box (x, y, w, h) in pixels.

    `has_mask` is False when the network has masks and this one is empty.
    """

    score: float
    box_xywh: Sequence[float]
    has_mask: bool = True


@dataclass(frozen=True)
class Presence:
    """The state and what the next one depends on. A new target is TRACKING: somebody has pointed at it."""

    state: State = State.TRACKING
    is_seen: bool = False
    """Whether the place found in the newest image is believed to be the target's; False while LOST."""
    seen_xywh: Box | None = None
    """Where it was last seen, or is expected since; None before that, and after a jump in time."""
    candidate_xywh: Box | None = None
    """Newest of the sightings that are being confirmed, or looked at once more, while LOST."""
    agreeing: int = 0
    """How many of them were good: in a row, each near the one before."""
    missing: int = 0
    """Images in a row that do not show it."""
    missing_since_ns: int = 0
    """Stamp of the first of them."""
    stamp_ns: int | None = None
    """Stamp of the newest image."""


def evidence(sighting: Sighting, config: PresenceConfig) -> Evidence:
    """What a sighting is worth: numbers that are not finite are none, an empty mask is weak at best."""
    if (
        not all(map(math.isfinite, (sighting.score, *sighting.box_xywh)))
        or sighting.score < config.score_lost
    ):
        return Evidence.NONE
    is_good = sighting.score >= config.score_uncertain and sighting.has_mask
    return Evidence.GOOD if is_good else Evidence.WEAK


def is_near(box_xywh: Sequence[float], place_xywh: Sequence[float], config: PresenceConfig) -> bool:
    """Whether a box lies within `confirm_distance_sides` of a place, from centre to centre."""
    (x, y, width, height), (place_x, place_y, place_width, place_height) = box_xywh, place_xywh
    along_x = x + width / 2 - place_x - place_width / 2
    along_y = y + height / 2 - place_y - place_height / 2
    return math.hypot(along_x, along_y) <= config.confirm_distance_sides * math.sqrt(
        place_width * place_height
    )


def has_jumped_back(presence: Presence, stamp_ns: int) -> bool:
    """Whether an image is older than the one before, as when a recording starts anew."""
    return presence.stamp_ns is not None and stamp_ns < presence.stamp_ns


def advance(presence: Presence, sighting: Sighting, stamp_ns: int, config: PresenceConfig) -> Presence:
    """The presence after an image with this stamp.

    When time has jumped back, clocks and counts begin anew; the state stays.
    """
    if has_jumped_back(presence, stamp_ns):
        presence = Presence(presence.state)
    worth = evidence(sighting, config)
    if worth is Evidence.NONE:
        return _missed(presence, stamp_ns, config)
    x, y, width, height = map(float, sighting.box_xywh)
    box = (x, y, width, height)
    if presence.state is State.TRACKING and worth is Evidence.GOOD:
        return Presence(State.TRACKING, True, box, stamp_ns=stamp_ns)
    if presence.state is State.LOST:
        return _returned(presence, box, worth, stamp_ns, config)
    if presence.seen_xywh is None or is_near(box, presence.seen_xywh, config):
        state = State.TRACKING if worth is Evidence.GOOD else State.UNCERTAIN
        return Presence(state, True, box, stamp_ns=stamp_ns)
    # Something like it elsewhere, while it is in doubt where it was, is something else.
    return _missed(presence, stamp_ns, config)


def moved(presence: Presence, along_x: float, along_y: float) -> Presence:
    """The presence of a target that is expected so many pixels from where it was last seen."""
    if presence.seen_xywh is None:
        return presence
    x, y, width, height = presence.seen_xywh
    return replace(presence, seen_xywh=(x + along_x, y + along_y, width, height))


def _missed(presence: Presence, stamp_ns: int, config: PresenceConfig) -> Presence:
    missing = presence.missing + 1
    since_ns = presence.missing_since_ns if presence.missing else stamp_ns
    is_over = missing >= config.lost_after_frames or stamp_ns - since_ns >= config.lost_after_s * 1e9
    state = State.LOST if is_over or presence.state is State.LOST else State.UNCERTAIN
    return Presence(
        state, False, presence.seen_xywh, missing=missing, missing_since_ns=since_ns, stamp_ns=stamp_ns
    )


def _returned(
    presence: Presence, box: Box, worth: Evidence, stamp_ns: int, config: PresenceConfig
) -> Presence:
    """Something like the lost target, which it may be when it is seen well, again and in the same place."""
    if worth is Evidence.WEAK:  # it is looked at once more: networks know better what is in the middle
        return Presence(State.LOST, False, presence.seen_xywh, box, stamp_ns=stamp_ns)
    candidate = presence.candidate_xywh
    agreeing = presence.agreeing + 1 if candidate and is_near(box, candidate, config) else 1
    if agreeing >= config.confirm_frames:
        return Presence(State.TRACKING, True, box, stamp_ns=stamp_ns)
    return Presence(State.LOST, False, presence.seen_xywh, box, agreeing, stamp_ns=stamp_ns)
