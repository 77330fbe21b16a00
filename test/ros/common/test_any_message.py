"""No message or request, whatever the values of its fields, ends a node or changes what it does later."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import rclpy
from extreme_messages import extreme_messages, message_class
from follow_harness import CAMERA_FRAME, World, command_line
from geometry_msgs.msg import PoseStamped
from pose_harness import PoseClient, place
from rcl_interfaces.msg import ParameterValue
from rcl_interfaces.srv import SetParameters
from rclpy.node import Node
from ros_harness import FAKE_NODE, NodeProcess, interrupt_all, scene
from ros_time import stamp_at
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, Image

from siammaskpp_ros.common.processes import installed
from tools.interfaces import INTERFACES

pytestmark = pytest.mark.ros

SURVIVED = "A message or request could not be processed"
BY_NAME = {interface.node: interface for interface in INTERFACES}


@pytest.fixture
def world(domain_id: int) -> Iterator[World]:
    world = World(domain_id, is_stamped=False)
    yield world
    world.close()


def send_everything(
    node: Node, process: NodeProcess, name: str, spin: Any, without: tuple[str, ...] = ()
) -> int:
    """Publish extreme messages on every topic of a node and call its services; return their number."""
    count = 0
    interface = BY_NAME[name]
    for endpoint in interface.subscribed:
        try:
            kind = message_class(endpoint.type)
        except ModuleNotFoundError:  # vision_msgs, which is not on PyPI
            continue
        topic = endpoint.name.replace("~", name)
        types = {
            t for names, ts in node.get_topic_names_and_types() if names.lstrip("/") == topic for t in ts
        }
        if topic in without or endpoint.type not in types:
            continue
        publisher = node.create_publisher(kind, topic, 10)
        end_s = time.monotonic() + 10.0
        while not publisher.get_subscription_count() and time.monotonic() < end_s:
            spin(0.05)
        if not publisher.get_subscription_count():
            continue
        for message in extreme_messages(kind):
            publisher.publish(message)
            spin(0.01)
            count += 1
            assert process.is_running(), f"{topic}: {message}\n{process.text}"
        spin(0.2)
        node.destroy_publisher(publisher)
    for endpoint in interface.offered:
        kind = message_class(endpoint.type)
        client = node.create_client(kind, endpoint.name.replace("~", name))
        for request in extreme_messages(kind.Request):
            future = client.call_async(request)
            end_s = time.monotonic() + 1.0
            while not future.done() and time.monotonic() < end_s:
                spin(0.01)
            count += 1
            assert process.is_running(), f"{endpoint.name}: {request}\n{process.text}"
        node.destroy_client(client)
    assert process.is_running(), process.text
    assert "Traceback" not in process.text, process.text
    return count


def ends(process: NodeProcess) -> None:
    """Interrupt a process that has logged errors of rclpy; it must end with exit code 0."""
    process.interrupt()
    try:
        assert process.wait(20.0) == 0, process.text
    finally:
        process.end()


def drives(world: World) -> None:
    """Publish a target 4 m ahead until the robot drives to it; every command must be within the limits."""
    end_s = time.monotonic() + 15.0
    world.commands.clear()
    while not world.commands or not world.commands[-1].linear.x > 0.3:
        assert time.monotonic() < end_s, world.commands[-1:]
        world.target(0.0, 4.0, now_s=time.time())
    twists = [(item.linear.x, item.angular.z) for item in world.commands]
    assert np.isfinite(twists).all()
    assert np.abs(twists).max() <= 1.0


def test_follower(world: World, domain_id: int) -> None:
    process = NodeProcess(command_line("follower", enabled=True), domain_id)
    try:
        world.connect()
        drives(world)
        assert send_everything(world.node, process, "follower", world.spin) > 30
        drives(world)
        # Places that overflow: each alone, between others that are valid.
        for point in (
            (1.7e308, 1.7e308),
            (-1.7e308, 1.0),
            (0.0, 1.7e308),
            (float("nan"), 4.0),
            (1e-300, 1e-300),
        ):
            world.objects(("person", 1, True), now_s=time.time())
            world.pose(*point, now_s=time.time())
            drives(world)
        # Stamps with negative seconds.
        header = world.header(-5.0)
        world.poses(header)
        world.pose(0.0, 4.0, now_s=-5.0)
        drives(world)
    finally:
        interrupt_all([process])


def test_a_clock_with_negative_seconds(domain_id: int) -> None:
    world = World(domain_id)
    line = command_line("follower", use_sim_time=True, enabled=True, enable_stamped_cmd_vel=True)
    process = NodeProcess(line, domain_id)
    try:
        world.connect()
        world.step()
        for clock in (Clock(clock=stamp_at(-5.0)), *extreme_messages(Clock)):
            world._clock.publish(clock)
            world.spin(0.05)
        assert process.is_running(), process.text
        assert SURVIVED in process.text
        # The largest clock, then a normal one: time has gone back.
        for _ in range(12):
            world.target(0.0, 4.0)
            command = world.step()
        assert command.twist.linear.x > 0.3
    finally:
        ends(process)
        world.close()


@pytest.mark.parametrize("name", ["follower", "tracker_node", "web_selector", "sim_robot"])
def test_parameters_of_an_unknown_type(world: World, domain_id: int, name: str) -> None:
    executable = [*FAKE_NODE, "0.0"] if name == "tracker_node" else installed(name)
    options = ["--ros-args", "-p", "port:=0"] if name == "web_selector" else []
    process = NodeProcess([*executable, *options], domain_id)
    try:
        client = world.node.create_client(SetParameters, f"{name}/set_parameters")
        world.until(client.service_is_ready, "it takes parameters")
        world.spin(0.5)
        for value in extreme_messages(ParameterValue):
            for kind in (value.type, 200):
                value.type = kind
                request = SetParameters.Request()
                request.parameters = [rclpy.parameter.ParameterMsg(name="hidden", value=value)]
                client.call_async(request)
                world.spin(0.02)
        world.spin(0.5)
        assert process.is_running(), process.text
    finally:
        ends(process)


@pytest.mark.parametrize("parameter", ["object_size_m:=0.2", "depth:=true"])
def test_tracker_node(domain_id: int, parameter: str) -> None:
    if parameter == "depth:=true":
        pytest.importorskip("message_filters", reason="message_filters is not on PyPI; it comes with ROS 2")
    process = NodeProcess([*FAKE_NODE, "0.0", "--ros-args", "-p", parameter], domain_id)
    client = PoseClient(domain_id)
    try:
        client.connect()
        client.track(scene())
        assert client.set_target((100, 50, 40, 30)).success
        before = client.pose()
        assert send_everything(client.node, process, "tracker_node", client.spin) > 100
        # A calibration that makes no sense, for one image each, and the one after it.
        infos = client.node.create_publisher(CameraInfo, "camera_info", 1)
        for message in extreme_messages(CameraInfo):
            message.header.frame_id, message.width, message.height = CAMERA_FRAME, 320, 240
            message.roi.width = message.roi.height = message.roi.x_offset = message.roi.y_offset = 0
            infos.publish(message)
            client.has_info = False
            header = client.header()
            client.send_picture(scene(), header)
            client.spin(0.03)
        client.has_info = True
        client.remove_target()
        client.track(scene())
        assert client.set_target((100, 50, 40, 30)).success
        for _ in range(4):
            after = client.pose()
        assert position(after) == pytest.approx(position(before), abs=0.02)
        assert position(after) == pytest.approx(place(), abs=0.02)
    finally:
        client.close()
        interrupt_all([process])


def position(message: Any) -> list[float]:
    point = message.pose.pose.position
    return [point.x, point.y, point.z]


def test_a_calibration_without_sense_does_not_poison_the_filter_of_a_target(domain_id: int) -> None:
    process = NodeProcess([*FAKE_NODE, "0.0", "--ros-args", "-p", "object_size_m:=0.2"], domain_id)
    client = PoseClient(domain_id)
    try:
        client.connect()
        client.track(scene())
        assert client.set_target((100, 50, 40, 30)).success
        for value in (1.7e308, 5e-324, 1e-300, 1e300):
            for _ in range(3):
                client.pose()
            header = client.header()
            infos = client.node.create_publisher(CameraInfo, "camera_info", 1)
            client.spin(0.2)
            info = CameraInfo(header=header, width=320, height=240, distortion_model="plumb_bob")
            info.k, info.d = [value, 0.0, 160.0, 0.0, value, 120.0, 0.0, 0.0, 1.0], [value] * 5
            infos.publish(info)
            client.spin(0.2)
            client.has_info = False
            for _ in range(3):
                client.send_picture(scene(), client.header())
                client.spin(0.1)
            client.has_info = True
            client.node.destroy_publisher(infos)
            for _ in range(4):
                after = client.pose()
            assert position(after) == pytest.approx(place(), abs=0.02), value
            values = [
                item for pose in client.got["pose"] for item in (*position(pose), *pose.pose.covariance)
            ]
            assert np.isfinite(values).all(), value
    finally:
        client.close()
        interrupt_all([process])


def test_sim_robot(world: World, domain_id: int) -> None:
    line = command_line("sim_robot", wait_for_tracker=False, select_person=False, width=64, height=48)
    process = NodeProcess(line, domain_id)
    poses: list[PoseStamped] = []
    world.node.create_subscription(PoseStamped, "sim_robot/robot_pose", poses.append, 10)
    try:
        world.until(lambda: poses, "it runs")
        assert send_everything(world.node, process, "sim_robot", world.spin) > 30
        world.until(lambda: len(poses) > 5, "it goes on")
        point, turn = poses[-1].pose.position, poses[-1].pose.orientation
        assert np.isfinite([point.x, point.y, turn.z, turn.w]).all()
    finally:
        interrupt_all([process])


def test_demo_client(world: World, domain_id: int, tmp_path: Path) -> None:
    line = [*installed("demo_client"), "--ros-args", "-p", f'output:="{tmp_path}"']
    process = NodeProcess(line, domain_id)
    try:
        world.until(lambda: "demo_client" in world.node.get_node_names(), "it runs")
        world.spin(0.5)
        send_everything(world.node, process, "demo_client", world.spin, without=("image",))
    finally:
        interrupt_all([process])


def test_web_selector(world: World, domain_id: int) -> None:
    from siammaskpp_ros.web.feed import LiveFeed, encode

    process = NodeProcess([*installed("web_selector"), "--ros-args", "-p", "port:=0"], domain_id)
    try:
        world.until(lambda: "web_selector" in world.node.get_node_names(), "it runs")
        world.spin(0.5)
        send_everything(world.node, process, "web_selector", world.spin)
    finally:
        interrupt_all([process])
    # What a page gets: JSON of the standard, whatever the results are.
    from siammaskpp.msg import TrackedObjectArray
    from siammaskpp_ros.common.conversions import to_image

    picture = np.zeros((48, 64, 3), np.uint8)
    for results in extreme_messages(TrackedObjectArray):
        feed = LiveFeed()
        image: Image = to_image(picture, "bgr8", results.header)
        feed.add_image(image, 0.0)
        feed.add_objects(results)
        feed.add_labels(to_image(picture[:, :, 0], "mono8", results.header))
        newest = feed.newest()
        assert newest is not None
        text = encode(newest, 64)
        length = int.from_bytes(text[:4], "big")
        assert b"NaN" not in text[4 : 4 + length]
        assert b"Infinity" not in text[4 : 4 + length]
        assert cv2.imdecode(np.frombuffer(text[4 + length :], np.uint8), cv2.IMREAD_COLOR) is not None
