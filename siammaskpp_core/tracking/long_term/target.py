"""The memory of one target, and its motion model."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from siammaskpp_core.tracking.boxes import Place
from siammaskpp_core.tracking.long_term.redetection import GlobalSearch, Point
from siammaskpp_core.tracking.long_term.state import State, TrackStatus
from siammaskpp_core.tracking.tracker import Template

# A new velocity has the weight of the old one after this time; that of a single image is mostly noise.
_VELOCITY_HALF_LIFE_S = 0.1
# After a longer gap between images the velocity predicts nothing.
_MAX_PREDICTION_S = 0.5


@dataclass(frozen=True)
class TrackState:
    """The memory of one target that the long-term layer needs. Each image replaces it."""

    place: Place
    """Place at which the target is searched for next."""
    status: TrackStatus = field(default_factory=TrackStatus)
    velocity_px_s: tuple[float, float] = (0.0, 0.0)
    """Smoothed velocity of the centre."""
    baseline_logit: float | None = None
    """Smoothed logit of the observations so far; None before the first."""
    global_search: GlobalSearch = field(default_factory=GlobalSearch)
    """History of the global search since the target was lost."""


@dataclass
class Target:
    """All that is remembered of one object: a template that stays, and a track state for each image."""

    template: Template
    track: TrackState

    @property
    def state(self) -> State:
        """TRACKING, UNCERTAIN or LOST."""
        return self.track.status.state

    @property
    def is_seen(self) -> bool:
        """True when the result for the newest image is accepted as this target."""
        return self.track.status.is_seen


def predicted_place(track: TrackState, stamp_ns: int, image_shape: tuple[int, ...]) -> Place:
    """Return the place at `stamp_ns` of a target that moves at constant velocity, limited to the image."""
    elapsed_s = _elapsed_s(track, stamp_ns)
    if elapsed_s > _MAX_PREDICTION_S:
        return track.place
    height, width = image_shape[:2]
    x = track.place.center_x + elapsed_s * track.velocity_px_s[0]
    y = track.place.center_y + elapsed_s * track.velocity_px_s[1]
    return track.place._replace(center_x=float(np.clip(x, 0, width)), center_y=float(np.clip(y, 0, height)))


def smoothed_velocity(track: TrackState, place: Place, stamp_ns: int) -> Point:
    """Return the velocity in px/s of a target that has moved to `place` by `stamp_ns`."""
    elapsed_s = _elapsed_s(track, stamp_ns)
    if elapsed_s <= 0:
        return track.velocity_px_s
    weight = 1 - 0.5 ** (elapsed_s / _VELOCITY_HALF_LIFE_S)
    old_x, old_y = track.velocity_px_s
    new_x = (place.center_x - track.place.center_x) / elapsed_s
    new_y = (place.center_y - track.place.center_y) / elapsed_s
    return old_x + weight * (new_x - old_x), old_y + weight * (new_y - old_y)


def _elapsed_s(track: TrackState, stamp_ns: int) -> float:
    """Return the time since the image before; 0 when it is unknown or time has jumped back."""
    before_ns = track.status.stamp_ns
    return 0.0 if before_ns is None else max(stamp_ns - before_ns, 0) * 1e-9
