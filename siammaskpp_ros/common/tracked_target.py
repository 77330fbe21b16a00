"""The result of a target in one image, which the tracking thread passes to publishers and pose stage."""

from __future__ import annotations

from dataclasses import dataclass

from siammaskpp_core.tracking import State, TrackResult


def state_name(state: int) -> str:
    """Return the name of a track state in a message; a number that no state has is its own name."""
    return State(state).name if state in State.__members__.values() else str(state)


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
    number: int = 1
    """Number of the target for life, from 1: its mask value, which also gives its colour."""
