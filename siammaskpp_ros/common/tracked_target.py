"""The result of a target in one image, which the tracking thread passes to publishers and pose stage."""

from __future__ import annotations

from dataclasses import dataclass

from siammaskpp_core.tracking import State, TrackResult


@dataclass(frozen=True)
class TrackedTarget:
    """One target in one image, with the result of the tracker and its track state."""

    id: str
    label: str
    result: TrackResult
    state: State
    is_seen: bool
    """True when the image shows the target; False while LOST, and when the result of an UNCERTAIN target is
    not accepted."""
