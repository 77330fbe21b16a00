"""The loop closed over ROS: simulated robot, tracker and follower, each in its own process."""

from __future__ import annotations

import math
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from follow_harness import World, command_line
from geometry_msgs.msg import PoseStamped
from ros_harness import NodeProcess
from ros_time import seconds

from siammaskpp.msg import TrackedObject, TrackedObjectArray

pytestmark = [pytest.mark.ros, pytest.mark.slow, pytest.mark.timeout(400)]

FAKE_SOURCE = [sys.executable, str(Path(__file__).parents[1].joinpath("fake_pose_source.py"))]
FAST_DDS = Path(__file__).parents[3] / "config" / "fastdds_images.xml"
DISTANCE_M = 2.0
SETTLED_S = 12.0  # the person stands still for 4 s and reaches full speed 2 s later


@pytest.fixture(autouse=True)
def whole_images(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FASTRTPS_DEFAULT_PROFILES_FILE", str(FAST_DDS))


class Demo:
    """The processes of the demo, and the topics that they publish."""

    def __init__(self, domain_id: int, tracker: list[str], **simulation: object) -> None:
        follower = command_line("follower", use_sim_time=True, enabled=True, enable_stamped_cmd_vel=True)
        simulator = command_line("sim_robot", enable_stamped_cmd_vel=True, **simulation)
        self.world = World(domain_id)
        self.robot: list[PoseStamped] = []
        self.person: list[PoseStamped] = []
        self.objects: list[TrackedObjectArray] = []
        node = self.world.node
        node.create_subscription(PoseStamped, "sim_robot/robot_pose", self.robot.append, 50)
        node.create_subscription(PoseStamped, "sim_robot/person_pose", self.person.append, 50)
        node.create_subscription(TrackedObjectArray, "tracker_node/tracked_objects", self.objects.append, 50)
        self.processes = [NodeProcess(line, domain_id) for line in (tracker, follower, simulator)]

    def now_s(self) -> float:
        """Simulated time since the start."""
        return seconds(self.robot[-1].header.stamp) - 100.0 if self.robot else 0.0

    def run_until(self, time_s: float) -> None:
        def is_over() -> bool:
            dead = [process.text for process in self.processes if not process.is_running()]
            assert not dead, "\n".join(dead)
            return self.now_s() >= time_s

        self.world.until(is_over, f"simulated time {time_s} s", timeout_s=200.0)

    def distances_m(self, after_s: float) -> np.ndarray:
        """True distances between robot and person, one for each image."""
        places = {seconds(pose.header.stamp): pose.pose.position for pose in self.person}
        return np.array(
            [
                math.dist(
                    (robot.pose.position.x, robot.pose.position.y), (places[stamp_s].x, places[stamp_s].y)
                )
                for robot in self.robot
                if (stamp_s := seconds(robot.header.stamp)) in places and stamp_s >= 100.0 + after_s
            ]
        )

    def hide(self, value: bool) -> None:
        assert self.world.set_parameter("sim_robot", "hidden", value).successful

    def last_seen_s(self) -> float:
        """Stamp of the newest image in which the tracker saw the person."""
        return max(
            seconds(message.header.stamp)
            for message in self.objects
            if any(item.mask_value for item in message.objects)
        )

    def last_motion_s(self) -> float:
        """Stamp of the newest command that is not zero."""
        return max(
            seconds(command.header.stamp)
            for command in self.world.commands
            if command.twist.linear.x or command.twist.angular.z
        )

    def history(self) -> str:
        """Describe the last states and scores, and the bearing of the person."""
        seen = [
            (item.state, round(item.score, 2)) for message in self.objects[-45:] for item in message.objects
        ]
        robot, person = self.robot[-1].pose, self.person[-1].pose.position
        yaw = 2 * math.atan2(robot.orientation.z, robot.orientation.w)
        bearing = math.atan2(person.y - robot.position.y, person.x - robot.position.x) - yaw
        degrees = math.degrees(math.remainder(bearing, math.tau))
        output = "\n".join(process.text for process in self.processes)
        return f"{seen}; the person is at {degrees:.0f} degrees\n{output}"

    def close(self) -> None:
        for process in self.processes:
            process.interrupt()
        codes = [process.wait() for process in self.processes]
        self.world.close()
        assert codes == [0, 0, 0], "\n".join(process.text for process in self.processes)


def keeps_the_distance(demo: Demo, until_s: float) -> None:
    demo.run_until(until_s)
    distances = demo.distances_m(SETTLED_S)
    print(f"distance {distances.min():.3f} to {distances.max():.3f} m in {len(distances)} images")
    assert len(distances) > 8 * (until_s - SETTLED_S)
    assert np.abs(distances - DISTANCE_M).max() < 0.1 * DISTANCE_M
    assert any(command.twist.linear.x > 0.2 for command in demo.world.commands[-20:])


def check_following(demo: Demo) -> None:
    """The robot keeps the distance, stops when the person is hidden, and continues when they are visible."""
    demo.hide(False)  # connects the service client now, so that later calls do not wait for it
    keeps_the_distance(demo, until_s=30.0)

    demo.hide(True)
    hidden_s = demo.now_s()
    demo.run_until(hidden_s + 1.3)  # short enough for the person to stay inside the picture
    stopped_after_s = demo.last_motion_s() - demo.last_seen_s()
    print(f"stopped {stopped_after_s:.2f} s after the last image that showed the person")
    assert stopped_after_s <= 0.3
    # The motors need 0.2 s to stop from 0.5 m/s.
    standing = [
        (pose.pose.position.x, pose.pose.position.y)
        for pose in demo.robot
        if seconds(pose.header.stamp) > demo.last_seen_s() + 0.3 + 0.25
    ]
    assert len(standing) >= 5
    assert np.ptp(standing, axis=0).max() == 0.0

    demo.hide(False)
    again_s = demo.now_s()
    demo.run_until(again_s + 3.0)
    assert demo.last_motion_s() > 100.0 + again_s, demo.history()


@pytest.fixture
def demo_of(domain_id: int) -> Iterator:
    demos = []

    def make(tracker: list[str], **simulation: object) -> Demo:
        demos.append(Demo(domain_id, tracker, **simulation))
        return demos[-1]

    yield make
    for demo in demos:
        for process in demo.processes:
            process.end()


SIMULATION = {"width": 320, "height": 240, "seed": 1, "select_person": False}


def test_the_robot_follows_poses_and_stops_without(demo_of) -> None:
    demo = demo_of(FAKE_SOURCE, **SIMULATION, depth_encoding="16UC1")
    check_following(demo)
    demo.close()


def test_the_robot_follows_with_depth_in_float(demo_of) -> None:
    demo = demo_of(FAKE_SOURCE, **SIMULATION, depth_encoding="32FC1")
    keeps_the_distance(demo, until_s=SETTLED_S + 3.0)
    demo.close()


def test_the_robot_follows_with_the_real_tracker(demo_of) -> None:
    pytest.importorskip("message_filters", reason="message_filters is not on PyPI; it comes with ROS 2")
    tracker = command_line("tracker_node", use_sim_time=True, depth=True)
    demo = demo_of(tracker)
    check_following(demo)
    states = {item.state for message in demo.objects for item in message.objects}
    assert TrackedObject.LOST in states  # after half a second without the person
    demo.close()


def test_the_launch_file_runs_the_demo(domain_id: int) -> None:
    pytest.importorskip("message_filters", reason="message_filters is not on PyPI; it comes with ROS 2")
    if shutil.which("ros2") is None:
        pytest.skip("ros2 launch is not on PyPI; it comes with ROS 2")
    done = subprocess.run(
        ["ros2", "launch", "siammaskpp", "follow_demo.launch.py", "duration_s:=11.0"],
        env={**os.environ, "ROS_DOMAIN_ID": str(domain_id)},
        capture_output=True,
        text=True,
        timeout=200,
    )
    text = done.stdout + done.stderr
    assert done.returncode == 0, text
    assert "[follower]: Following" in text
    assert "10 s: the person is 2." in text
    for name in ("sim_robot-1", "tracker_node-2", "follower-3"):
        assert f"[{name}]: process has finished cleanly" in text, text
