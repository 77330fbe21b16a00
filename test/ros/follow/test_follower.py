"""The installed follower in its own process, on a clock that the test controls."""

from __future__ import annotations

import itertools
import os
import signal
import time
from collections.abc import Iterator

import pytest
from follow_harness import LOST, PERIOD_S, TRACKING, UNCERTAIN, World, command_line
from ros_harness import NodeProcess
from ros_time import seconds

pytestmark = pytest.mark.ros


@pytest.fixture
def world(domain_id: int) -> Iterator[World]:
    world = World(domain_id)
    yield world
    world.close()


@pytest.fixture
def follower(domain_id: int, world: World) -> Iterator[NodeProcess]:
    """The follower, enabled, with stamped commands and simulated time."""
    line = command_line("follower", use_sim_time=True, enabled=True, enable_stamped_cmd_vel=True)
    process = NodeProcess(line, domain_id)
    world.connect()
    world.step()
    yield process
    process.end()


def drive(world: World, count: int = 10) -> None:
    """Publish poses of a target 4 m ahead until the robot drives."""
    for _ in range(count):
        world.pose(0.0, 4.0)
        command = world.step()
    assert command.twist.linear.x > 0.3


def is_zero(command) -> bool:
    twist = getattr(command, "twist", command)
    return twist.linear.x == 0.0 and twist.angular.z == 0.0


def test_without_a_pose_it_stops(world: World, follower: NodeProcess) -> None:
    assert all(is_zero(command) for command in world.steps(5))
    world.objects(("person", TRACKING, True))  # results without a pose
    assert all(is_zero(command) for command in world.steps(3))
    assert "Stopped: there is no pose of the target" in follower.text


def test_it_drives_and_turns_to_the_target_within_its_limits(world: World, follower: NodeProcess) -> None:
    speeds, turns = [0.0], [0.0]
    for _ in range(16):
        world.pose(-1.0, 4.0)  # to the left
        command = world.step()
        assert command.header.frame_id == "base_link"
        speeds.append(command.twist.linear.x)
        turns.append(command.twist.angular.z)
    assert max(b - a for a, b in itertools.pairwise(speeds)) <= 1.0 * PERIOD_S + 1e-6
    assert max(b - a for a, b in itertools.pairwise(turns)) <= 3.0 * PERIOD_S + 1e-6
    assert max(speeds) == pytest.approx(0.6)
    assert turns[-1] == pytest.approx(2.0 * (0.24498 - 0.03), rel=1e-3)  # atan(1/4), less the tolerance


def test_a_pose_that_grows_old_stops_it_at_once(world: World, follower: NodeProcess) -> None:
    drive(world)
    last_pose_s = world.now_s - PERIOD_S
    for _ in range(12):
        command = world.step()
        is_fresh = seconds(command.header.stamp) - last_pose_s <= 0.4 + 1e-6
        assert is_zero(command) != is_fresh, seconds(command.header.stamp) - last_pose_s
    assert "older than pose_timeout_s (0.4 s)" in follower.text
    drive(world)  # continues with a new pose


@pytest.mark.parametrize("age_s", [0.6, -5.0])
def test_a_pose_with_a_stamp_of_another_time_does_not_move_it(
    world: World, follower: NodeProcess, age_s: float
) -> None:
    for _ in range(5):
        world.pose(0.0, 4.0, age_s)
        assert is_zero(world.step())


def test_a_pose_that_makes_no_sense_stops_it(world: World, follower: NodeProcess) -> None:
    for point in ((0.0, -1.0), (0.0, float("nan")), (float("inf"), 4.0)):
        drive(world)
        world.pose(*point)
        assert is_zero(world.step())


def test_a_target_that_is_not_seen_stops_it_before_the_pose_is_old(
    world: World, follower: NodeProcess
) -> None:
    for states in ([("person", LOST, False)], [("person", UNCERTAIN, False)], []):
        drive(world)
        world.objects(*states)
        assert is_zero(world.step())
    assert "Stopped: the target is not seen" in follower.text


