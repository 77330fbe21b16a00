"""Tracking with numpy and OpenCV alone; the network comes in as an engine."""

from siammaskpp_core.tracking.boxes import BoxError, Place, RotatedBox
from siammaskpp_core.tracking.config import TrackingConfig
from siammaskpp_core.tracking.long_term.config import LongTermConfig
from siammaskpp_core.tracking.long_term.state import State
from siammaskpp_core.tracking.long_term.target import Target
from siammaskpp_core.tracking.long_term.tracker import LongTermTracker
from siammaskpp_core.tracking.tracker import ImageError, SearchRegion, Template, Tracker, TrackResult

__all__ = [
    "BoxError",
    "ImageError",
    "LongTermConfig",
    "LongTermTracker",
    "Place",
    "RotatedBox",
    "SearchRegion",
    "State",
    "Target",
    "Template",
    "TrackResult",
    "Tracker",
    "TrackingConfig",
]
