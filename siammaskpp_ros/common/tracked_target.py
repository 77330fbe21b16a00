"""What the tracking thread passes on about each target: to the publishers and to the pose stage."""

from __future__ import annotations

from dataclasses import dataclass

from siammaskpp_core.tracking import TrackResult
from siammaskpp_core.tracking.long_term.state import State


@dataclass(frozen=True)
class TrackedTarget:
    """One target in one image, with the result of the tracker and its track state."""

    id: str
    label: str
    result: TrackResult
    state: State
    is_seen: bool
    """False while LOST, and in an image that does not show an UNCERTAIN target: the result holds no place."""
