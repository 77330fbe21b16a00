"""Times of ROS messages in seconds."""

from __future__ import annotations

from builtin_interfaces.msg import Time

from siammaskpp_core.io.stamps import NS_PER_S


def stamp_at(time_s: float) -> Time:
    ns = round(time_s * NS_PER_S)
    return Time(sec=ns // NS_PER_S, nanosec=ns % NS_PER_S)


def seconds(time: Time) -> float:
    return time.sec + time.nanosec / NS_PER_S
