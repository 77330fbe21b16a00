"""Timers and log lines that must go on while the time of the node jumps or stands still."""

from __future__ import annotations

import time

from rclpy.clock import Clock, ClockType

STEADY_CLOCK = Clock(clock_type=ClockType.STEADY_TIME)
"""Clock of timers and of throttled log lines.

On the node's own clock they would stop when the system time is set back, and with use_sim_time while no
simulated time is published.
"""


class RepeatFilter:
    """Says when a text is to be logged: at once when it is a new one, else again after `period_s`."""

    def __init__(self, period_s: float) -> None:
        self._period_s = period_s
        self._logged, self._logged_s = "", 0.0

    def is_due(self, text: str) -> bool:
        """Return True, and take `text` as logged, when it differs from the last text or that one is old."""
        now_s = time.monotonic()
        if text == self._logged and now_s - self._logged_s < self._period_s:
            return False
        self._logged, self._logged_s = text, now_s
        return True
