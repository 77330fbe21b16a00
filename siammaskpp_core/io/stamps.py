"""Stamps of images in nanoseconds, and the rule for time that jumps back."""

from __future__ import annotations

from typing import Protocol

NS_PER_S = 1_000_000_000


class Stamp(Protocol):
    """A builtin_interfaces/Time of ROS, or of a bag that is read without ROS."""

    sec: int
    nanosec: int


def stamp_ns(stamp: Stamp) -> int:
    """Return the time of a stamp in ns."""
    return int(stamp.sec) * NS_PER_S + int(stamp.nanosec)


def seconds_text(time_ns: int) -> str:
    """Return a time in ns as seconds with all nine decimals, which a float would not keep."""
    return f"{time_ns // NS_PER_S}.{time_ns % NS_PER_S:09d}"


def has_jumped_back(before_ns: int | None, now_ns: int) -> bool:
    """Return True for an image that is older than the one before it, as when a recording starts again.

    The first image has none before it: `before_ns` is None and the answer False. Whoever measures over time
    starts anew when time has jumped back.
    """
    return before_ns is not None and now_ns < before_ns
