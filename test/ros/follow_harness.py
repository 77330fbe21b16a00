"""A test environment for the follower: it publishes clock, poses and results, and receives the commands."""

from __future__ import annotations

import time
from collections.abc import Callable

import rclpy
from geometry_msgs.msg import Twist, TwistStamped
from rcl_interfaces.srv import SetParametersAtomically
from rclpy.client import Client
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter
from ros_time import stamp_at
from rosgraph_msgs.msg import Clock
from spinning import spin_until
from std_msgs.msg import Header

from siammaskpp.msg import TrackedObject, TrackedObjectArray, TrackedPose, TrackedPoseArray
from siammaskpp_ros.common.processes import installed

PERIOD_S = 0.05
CAMERA_FRAME = "camera_optical_frame"


def command_line(executable: str, **parameters: object) -> list[str]:
    """Return the command that runs an installed node with parameters."""
    command = [*installed(executable), "--ros-args"]
    for name, value in parameters.items():
        command += ["-p", f"{name}:={str(value).lower() if isinstance(value, bool) else value}"]
    return command


class World:
    """Controls the simulated time: only :meth:`step` advances it, so that a slow machine changes nothing."""

    def __init__(self, domain_id: int, is_stamped: bool = True) -> None:
        self._context = Context()
        rclpy.init(context=self._context, domain_id=domain_id)
        self.node = rclpy.create_node("test_world", context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        self._clock = self.node.create_publisher(Clock, "/clock", 1)
        self._poses = self.node.create_publisher(TrackedPoseArray, "tracker_node/tracked_poses", 1)
        self._objects = self.node.create_publisher(TrackedObjectArray, "tracker_node/tracked_objects", 10)
        self.commands: list[Twist | TwistStamped] = []
        kind = TwistStamped if is_stamped else Twist
        self.node.create_subscription(kind, "cmd_vel", self.commands.append, 50)
        self._clients: dict[str, Client] = {}
        self.now_s = 1000.0

    def until(self, is_true: Callable[[], object], what: str, timeout_s: float = 30.0) -> None:
        spin_until(self._executor, is_true, what, timeout_s)

    def spin(self, duration_s: float) -> None:
        end_s = time.monotonic() + duration_s
        while time.monotonic() < end_s:
            self._executor.spin_once(timeout_sec=0.02)

    def connect(self) -> None:
        """Wait until all topics are connected to the follower."""
        for publisher in (self._poses, self._objects):
            self.until(publisher.get_subscription_count, f"the follower subscribes to {publisher.topic_name}")
        self.until(lambda: self.node.count_publishers("cmd_vel"), "the follower publishes")
        self.spin(0.3)

    def step(self) -> TwistStamped:
        """Advance the time by one period; return the follower's command of that time."""
        return self.step_to(self.now_s + PERIOD_S)

    def step_to(self, time_s: float) -> TwistStamped:
        """Set the time; return the follower's first command of that time."""
        self.now_s = round(time_s, 6)
        before = len(self.commands)
        for _ in range(40):
            self._clock.publish(Clock(clock=stamp_at(self.now_s)))
            end_s = time.monotonic() + 0.25
            while time.monotonic() < end_s:
                self._executor.spin_once(timeout_sec=0.02)
                for command in self.commands[before:]:
                    if command.header.stamp == stamp_at(self.now_s):
                        return command
        raise AssertionError(f"no command at {self.now_s:.2f} s")

    def steps(self, count: int) -> list[TwistStamped]:
        return [self.step() for _ in range(count)]

    def tell_time(self) -> None:
        """Advance the time by one period, for a follower that publishes no commands."""
        self.now_s = round(self.now_s + PERIOD_S, 6)
        self._clock.publish(Clock(clock=stamp_at(self.now_s)))
        self.spin(0.1)

    def target(self, x_m: float, z_m: float, age_s: float = 0.0, now_s: float | None = None) -> None:
        """Publish results and pose of the only target, TRACKING, as the tracker does for each image."""
        self.objects(("person", TRACKING, True), age_s=age_s, now_s=now_s)
        self.pose(x_m, z_m, age_s, now_s)

    def pose(
        self,
        x_m: float,
        z_m: float,
        age_s: float = 0.0,
        now_s: float | None = None,
        id: str = "person",
        frame_id: str = CAMERA_FRAME,
    ) -> None:
        """Publish the pose of one target and wait for its arrival."""
        item = TrackedPose(id=id)
        item.pose.pose.position.x, item.pose.pose.position.z = x_m, z_m
        self.poses(self.header((now_s or self.now_s) - age_s, frame_id), item)

    def header(self, stamp_s: float, frame_id: str = CAMERA_FRAME) -> Header:
        return Header(stamp=stamp_at(stamp_s), frame_id=frame_id)

    def poses(self, header: Header, *items: TrackedPose) -> None:
        """Publish an array of poses and wait for its arrival."""
        self._poses.publish(TrackedPoseArray(header=header, poses=items))
        self._poses.wait_for_all_acked(rclpy.duration.Duration(seconds=1))
        self.spin(0.1)

    def objects(self, *states: tuple[str, int, bool], age_s: float = 0.0, now_s: float | None = None) -> None:
        """Publish targets as (id, state, is_seen) and wait for their arrival."""
        header = self.header((now_s or self.now_s) - age_s)
        items = [TrackedObject(id=id, state=state, mask_value=int(is_seen)) for id, state, is_seen in states]
        self._objects.publish(TrackedObjectArray(header=header, objects=items))
        self.spin(0.1)

    def set_parameter(self, node: str, name: str, value: object):
        """Set one parameter; return the result."""
        request = SetParametersAtomically.Request()
        request.parameters = [Parameter(name, value=value).to_parameter_msg()]
        if node not in self._clients:
            name = f"{node}/set_parameters_atomically"
            self._clients[node] = self.node.create_client(SetParametersAtomically, name)
        client = self._clients[node]
        self.until(client.service_is_ready, f"{node} takes parameters")
        for _ in range(20):  # the middleware loses an answer now and then
            future = client.call_async(request)
            self._executor.spin_until_future_complete(future, timeout_sec=1.0)
            if future.done():
                return future.result().result
        raise AssertionError(f"{node} does not answer")

    def close(self) -> None:
        self._executor.shutdown()
        self.node.destroy_node()
        rclpy.try_shutdown(context=self._context)


TRACKING, UNCERTAIN, LOST = TrackedObject.TRACKING, TrackedObject.UNCERTAIN, TrackedObject.LOST
