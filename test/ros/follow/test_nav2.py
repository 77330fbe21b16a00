"""The requirements of Nav2's follower (opennav_following) on a pose topic; see docs/nav2.md."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from builtin_interfaces.msg import Time
from follow_harness import World, command_line
from geometry_msgs.msg import PoseStamped
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from ros_harness import NodeProcess
from ros_time import seconds
from sensor_msgs.msg import Image

pytestmark = [pytest.mark.ros, pytest.mark.slow, pytest.mark.timeout(240)]

FAST_DDS = Path(__file__).parents[3] / "config" / "fastdds_images.xml"
# Nav2 subscribes with nav2::qos::StandardTopicQoS(1).
NAV2_QOS = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.VOLATILE)
DETECTION_TIMEOUT_S = 0.5  # docs/nav2.md recommends this value; the default of Nav2 is 2.0


def is_detected(pose: PoseStamped, now_s: float, detection_timeout_s: float) -> bool:
    """The rule of FollowingServer::getRefinedPose.

    ros-navigation/navigation2, nav2_following/opennav_following/src/following_server.cpp: a stamp of zero
    is no detection, and `now - stamp > detection_timeout` is a lost one.
    """
    return pose.header.stamp != Time() and now_s - seconds(pose.header.stamp) <= detection_timeout_s


class Nav2:
    """Keeps the newest pose, as Nav2 does, and all poses with the time of their arrival."""

    def __init__(self, world: World) -> None:
        self.now_s = 0.0
        self.newest = PoseStamped()
        self.poses: list[tuple[PoseStamped, float]] = []
        self.image_headers: dict[float, str] = {}
        self.detected: list[tuple[float, bool]] = []
        node = world.node
        node.create_subscription(PoseStamped, "tracker_node/target_pose", self._on_pose, NAV2_QOS)
        node.create_subscription(PoseStamped, "sim_robot/robot_pose", self._on_time, 50)
        node.create_subscription(Image, "image", self._on_image, 5)

    def _on_pose(self, message: PoseStamped) -> None:
        self.newest = message
        self.poses.append((message, self.now_s))

    def _on_time(self, message: PoseStamped) -> None:
        """Run Nav2's control loop once for each image."""
        self.now_s = seconds(message.header.stamp)
        self.detected.append((self.now_s, is_detected(self.newest, self.now_s, DETECTION_TIMEOUT_S)))

    def _on_image(self, message: Image) -> None:
        self.image_headers[seconds(message.header.stamp)] = message.header.frame_id


@pytest.fixture
def world(domain_id: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    pytest.importorskip("message_filters", reason="message_filters is not on PyPI; it comes with ROS 2")
    monkeypatch.setenv("FASTRTPS_DEFAULT_PROFILES_FILE", str(FAST_DDS))
    world = World(domain_id)
    fake_tracker = [sys.executable, str(Path(__file__).parents[1].joinpath("fake_tracker_node.py")), "0.02"]
    parameters = ["--ros-args", "-p", "use_sim_time:=true", "-p", "depth:=true"]
    simulation = command_line("sim_robot", width=320, height=240, walking_speed_mps=0.0)
    processes = [NodeProcess(line, domain_id) for line in ([*fake_tracker, *parameters], simulation)]
    yield world
    world.close()
    for process in processes:
        process.end()


def test_rules_of_the_rule() -> None:
    pose = PoseStamped()
    assert not is_detected(pose, 0.1, 2.0)
    pose.header.stamp = Time(sec=10)
    assert is_detected(pose, 12.0, 2.0)
    assert not is_detected(pose, 12.001, 2.0)


def test_nav2_sees_the_target_while_it_is_seen_and_loses_it_in_time(world: World) -> None:
    nav2 = Nav2(world)
    world.set_parameter("sim_robot", "hidden", False)
    world.until(lambda: len(nav2.poses) >= 30, "poses come", timeout_s=90.0)
    first_s = seconds(nav2.poses[0][0].header.stamp)
    seen = [is_there for time_s, is_there in nav2.detected if time_s > first_s + 0.3]
    assert len(seen) > 20
    assert all(seen)

    world.set_parameter("sim_robot", "hidden", True)
    hidden_s = nav2.now_s
    world.until(lambda: nav2.now_s > hidden_s + 2.0, "time passes", timeout_s=60.0)
    last_s = max(seconds(pose.header.stamp) for pose, _ in nav2.poses)
    assert last_s <= hidden_s + 0.2  # nothing is published while nothing is seen
    for time_s, is_there in nav2.detected:
        if time_s > last_s + DETECTION_TIMEOUT_S + 0.01:
            assert not is_there, time_s - last_s
    count = len(nav2.poses)

    world.set_parameter("sim_robot", "hidden", False)
    world.until(lambda: len(nav2.poses) > count + 5, "poses come again", timeout_s=60.0)
    check_messages(nav2)


def check_messages(nav2: Nav2) -> None:
    """Poses have the stamp and frame of their image, each once and in order: Nav2's transforms need that."""
    stamps = [seconds(pose.header.stamp) for pose, _ in nav2.poses]
    assert stamps == sorted(set(stamps))
    for pose, arrival_s in nav2.poses:
        assert seconds(pose.header.stamp) <= arrival_s + 0.15  # the time is known only from images at 10 Hz
        assert pose.header.frame_id == "camera_optical_frame"
        point, turn = pose.pose.position, pose.pose.orientation
        assert point.z == pytest.approx(3.0, abs=1.2)
        norm = math.hypot(turn.x, turn.y, turn.z, turn.w)
        assert norm == pytest.approx(1.0, abs=1e-6)  # tf2 refuses other norms
    known = [stamp_s for stamp_s in stamps if stamp_s in nav2.image_headers]
    assert len(known) > len(stamps) / 2  # this test may miss images that the tracker received
