"""The control law of the follower: position of the target in, velocity command for the robot out. No ROS.

Planar robot frame: forward and left are positive, bearings grow to the left. Camera optical frame
(REP 103): x right, y down, z forward.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from siammaskpp_core.config import Checked, option

# No depth camera measures further; larger numbers would overflow in the control law.
_MAX_DISTANCE_M = 100.0
# Decay of the estimated target speed while the distance is within its tolerance, 1/s.
_TARGET_SPEED_DECAY = 1.0


@dataclass(frozen=True)
class FollowConfig(Checked):
    """Parameters of the follower."""

    enabled: bool = option(False, "Let the robot move; false stops it at once", at_run_time=True)
    target: str = option(
        "",
        "Id of the target to follow; empty: the tracker's only target, and never another one after it",
        at_run_time=True,
    )
    distance_m: float = option(
        2.0,
        "Distance to keep between camera and target, along the floor",
        low=0.3,
        high=20.0,
        unit="m",
        at_run_time=True,
    )
    distance_tolerance_m: float = option(
        0.05, "Distance error that is not corrected", low=0.0, high=2.0, unit="m", at_run_time=True
    )
    bearing_rad: float = option(
        0.0,
        "Bearing at which to keep the target, positive to the left",
        low=-1.0,
        high=1.0,
        unit="rad",
        at_run_time=True,
    )
    bearing_tolerance_rad: float = option(
        0.03, "Bearing error that is not corrected", low=0.0, high=0.5, unit="rad", at_run_time=True
    )
    distance_gain: float = option(
        1.5,
        "Proportional gain from the distance error to the speed",
        low=0.0,
        high=10.0,
        unit="1/s",
        at_run_time=True,
    )
    distance_integral_gain: float = option(
        0.5,
        "Integral gain from the distance error to the speed; the integral estimates the target's own speed",
        low=0.0,
        high=10.0,
        unit="1/s^2",
        at_run_time=True,
    )
    bearing_gain: float = option(
        2.0,
        "Proportional gain from the bearing error to the turn rate",
        low=0.0,
        high=10.0,
        unit="1/s",
        at_run_time=True,
    )
    max_speed_mps: float = option(
        0.6, "Maximum forward speed", low=0.0, high=5.0, unit="m/s", at_run_time=True
    )
    max_reverse_mps: float = option(
        0.0,
        "Maximum backward speed; 0: the robot never drives backwards",
        low=0.0,
        high=5.0,
        unit="m/s",
        at_run_time=True,
    )
    max_turn_radps: float = option(
        1.0, "Maximum turn rate", low=0.0, high=6.0, unit="rad/s", at_run_time=True
    )
    max_acceleration_mps2: float = option(
        1.0, "Maximum acceleration while following", low=0.05, high=20.0, unit="m/s^2", at_run_time=True
    )
    max_turn_acceleration_radps2: float = option(
        3.0,
        "Maximum angular acceleration while following",
        low=0.05,
        high=50.0,
        unit="rad/s^2",
        at_run_time=True,
    )
    pose_timeout_s: float = option(
        0.4,
        "Stop when the stamp of the newest pose, or of the newest results of the tracker, is older than this",
        low=0.05,
        high=5.0,
        unit="s",
        at_run_time=True,
    )
    camera_tilt_rad: float = option(
        0.0,
        "Tilt of the camera below the horizontal; negative: the camera looks up",
        low=-1.2,
        high=1.2,
        unit="rad",
        at_run_time=True,
    )
    rate_hz: float = option(20.0, "Velocity commands per second", low=2.0, high=200.0, unit="Hz")
    enable_stamped_cmd_vel: bool = option(
        False, "Publish geometry_msgs/TwistStamped instead of Twist (Nav2 uses the same parameter name)"
    )
    base_frame: str = option("base_link", "Frame id in the headers of TwistStamped", at_run_time=True)


@dataclass(frozen=True)
class TargetPosition:
    """Polar position of the target relative to the camera, in the plane of the floor."""

    distance_m: float
    bearing_rad: float
    """Positive: left of the camera's axis."""


@dataclass(frozen=True)
class VelocityCommand:
    """Velocity for the robot, and the integral of the control law. The default is a robot at rest."""

    speed_mps: float = 0.0
    turn_radps: float = 0.0
    """Turn rate, positive to the left."""
    target_speed_mps: float = 0.0
    """Integral of the distance error: estimate of the speed at which the target moves away."""


STOP = VelocityCommand()


def target_position(x_m: float, y_m: float, z_m: float, camera_tilt_rad: float) -> TargetPosition | None:
    """Return the position of a point in the camera optical frame; None when it is not in front of the camera.

    A point with a coordinate that is not finite, or further away than a camera can measure, also gives None.
    """
    if not all(abs(value) <= _MAX_DISTANCE_M for value in (x_m, y_m, z_m)):
        return None
    forward_m = z_m * math.cos(camera_tilt_rad) - y_m * math.sin(camera_tilt_rad)
    if forward_m <= 0:
        return None
    return TargetPosition(math.hypot(forward_m, x_m), math.atan2(-x_m, forward_m))


def next_command(
    config: FollowConfig, last: VelocityCommand, target: TargetPosition, may_drive: bool, dt_s: float
) -> VelocityCommand:
    """Return the command `dt_s` seconds after `last`: proportional in bearing, PI in distance.

    The integral estimates the speed of the target: without it the robot would lag behind a target that
    walks away. With `may_drive` false the robot turns to the target and brakes.
    """
    bearing_error_rad = _deadband(target.bearing_rad - config.bearing_rad, config.bearing_tolerance_rad)
    turn = np.clip(config.bearing_gain * bearing_error_rad, -config.max_turn_radps, config.max_turn_radps)
    # Driving forward does not bring the robot closer to a target beside it.
    forward = max(math.cos(target.bearing_rad - config.bearing_rad), 0.0) if may_drive else 0.0
    distance_error_m = _deadband(target.distance_m - config.distance_m, config.distance_tolerance_m)
    wanted = forward * (config.distance_gain * distance_error_m + last.target_speed_mps)
    speed = np.clip(wanted, -config.max_reverse_mps, config.max_speed_mps)
    is_free = bool(wanted == speed and may_drive)
    step_mps = config.max_acceleration_mps2 * dt_s
    turn_step_radps = config.max_turn_acceleration_radps2 * dt_s
    return VelocityCommand(
        float(np.clip(speed, last.speed_mps - step_mps, last.speed_mps + step_mps)),
        float(np.clip(turn, last.turn_radps - turn_step_radps, last.turn_radps + turn_step_radps)),
        _integrated(config, last.target_speed_mps, distance_error_m, is_free, dt_s),
    )


def _integrated(config: FollowConfig, last_mps: float, error_m: float, is_free: bool, dt_s: float) -> float:
    """Return the new integral; it decays without an error and does not wind up while the speed is limited.

    `is_free` is false while the speed is at a limit or the robot may not drive.
    """
    if error_m == 0:
        return last_mps * max(0.0, 1 - _TARGET_SPEED_DECAY * dt_s)
    if not is_free and error_m * last_mps >= 0:
        return last_mps
    integral_mps = last_mps + config.distance_integral_gain * error_m * dt_s
    return float(np.clip(integral_mps, -config.max_reverse_mps, config.max_speed_mps))


def _deadband(value: float, tolerance: float) -> float:
    """Return the signed excess of `value` beyond [-tolerance, tolerance]; continuous, 0 inside."""
    return math.copysign(max(abs(value) - tolerance, 0.0), value)
