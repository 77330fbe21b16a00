"""Tracking with numpy and OpenCV alone; the network comes in as an engine."""

from siammaskpp_core.tracking.boxes import BoxError, RotatedBox
from siammaskpp_core.tracking.config import TrackingConfig
from siammaskpp_core.tracking.long_term.search import LongTermConfig
from siammaskpp_core.tracking.long_term.state import State
from siammaskpp_core.tracking.long_term.tracker import LongTermTracker
from siammaskpp_core.tracking.tracker import ImageError, Target, Tracker, TrackResult

__all__ = [
    "BoxError",
    "ImageError",
    "LongTermConfig",
    "LongTermTracker",
    "RotatedBox",
    "State",
    "Target",
    "TrackResult",
    "Tracker",
    "TrackingConfig",
]
