"""The control law of the follower: where the target is in, speed and turn of the robot out. Knows no ROS.

Planar robot frame: forward and left are positive, bearings grow to the left. Camera optical frame
(REP 103): x right, y down, z forward.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import numpy as np

from siammaskpp_core.config import Checked, option

# A pose from later than this after now has a stamp of another clock.
_FUTURE_TOLERANCE_S = 0.1
# How fast the estimate of the target's speed is forgotten while the distance is right, 1/s.
_FORGET_RATE = 1.0


@dataclass(frozen=True)
class FollowConfig(Checked):
    """Parameters of the follower."""

    enabled: bool = option(False, "The robot may move; false stops it at once")
    target: str = option(
        "", "Id of the target that must be seen, as the tracker's pose_target; empty: any of them"
    )
    distance_m: float = option(
        2.0, "Distance to keep between camera and target, along the floor", low=0.3, high=20.0, unit="m"
    )
    distance_tolerance_m: float = option(
        0.05, "Deviation of the distance that is left as it is", low=0.0, high=2.0, unit="m"
    )
    bearing_rad: float = option(
        0.0, "Direction in which to keep the target, positive to the left", low=-1.0, high=1.0, unit="rad"
    )
    bearing_tolerance_rad: float = option(
        0.03, "Deviation of the direction that is left as it is", low=0.0, high=0.5, unit="rad"
    )
    distance_gain: float = option(
        1.5, "Speed for each metre that the target is too far away", low=0.0, high=10.0, unit="1/s"
    )
    speed_gain: float = option(
        0.5, "How fast the target's own speed is learned from the distance", low=0.0, high=10.0, unit="1/s^2"
    )
    bearing_gain: float = option(
        2.0, "Turn for each radian of wrong direction", low=0.0, high=10.0, unit="1/s"
    )
    max_speed_mps: float = option(0.6, "Largest speed forwards", low=0.0, high=5.0, unit="m/s")
    max_reverse_mps: float = option(
        0.0, "Largest speed backwards; 0: the robot never drives backwards", low=0.0, high=5.0, unit="m/s"
    )
    max_turn_radps: float = option(1.0, "Largest turn", low=0.0, high=6.0, unit="rad/s")
    max_acceleration_mps2: float = option(
        1.0, "Largest change of the speed while following", low=0.05, high=20.0, unit="m/s^2"
    )
    max_turn_acceleration_radps2: float = option(
        3.0, "Largest change of the turn while following", low=0.05, high=50.0, unit="rad/s^2"
    )
    pose_timeout_s: float = option(
        0.4, "The robot stops when the newest pose's stamp is older", low=0.05, high=5.0, unit="s"
    )
    camera_tilt_rad: float = option(
        0.0, "How far the camera looks down; negative: up", low=-1.2, high=1.2, unit="rad"
    )
    rate_hz: float = option(20.0, "Commands per second", low=2.0, high=200.0, unit="Hz")
    enable_stamped_cmd_vel: bool = option(
        False, "Publish geometry_msgs/TwistStamped instead of Twist (the same parameter as nav2's)"
    )
    base_frame: str = option("base_link", "Frame in the headers of TwistStamped")


RUNTIME_FOLLOW_PARAMETERS = frozenset(item.name for item in fields(FollowConfig)) - {
    "rate_hz",
    "enable_stamped_cmd_vel",
}


@dataclass(frozen=True)
class Place:
    """Where the target is, seen from the camera, along the floor."""

    distance_m: float
    bearing_rad: float  # positive: left of the camera's axis


@dataclass(frozen=True)
class Motion:
    """What the robot is told to do, and what the law remembers. The default is to stand."""

    speed_mps: float = 0.0
    turn_radps: float = 0.0  # positive: to the left
    target_speed_mps: float = 0.0  # learned: how fast the target walks away


STANDING = Motion()


def locate(x_m: float, y_m: float, z_m: float, camera_tilt_rad: float) -> Place | None:
    """The place of a point in the camera's optical frame; None when it is not in front of the camera."""
    forward_m = z_m * math.cos(camera_tilt_rad) - y_m * math.sin(camera_tilt_rad)
    if not (math.isfinite(x_m) and math.isfinite(forward_m)) or forward_m <= 0:
        return None
    return Place(math.hypot(forward_m, x_m), math.atan2(-x_m, forward_m))


def reason_to_stand(config: FollowConfig, pose_age_s: float | None, is_seen: bool) -> str:
    """Why the robot must not move now; empty when it may.

    `pose_age_s` is now minus the stamp of the newest pose (None: there is none); `is_seen` is false when the
    tracker did not see the target in that image or a later one.
    """
    if not config.enabled:
        return "the parameter enabled is false"
    if pose_age_s is None:
        return "there is no pose of the target"
    if not is_seen:
        return "the target is not seen"
    if pose_age_s > config.pose_timeout_s:
        return f"the newest pose is older than pose_timeout_s ({config.pose_timeout_s:g} s)"
    if pose_age_s < -_FUTURE_TOLERANCE_S:
        return "the pose has a stamp of the future: camera and follower need the same clock"
    return ""


def follow(config: FollowConfig, last: Motion, place: Place, may_drive: bool, dt_s: float) -> Motion:
    """The motion after `last`, `dt_s` later: proportional in bearing, proportional-integral in distance.

    The integral is the speed of the target: without it the robot would lag behind one that walks. With
    `may_drive` false the robot turns to the target and brakes.
    """
    bearing = _beyond(place.bearing_rad - config.bearing_rad, config.bearing_tolerance_rad)
    turn = np.clip(config.bearing_gain * bearing, -config.max_turn_radps, config.max_turn_radps)
    # Towards a target at the side there is no way ahead.
    ahead = max(math.cos(place.bearing_rad - config.bearing_rad), 0.0) if may_drive else 0.0
    error_m = _beyond(place.distance_m - config.distance_m, config.distance_tolerance_m)
    wanted = ahead * (config.distance_gain * error_m + last.target_speed_mps)
    speed = np.clip(wanted, -config.max_reverse_mps, config.max_speed_mps)
    step_mps = config.max_acceleration_mps2 * dt_s
    turn_step_radps = config.max_turn_acceleration_radps2 * dt_s
    return Motion(
        float(np.clip(speed, last.speed_mps - step_mps, last.speed_mps + step_mps)),
        float(np.clip(turn, last.turn_radps - turn_step_radps, last.turn_radps + turn_step_radps)),
        _learned_speed(config, last.target_speed_mps, error_m, bool(wanted == speed and may_drive), dt_s),
    )


def _learned_speed(
    config: FollowConfig, last_mps: float, error_m: float, is_free: bool, dt_s: float
) -> float:
    """The integral; it does not grow while the speed is at a limit, and fades where there is no error."""
    if error_m == 0:
        return last_mps * max(0.0, 1 - _FORGET_RATE * dt_s)
    if not is_free and error_m * last_mps >= 0:
        return last_mps
    learned = last_mps + config.speed_gain * error_m * dt_s
    return float(np.clip(learned, -config.max_reverse_mps, config.max_speed_mps))


def _beyond(value: float, tolerance: float) -> float:
    """How far `value` is outside [-tolerance, tolerance]; continuous."""
    return math.copysign(max(abs(value) - tolerance, 0.0), value)
