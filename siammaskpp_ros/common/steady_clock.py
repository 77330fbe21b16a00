"""The clock of everything that must go on while the time of the node jumps or stands still."""

from __future__ import annotations

from rclpy.clock import Clock, ClockType

STEADY_CLOCK = Clock(clock_type=ClockType.STEADY_TIME)
"""Clock of timers and of throttled log lines.

On the node's own clock they would stop when the system time is set back, and with use_sim_time while no
simulated time is published.
"""
