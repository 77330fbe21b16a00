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
MAX_LATE_IMAGES = 5
"""Most images in a row that are left out; then they are no exception any more."""
# Two sources are certain after so many returns to the time before a restart.
_MIN_RETURNS = 3
SEPARATE = 100
"""After so many messages of one source alone, another source has ended."""


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

    Messages of two sources, such as a camera and a recording, would make a restart with every second message.
    When time has returned three times to where it was before a restart, all older messages are late, however
    old they are, until five come in a row or none has come for long.
    """

    def __init__(self) -> None:
        self.newest_ns: int | None = None
        """The newest stamp in ns; None before the first one."""
        self.has_two_sources = False
        """True while messages of two sources alternate."""
        self._late = 0
        self._before_restart_ns: int | None = None
        self._since_restart = 0
        self._since_late = 0
        self._returns = 0

    def begin_anew(self) -> None:
        """Accept any stamp next, as after a restart of another input; two sources stay known."""
        self.newest_ns, self._late = None, 0

    def check(self, stamp_ns: int) -> Order:
        """Return how this stamp follows the stamps before it."""
        before_ns = self.newest_ns
        is_near = before_ns is not None and before_ns - stamp_ns <= _MAX_LATE_NS
        if not has_jumped_back(before_ns, stamp_ns):
            self._look_for_return(stamp_ns)
            self.newest_ns, self._late = stamp_ns, 0
            return Order.NEXT
        self._since_late = 0
        if self._late < MAX_LATE_IMAGES and (is_near or self.has_two_sources):
            self._late += 1
            return Order.LATE
        if self._late:  # one source has ended
            self.has_two_sources, self._returns = False, 0
        self._before_restart_ns, self._since_restart = before_ns, 0
        self.newest_ns, self._late = stamp_ns, 0
        return Order.RESTART

    def _look_for_return(self, stamp_ns: int) -> None:
        """Count a return, soon after a restart, to the time before it."""
        self._since_late += 1
        if self._since_late > SEPARATE:
            self.has_two_sources, self._returns = False, 0
        if self._before_restart_ns is None:
            return
        self._since_restart += 1
        is_return = stamp_ns > self._before_restart_ns
        if is_return:
            self._returns += 1
            self.has_two_sources = self._returns >= _MIN_RETURNS
        if is_return or self._since_restart > MAX_LATE_IMAGES:
            self._before_restart_ns = None
