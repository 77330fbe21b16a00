"""Stamps of images in nanoseconds, and the rule for images whose stamps go back."""

from __future__ import annotations

from enum import Enum, auto
from typing import Protocol

NS_PER_S = 1_000_000_000
FRAME_INTERVAL_NS = 33_333_333
"""Time from image to image where a video without stamps gets some: 30 images per second."""
# Drivers and networks exchange images that are close together. Whatever goes back further, or for longer, is
# a new start.
_MAX_LATE_NS = NS_PER_S
_MAX_LATE_IMAGES = 5


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


class Order(Enum):
    """How the stamp of a message follows those before it."""

    NEXT = auto()
    LATE = auto()
    """The message is out of order: it should have come before the newest one, and is left out."""
    RESTART = auto()
    """Time has jumped back, as when a recording starts again; the message is the first of the new time."""


class StampOrder:
    """Tells messages that are out of order from a restart; used by one thread at a time.

    A stamp that is at most one second older than the newest one is late. After five late ones in a row, the
    next one is a restart, as when a clock was set back or a short recording starts again. Every input of
    images or results has one such object, so that everything behind it sees time go forward or start anew.
    """

    def __init__(self) -> None:
        self.newest_ns: int | None = None
        """The newest stamp in ns; None before the first one."""
        self._late = 0

    def check(self, stamp_ns: int) -> Order:
        """Return how this stamp follows the stamps before it."""
        before_ns = self.newest_ns
        if (
            before_ns is not None
            and 0 < before_ns - stamp_ns <= _MAX_LATE_NS
            and self._late < _MAX_LATE_IMAGES
        ):
            self._late += 1
            return Order.LATE
        self.newest_ns, self._late = stamp_ns, 0
        return Order.RESTART if has_jumped_back(before_ns, stamp_ns) else Order.NEXT
