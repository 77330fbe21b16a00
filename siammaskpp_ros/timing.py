"""Where the time of an image went, as ``~/timing`` says it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from siammaskpp.msg import FrameTiming

from .frame_buffer import Frame

NETWORK_STAGES = ("search", "refine")
TRACKER_STAGES = ("crop", "search", "decode", "refine", "paste")
"""Keys of :attr:`siammaskpp_core.tracking.Tracker.timings`."""
STAGES = ("take", "wait", "convert", *TRACKER_STAGES, "publish")
"""From the arrival of an image to the publishing of its results."""


class Moments(NamedTuple):
    """When the worker was done with each part of its work, on the monotonic clock."""

    begun_s: float
    converted_s: float
    tracked_s: float
    published_s: float


def timing_message(
    frame: Frame, moments: Moments, age_s: float, tracker_ms: Mapping[str, float]
) -> FrameTiming:
    """The message about `frame`.

    `age_s` is the age of the image when its results had been published; `tracker_ms` holds the stages of
    the tracker's step that were run.
    """
    total_s = moments.published_s - frame.received_s
    message = FrameTiming(
        header=frame.message.header,
        transport_ms=(age_s - total_s) * 1e3,
        take_ms=frame.take_s * 1e3,
        wait_ms=(moments.begun_s - frame.received_s - frame.take_s) * 1e3,
        convert_ms=(moments.converted_s - moments.begun_s) * 1e3,
        publish_ms=(moments.published_s - moments.tracked_s) * 1e3,
        total_ms=total_s * 1e3,
    )
    for stage in TRACKER_STAGES:
        setattr(message, f"{stage}_ms", float(tracker_ms.get(stage, 0.0)))
    return message
