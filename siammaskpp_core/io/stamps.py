"""Time stamps of images in nanoseconds, and what it means when they go back."""

from __future__ import annotations

from typing import Protocol

NS_PER_S = 1_000_000_000


class Stamp(Protocol):
    """builtin_interfaces/Time, wherever its class comes from: ROS, or a bag read without ROS."""

    sec: int
    nanosec: int


def stamp_ns(stamp: Stamp) -> int:
    """The time of a stamp in ns."""
    return int(stamp.sec) * NS_PER_S + int(stamp.nanosec)


def has_jumped_back(before_ns: int | None, now_ns: int) -> bool:
    """Whether an image is older than the one before it, as when a recording starts again.

    False for the first image, before which there is None. What was measured over time begins anew then.
    """
    return before_ns is not None and now_ns < before_ns
