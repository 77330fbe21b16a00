"""The installed follower in its own process, on a clock that the test controls."""

from __future__ import annotations

import fcntl
import itertools
import os
import signal
import subprocess
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from follow_harness import LOST, PERIOD_S, TRACKING, UNCERTAIN, World, command_line
from ros_harness import NodeProcess, send_until_it_ends
from ros_time import seconds
from shifted_clock import ShiftedClock

pytestmark = [pytest.mark.ros, pytest.mark.paired]


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


def drive(world: World) -> None:
    """Publish ten poses of a target 4 m ahead, and more until the robot drives: some may come too late."""
    for number in range(60):
        world.target(0.0, 4.0)
        command = world.step()
        if number >= 9 and command.twist.linear.x > 0.3:
            return
    raise AssertionError(f"it does not drive: {command}")


def is_zero(command) -> bool:
    twist = getattr(command, "twist", command)
    return twist.linear.x == 0.0 and twist.angular.z == 0.0


def test_without_a_pose_it_stops(world: World, follower: NodeProcess) -> None:
    assert all(is_zero(command) for command in world.steps(5))
    world.objects(("person", TRACKING, True))  # results without a pose
    assert all(is_zero(command) for command in world.steps(3))
    assert "Stopped: there is no pose of the target 'person'" in follower.text


def test_it_drives_and_turns_to_the_target_within_its_limits(world: World, follower: NodeProcess) -> None:
    speeds, turns = [0.0], [0.0]
    for _ in range(16):
        world.target(-1.0, 4.0)  # to the left
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
        world.target(0.0, 4.0, age_s)
        assert is_zero(world.step())


def test_an_older_pose_does_not_follow_a_newer_one(world: World, follower: NodeProcess) -> None:
    drive(world)
    for _ in range(3):
        world.target(0.0, 4.0)
        world.target(-3.0, 4.0, 0.1)  # a place to the left, of an image before the last one
        command = world.step()
        assert command.twist.linear.x > 0.3
        assert command.twist.angular.z == 0.0


def test_a_pose_that_makes_no_sense_stops_it(world: World, follower: NodeProcess) -> None:
    for point in ((0.0, -1.0), (0.0, float("nan")), (float("inf"), 4.0)):
        drive(world)
        world.target(*point)
        assert is_zero(world.step())


def test_a_target_that_is_not_seen_stops_it_before_the_pose_is_old(
    world: World, follower: NodeProcess
) -> None:
    for states in ([("person", LOST, False)], [("person", UNCERTAIN, False)], []):
        drive(world)
        world.objects(*states)
        assert is_zero(world.step())
    assert "Stopped: the target 'person' is not seen" in follower.text


def test_towards_an_uncertain_target_it_brakes_but_turns(world: World, follower: NodeProcess) -> None:
    drive(world)
    world.objects(("person", UNCERTAIN, True))
    world.pose(-1.0, 4.0)
    first, second = world.steps(2)
    assert 0 < second.twist.linear.x < first.twist.linear.x < 0.5
    assert second.twist.angular.z > first.twist.angular.z > 0


def test_with_several_targets_the_parameter_target_is_needed(world: World, follower: NodeProcess) -> None:
    both = ("cup", TRACKING, True), ("person", TRACKING, True)
    for id in ("cup", "person"):
        world.objects(*both)
        world.pose(0.0, 4.0, id=id)
        assert is_zero(world.step())
    assert "the tracker has several targets (cup, person): set the parameter target" in follower.text
    assert world.set_parameter("follower", "target", "person").successful
    for _ in range(10):
        world.objects(*both)
        world.pose(0.0, 4.0)
        command = world.step()
    assert command.twist.linear.x > 0.3


@pytest.mark.parametrize("target", ["", "person"])
def test_it_does_not_go_over_to_another_target(world: World, follower: NodeProcess, target: str) -> None:
    """The first target is hidden or removed: neither the pose nor the state of the second one counts."""
    if target:
        assert world.set_parameter("follower", "target", target).successful
    drive(world)
    for states in (
        [("person", LOST, False), ("cup", TRACKING, True)],
        [("person", UNCERTAIN, False), ("cup", TRACKING, True)],
        [("cup", TRACKING, True)],
    ):
        for _ in range(10):
            world.objects(*states)
            world.pose(0.0, 4.0, id="cup")
            assert is_zero(world.step())
    assert "the target 'person' is not one of the tracker's targets (cup)" in follower.text
    drive(world)  # the first one is there again


def test_an_uncertain_target_beside_one_that_is_tracking(world: World, follower: NodeProcess) -> None:
    drive(world)
    speeds = []
    for _ in range(10):
        world.objects(("person", UNCERTAIN, True), ("cup", TRACKING, True))
        world.pose(0.0, 4.0)
        speeds.append(world.step().twist.linear.x)
    assert speeds == sorted(speeds, reverse=True)
    assert speeds[-1] == pytest.approx(0.0, abs=1e-9)


