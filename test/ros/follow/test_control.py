"""The follower's control law alone and in a closed loop with a model of the robot; no ROS, no clock."""

from __future__ import annotations

import itertools
import math
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from siammaskpp_core.config import spec_of
from siammaskpp_ros.follow.control import (
    STOP,
    FollowConfig,
    TargetPosition,
    VelocityCommand,
    next_command,
    target_position,
)
from siammaskpp_ros.follow.simulation.scene import Robot, Walk
from tools.parameter_files import yaml_text

ROOT = Path(__file__).parents[3]
MOVING = FollowConfig(enabled=True)
STEP_S = 0.05


def steps(
    config: FollowConfig, target: TargetPosition, count: int, may_drive: bool = True
) -> list[VelocityCommand]:
    commands = [STOP]
    for _ in range(count):
        commands.append(next_command(config, commands[-1], target, may_drive, STEP_S))
    return commands


# Position of the target ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("point", "tilt", "distance", "bearing"),
    [
        ((0.0, 0.0, 2.0), 0.0, 2.0, 0.0),
        ((0.0, 0.7, 2.0), 0.0, 2.0, 0.0),  # height does not matter
        ((1.0, 0.0, 1.0), 0.0, math.sqrt(2), -math.pi / 4),  # x is to the right, bearings to the left
        # A camera 30 degrees down sees a point 2 m ahead at its own height at z = 2 cos 30, y = -2 sin 30.
        ((0.0, -1.0, math.sqrt(3)), math.radians(30), 2.0, 0.0),
    ],
)
def test_a_point_of_the_camera_is_a_position_on_the_floor(point, tilt, distance, bearing) -> None:
    target = target_position(*point, tilt)
    assert target is not None
    assert target.distance_m == pytest.approx(distance)
    assert target.bearing_rad == pytest.approx(bearing)


@pytest.mark.parametrize(
    "point",
    [
        *((0, 0, -1), (0, 0, 0), (0, 0, math.nan), (math.inf, 0, 1), (0, math.nan, 1)),
        *((0, 0, 1.7e308), (-1.7e308, 0, 1), (0, -1.7e308, 1), (1.7e308, 1.7e308, 1.7e308), (0, 0, 101)),
    ],
)
def test_a_point_that_is_not_in_front_of_the_camera_is_no_position(point) -> None:
    assert target_position(*point, camera_tilt_rad=0.1) is None


# Commands -------------------------------------------------------------------------------------------


def test_speed_and_turn_keep_their_limits_and_grow_no_faster_than_allowed() -> None:
    config = replace(MOVING, max_turn_radps=0.5)
    commands = steps(config, TargetPosition(9.0, 1.2), 100)
    for before, after in itertools.pairwise(commands):
        assert abs(after.speed_mps - before.speed_mps) <= config.max_acceleration_mps2 * STEP_S + 1e-9
        assert (
            abs(after.turn_radps - before.turn_radps) <= config.max_turn_acceleration_radps2 * STEP_S + 1e-9
        )
    assert commands[-1].speed_mps == pytest.approx(config.max_speed_mps)
    assert commands[-1].turn_radps == pytest.approx(0.5)
    assert steps(config, TargetPosition(9.0, -1.2), 100)[-1].turn_radps == pytest.approx(-0.5)


def test_at_the_wanted_position_it_stops() -> None:
    inside = TargetPosition(2.04, -0.02)  # within both tolerances
    assert steps(MOVING, inside, 20)[-1] == STOP


def test_it_backs_off_only_when_it_may() -> None:
    near = TargetPosition(1.0, 0.0)
    assert min(command.speed_mps for command in steps(MOVING, near, 100)) == 0.0
    assert steps(replace(MOVING, max_reverse_mps=0.2), near, 100)[-1].speed_mps == pytest.approx(-0.2)


def test_towards_a_target_at_the_side_it_only_turns() -> None:
    command = steps(MOVING, TargetPosition(5.0, math.radians(100)), 20)[-1]
    assert command.speed_mps == 0.0
    assert command.turn_radps == pytest.approx(MOVING.max_turn_radps)