def test_results_of_an_older_image_are_ignored(world: World, follower: NodeProcess) -> None:
    drive(world)
    world.objects(("person", LOST, False), age_s=0.3)
    world.pose(0.0, 4.0)
    assert not is_zero(world.step())


def test_towards_an_uncertain_target_it_brakes_but_turns(world: World, follower: NodeProcess) -> None:
    drive(world)
    world.pose(-1.0, 4.0)
    world.objects(("person", UNCERTAIN, True))
    first, second = world.steps(2)
    assert 0 < second.twist.linear.x < first.twist.linear.x < 0.5
    assert second.twist.angular.z > first.twist.angular.z > 0


def test_with_a_named_target_the_others_do_not_count(world: World, follower: NodeProcess) -> None:
    assert world.set_parameter("follower", "target", "person").successful
    drive(world)
    world.objects(("cup", TRACKING, True), ("person", LOST, False))
    assert is_zero(world.step())
    drive(world)
    world.objects(("cup", LOST, False), ("person", TRACKING, True))
    assert not is_zero(world.step())


def test_it_can_be_stopped_by_hand_and_leaves_the_topic_to_others_then(
    world: World, follower: NodeProcess
) -> None:
    drive(world)
    before = len(world.commands)
    assert world.set_parameter("follower", "enabled", False).successful
    world.until(lambda: len(world.commands) > before, "the zero comes without waiting for the clock")
    assert is_zero(world.commands[-1])
    count = len(world.commands)
    for _ in range(5):
        world.pose(0.0, 4.0)
        world.tell_time()
    assert len(world.commands) == count
    assert world.set_parameter("follower", "enabled", True).successful
    drive(world)


def test_parameters_out_of_range_are_refused_with_the_reason(world: World, follower: NodeProcess) -> None:
    for name, value, reason in (
        ("distance_m", 0.1, "distance_m"),
        ("max_speed_mps", float("nan"), "max_speed_mps"),
        ("rate_hz", 50.0, "read at start"),
        ("enable_stamped_cmd_vel", False, "read at start"),
    ):
        result = world.set_parameter("follower", name, value)
        assert not result.successful
        assert reason in result.reason
    assert world.set_parameter("follower", "max_speed_mps", 0.2).successful
    for _ in range(10):
        world.pose(0.0, 4.0)
        command = world.step()
    assert command.twist.linear.x == pytest.approx(0.2)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_last_thing_it_publishes_is_a_zero(world: World, follower: NodeProcess, number: int) -> None:
    drive(world)
    before = len(world.commands)
    os.kill(follower.pid, number)
    assert follower.wait() == 0, follower.text
    world.spin(0.5)
    assert len(world.commands) > before
    assert is_zero(world.commands[-1])


def test_at_start_it_is_not_enabled_and_publishes_nothing(domain_id: int, world: World) -> None:
    process = NodeProcess(command_line("follower", use_sim_time=True, enable_stamped_cmd_vel=True), domain_id)
    world.connect()
    for _ in range(3):
        world.pose(0.0, 4.0)
        world.tell_time()
    assert world.commands == []
    process.wait_for_text("the parameter enabled is false")
    process.end()


def test_a_parameter_file_that_cannot_be_used_ends_it(domain_id: int) -> None:
    process = NodeProcess(command_line("follower", distance_m=-1.0), domain_id)
    assert process.wait() == 1
    assert "distance_m" in process.text


def test_with_the_machines_clock_and_plain_twists(domain_id: int) -> None:
    world = World(domain_id, is_stamped=False)
    process = NodeProcess(command_line("follower", enabled=True), domain_id)
    world.connect()
    end_s = time.monotonic() + 2.0
    while time.monotonic() < end_s:
        world.pose(0.0, 4.0, now_s=time.time())
    assert max(command.linear.x for command in world.commands) > 0.1
    world.spin(1.0)  # no more poses
    world.commands.clear()
    world.spin(0.5)
    assert world.commands
    assert all(is_zero(command) for command in world.commands)
    process.end()
    world.close()