def test_another_target_is_followed_after_it_was_disabled(world: World, follower: NodeProcess) -> None:
    drive(world)
    for value in (False, True):
        assert world.set_parameter("follower", "enabled", value).successful
    for _ in range(10):
        world.objects(("cup", TRACKING, True))
        world.pose(0.0, 4.0, id="cup")
        command = world.step()
    assert command.twist.linear.x > 0.3
    assert "Following 'cup'" in follower.text


def test_without_results_it_stops(world: World, follower: NodeProcess) -> None:
    for _ in range(5):
        world.pose(0.0, 4.0)
        assert is_zero(world.step())
    assert "Stopped: the tracker has not published tracked_objects" in follower.text
    drive(world)
    for _ in range(9):  # poses go on, results do not
        world.pose(0.0, 4.0)
        command = world.step()
    assert is_zero(command)
    assert "the newest tracked_objects is older than pose_timeout_s" in follower.text


@pytest.mark.parametrize("frame_id", ["map", "base_link", ""])
def test_a_pose_in_another_frame_stops_it(world: World, follower: NodeProcess, frame_id: str) -> None:
    drive(world)
    world.objects(("person", TRACKING, True))
    world.pose(0.0, 4.0, frame_id=frame_id)
    assert is_zero(world.step())
    assert f"the pose is in the frame {frame_id!r}" in follower.text


def test_time_that_goes_back_stops_it_until_there_are_new_poses(world: World, follower: NodeProcess) -> None:
    drive(world)
    assert is_zero(world.step_to(world.now_s - 60.0))
    assert "Stopped: the clock has jumped back" in follower.text
    assert all(is_zero(command) for command in world.steps(3))
    drive(world)
    # The pose is 0.05 s old: after a small step back it would look as fresh as before.
    assert is_zero(world.step_to(world.now_s - 0.1))
    assert all(is_zero(command) for command in world.steps(3))


def test_a_clock_that_stands_still_stops_it(world: World, follower: NodeProcess) -> None:
    drive(world)
    world.commands.clear()
    world.until(lambda: world.commands and is_zero(world.commands[-1]), "it stops", timeout_s=10.0)
    count = len(world.commands)
    world.spin(0.5)
    assert len(world.commands) > count
    assert all(is_zero(command) for command in world.commands[count:])
    drive(world)


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
        world.target(0.0, 4.0)
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
        world.target(0.0, 4.0)
        command = world.step()
    assert command.twist.linear.x == pytest.approx(0.2)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
def test_the_last_thing_it_publishes_is_a_zero(world: World, follower: NodeProcess, number: int) -> None:
    drive(world)
    before = len(world.commands)
    send_until_it_ends(follower, number, signal.SIGINT)
    world.spin(0.5)
    assert len(world.commands) > before
    assert is_zero(world.commands[-1])


def test_a_terminal_that_is_closed_stops_the_robot(domain_id: int, world: World) -> None:
    """As when an ssh connection breaks: the output can no longer be written, either."""
    master, slave = os.openpty()
    line = command_line("follower", use_sim_time=True, enabled=True, enable_stamped_cmd_vel=True)
    child = subprocess.Popen(
        line,
        env={**os.environ, "ROS_DOMAIN_ID": str(domain_id)},
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )
    os.close(slave)
    try:
        world.connect()
        drive(world)
        os.close(master)
        assert child.wait(20.0) == 0
    finally:
        child.kill()
    world.spin(0.5)
    assert is_zero(world.commands[-1])


def test_at_start_it_is_not_enabled_and_publishes_nothing(domain_id: int, world: World) -> None:
    process = NodeProcess(command_line("follower", use_sim_time=True, enable_stamped_cmd_vel=True), domain_id)
    world.connect()
    for _ in range(3):
        world.target(0.0, 4.0)
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
        world.target(0.0, 4.0, now_s=time.time())
    assert max(command.linear.x for command in world.commands) > 0.1
    world.spin(1.0)  # no more poses
    world.commands.clear()
    world.spin(0.5)
    assert world.commands
    assert all(is_zero(command) for command in world.commands)
    process.end()
    world.close()


def test_a_system_clock_that_is_set_back_stops_it_at_once(domain_id: int, tmp_path: Path) -> None:
    clock = ShiftedClock(tmp_path)
    world = World(domain_id, is_stamped=False)
    process = NodeProcess(command_line("follower", enabled=True), domain_id, clock.environment)
    try:
        world.connect()
        for moves in range(3):
            end_s = time.monotonic() + 15.0
            while not world.commands or not world.commands[-1].linear.x > 0.3:
                assert time.monotonic() < end_s, f"it does not drive after {moves} steps of the clock"
                world.target(0.0, 4.0, now_s=clock.now_s())
            clock.set_back(60)
            world.commands.clear()
            world.spin(1.0)
            assert len(world.commands) > 10
            assert all(is_zero(command) for command in world.commands[3:])
    finally:
        process.end()
        world.close()