def test_towards_an_uncertain_target_it_turns_and_brakes() -> None:
    driving = VelocityCommand(0.4, 0.0, 0.4)
    command = next_command(MOVING, driving, TargetPosition(4.0, 0.5), may_drive=False, dt_s=STEP_S)
    assert command.speed_mps == pytest.approx(0.4 - MOVING.max_acceleration_mps2 * STEP_S)
    assert command.turn_radps > 0
    assert command.target_speed_mps == driving.target_speed_mps  # the integral does not change


def test_while_the_speed_is_at_its_limit_the_integral_does_not_grow() -> None:
    far_away = steps(MOVING, TargetPosition(15.0, 0.0), 400)[-1]
    assert far_away.target_speed_mps < 0.1


def test_a_wanted_bearing_is_kept() -> None:
    config = replace(MOVING, bearing_rad=0.3)
    assert steps(config, TargetPosition(2.0, 0.3), 20)[-1] == STOP
    # It turns to the right, which moves the target to the left.
    assert steps(config, TargetPosition(2.0, 0.0), 20)[-1].turn_radps < 0


# Closed loop ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("latency_s", [0.05, 0.15, 0.3])
@pytest.mark.parametrize(("seed", "walking_mps"), [(0, 0.0), (1, 0.3), (2, 0.4), (3, 0.5)])
def test_the_distance_is_kept_within_a_tenth(seed: int, walking_mps: float, latency_s: float) -> None:
    """Poses every 0.1 s, `latency_s` old, with 1 cm of noise; the robot's motors have their own limits."""
    robot, walk, rng = Robot(), Walk(seed, walking_mps), np.random.default_rng(seed)
    poses: list[tuple[float, TargetPosition]] = []
    command, errors, bearings = STOP, [], []
    for tick in range(6000):
        time_s = tick * 0.01
        if tick % 10 == 0:
            forward, left = robot.to_robot_frame(*walk.position(time_s))
            noise = rng.normal(0, 0.01, 2)
            target = target_position(-left + noise[0], 0.0, forward + noise[1], 0.0)
            assert target is not None, f"out of sight at {time_s:.1f} s"
            poses.append((time_s, target))
        arrived = [target for stamp_s, target in poses[-10:] if stamp_s + latency_s <= time_s]
        if tick % 5 == 0 and arrived:
            command = next_command(MOVING, command, arrived[-1], True, STEP_S)
            robot.command(command.speed_mps, command.turn_radps)
        robot.step(0.01)
        forward, left = robot.to_robot_frame(*walk.position(time_s))
        errors.append(math.hypot(forward, left) - MOVING.distance_m)
        bearings.append(math.atan2(left, forward))
    settled = slice(1500, None)
    assert np.abs(errors[settled]).max() < 0.1 * MOVING.distance_m
    assert np.abs(bearings[settled]).max() < math.radians(15)  # the camera sees 37 degrees to each side


def test_without_the_integral_it_would_lag_behind() -> None:
    """The target walks away at 0.45 m/s."""
    gaps = {}
    for gain in (0.0, MOVING.distance_integral_gain):
        config, command, gap_m = replace(MOVING, distance_integral_gain=gain), STOP, 2.0
        for _ in range(800):
            command = next_command(config, command, TargetPosition(gap_m, 0.0), True, STEP_S)
            gap_m += (0.45 - command.speed_mps) * STEP_S
        gaps[gain] = gap_m
    assert gaps[0.0] == pytest.approx(2.0 + 0.05 + 0.45 / MOVING.distance_gain, abs=0.01)
    assert gaps[MOVING.distance_integral_gain] == pytest.approx(2.0 + 0.05, abs=0.01)


# Parameter files -----------------------------------------------------------------------------------


def test_the_yaml_file_is_written_from_the_dataclass() -> None:
    text = (ROOT / "config" / "follower.yaml").read_text(encoding="utf-8")
    assert text == yaml_text("follower"), (
        "run: python -m tools.parameter_files follower > config/follower.yaml"
    )
    values = yaml.safe_load(text)["/**"]["ros__parameters"]
    assert FollowConfig(**values) == FollowConfig()


def test_every_number_has_a_range_and_every_parameter_a_help_line() -> None:
    for item in fields(FollowConfig):
        spec = spec_of(item)
        assert spec.help, item.name
        if isinstance(item.default, float):
            assert spec.low is not None, item.name
            assert spec.high is not None, item.name
    assert {"rate_hz", "enable_stamped_cmd_vel"} == {
        item.name for item in fields(FollowConfig) if not spec_of(item).at_run_time
    }
