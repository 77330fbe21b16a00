"""Node: a simulated robot with a depth camera, and a person who walks in front of it, to try the follower.

It publishes the simulated time (/clock); nodes that work with it need use_sim_time.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from threading import Event
from typing import Any

import numpy as np
from builtin_interfaces.msg import Time
from geometry_msgs.msg import PoseStamped, Twist, TwistStamped
from rcl_interfaces.msg import SetParametersResult
from rclpy.executors import Executor
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from siammaskpp.msg import Box, TrackedObjectArray
from siammaskpp.srv import SetTarget
from siammaskpp_core.arrays import Float32Array
from siammaskpp_core.config import Checked, option
from siammaskpp_ros.common.conversions import to_image
from siammaskpp_ros.common.node_main import run_node, spin_once
from siammaskpp_ros.common.parameters import changed, declare
from siammaskpp_ros.follow.simulation.camera import FIELD_OF_VIEW_RAD, SimulatedCamera
from siammaskpp_ros.follow.simulation.scene import Robot, Walk
from siammaskpp_ros.follow.simulation.top_view import TopView

_STEP_S = 0.02
_START_S = 100.0  # not 0: a stamp of 0 means that there is none
_RESULT_TIMEOUT_S = 2.0
_POSE_TIMEOUT_S = 0.5
_REPORT_PERIOD_S = 5.0
_CAMERA_FRAME, _WORLD_FRAME = "camera_optical_frame", "odom"


@dataclass(frozen=True)
class SimConfig(Checked):
    """Parameters of the simulation; only `hidden` can be changed at run time."""

    seed: int = option(
        0, "Random seed of the person's path, the room and the camera's noise", low=0, high=2**31 - 1
    )
    width: int = option(640, "Width of the images", low=64, high=1920, unit="px")
    height: int = option(480, "Height of the images", low=48, high=1200, unit="px")
    rate_hz: float = option(10.0, "Images per second", low=1.0, high=50.0, unit="Hz")
    depth_encoding: str = option(
        "16UC1", "Encoding of the depth images: 16UC1 in mm, 32FC1 in m (REP 118)", choices=("16UC1", "32FC1")
    )
    walking_speed_mps: float = option(0.4, "Mean speed of the person", low=0.0, high=2.0, unit="m/s")
    hidden: bool = option(False, "Hide the person", at_run_time=True)
    tracker: str = option("tracker_node", "Name of the tracker node")
    select_person: bool = option(True, "Make the person the tracker's target as soon as the tracker runs")
    wait_for_tracker: bool = option(
        True, "Stop the simulated time before each image until the tracker has processed the one before"
    )
    duration_s: float = option(
        0.0, "Simulated time after which the node ends; 0: never", low=0.0, high=86400.0, unit="s"
    )
    enable_stamped_cmd_vel: bool = option(False, "Subscribe to geometry_msgs/TwistStamped instead of Twist")


class SimRobot(Node):
    """The robot follows ``cmd_vel`` and publishes ``image``, ``depth`` and ``camera_info``.

    The ground truth is published on ``~/robot_pose`` and ``~/person_pose``, and drawn on ``~/top_view``.
    """

    def __init__(self) -> None:
        super().__init__("sim_robot")
        self.config = config = declare(self, SimConfig)
        self._robot = Robot()
        self._walk = Walk(config.seed, config.walking_speed_mps)
        self._camera = SimulatedCamera(config.width, config.height, config.seed)
        self._top_view = TopView()
        self._steps = 0
        self._steps_per_image = max(1, round(1 / (config.rate_hz * _STEP_S)))
        self._image_stamp: Time | None = None
        self._result_stamp: Time | None = None
        self._pose_stamp: Time | None = None
        self._pose_due_s: float | None = None  # None: no pose is expected
        self._image_sent_s = 0.0
        self._last_box: tuple[Header, tuple[float, float, float, float] | None] = (Header(), None)
        self._request: Any = None
        self._request_sent_s = 0.0
        self._is_selected = not config.select_person
        self._create_topics()
        self.add_on_set_parameters_callback(self._on_set_parameters)

    def _create_topics(self) -> None:
        newest = QoSProfile(depth=1)
        self._time = self.create_publisher(Clock, "/clock", newest)
        self._image = self.create_publisher(Image, "image", QoSProfile(depth=2))
        self._depth = self.create_publisher(Image, "depth", QoSProfile(depth=2))
        self._info = self.create_publisher(CameraInfo, "camera_info", QoSProfile(depth=2))
        self._robot_pose = self.create_publisher(PoseStamped, "~/robot_pose", newest)
        self._person_pose = self.create_publisher(PoseStamped, "~/person_pose", newest)
        self._top_view_image = self.create_publisher(Image, "~/top_view", newest)
        self._set_target = self.create_client(SetTarget, f"{self.config.tracker}/set_target")
        self._results_topic = f"{self.config.tracker}/tracked_objects"
        self.create_subscription(TrackedObjectArray, self._results_topic, self._on_results, 10)
        self.create_subscription(PoseStamped, f"{self.config.tracker}/target_pose", self._on_pose, newest)
        kind = TwistStamped if self.config.enable_stamped_cmd_vel else Twist
        self.create_subscription(kind, "cmd_vel", self._on_command, newest)

    # Time ------------------------------------------------------------------------------------------

    @property
    def time_s(self) -> float:
        """Simulated time since the start."""
        return self._steps * _STEP_S

    def run(self, executor: Executor, stop: Event) -> None:
        """Simulate, never faster than real time, until `duration_s` is over or `stop` is set."""
        due_s = time.monotonic()
        while not stop.is_set() and not 0 < self.config.duration_s <= self.time_s:
            spin_once(executor, max(due_s - time.monotonic(), 0.001))
            now_s = time.monotonic()
            if now_s >= due_s and not self._is_waiting(now_s):
                self._step()
                due_s = max(due_s + _STEP_S, now_s)

    def _is_waiting(self, now_s: float) -> bool:
        if not self.config.wait_for_tracker or (self._steps + 1) % self._steps_per_image:
            return False
        if self._image_stamp == self._result_stamp:
            return self._pose_due_s is not None and now_s < self._pose_due_s
        if not self.count_publishers(self._results_topic):
            self.get_logger().info(f"Waiting for {self.config.tracker}", once=True)
            return True
        return now_s - self._image_sent_s <= _RESULT_TIMEOUT_S  # messages may get lost

    def _step(self) -> None:
        self._steps += 1
        self._robot.step(_STEP_S)
        self._time.publish(Clock(clock=self._stamp()))
        if self._steps % self._steps_per_image == 0:
            self._publish_images()
        if self._steps % round(_REPORT_PERIOD_S / _STEP_S) == 0:
            forward, left = self._robot.to_robot_frame(*self._walk.position(self.time_s))
            self.get_logger().info(
                f"{self.time_s:.0f} s: the person is {math.hypot(forward, left):.2f} m away, "
                f"{math.degrees(math.atan2(left, forward)):+.0f} degrees; the robot drives "
                f"{self._robot.speed_mps:.2f} m/s"
            )

    def _stamp(self) -> Time:
        ns = round((_START_S + self.time_s) * 1e9)
        return Time(sec=ns // 10**9, nanosec=ns % 10**9)

    # Images ----------------------------------------------------------------------------------------

    def _publish_images(self) -> None:
        person = self._walk.position(self.time_s)
        walked_m = self._walk.walked_m(self.time_s)
        rendered = self._camera.render(
            self._robot, None if self.config.hidden else person, walked_m, self._steps
        )
        header = Header(stamp=self._stamp(), frame_id=_CAMERA_FRAME)
        self._info.publish(camera_info(self._camera, header))
        self._depth.publish(depth_image(rendered.depth_m, self.config.depth_encoding, header))
        self._image.publish(to_image(rendered.picture, "bgr8", header))
        self._image_stamp, self._image_sent_s = header.stamp, time.monotonic()
        self._select_person()
        self._last_box = (header, rendered.person_xywh_px)
        self._publish_ground_truth(person)

    def _publish_ground_truth(self, person: tuple[float, float]) -> None:
        header = Header(stamp=self._stamp(), frame_id=_WORLD_FRAME)
        robot = self._robot
        self._robot_pose.publish(planar_pose(header, robot.x_m, robot.y_m, robot.yaw_rad))
        self._person_pose.publish(planar_pose(header, *person, 0.0))
        self._top_view.add(robot, person)
        if self._top_view_image.get_subscription_count():
            shown = None if self.config.hidden else person
            self._top_view_image.publish(
                to_image(self._top_view.draw(robot, shown, FIELD_OF_VIEW_RAD), "bgr8", header)
            )

    # The tracker -----------------------------------------------------------------------------------

    def _select_person(self) -> None:
        """Call set_target with the person's box in the last image, until the tracker has accepted one."""
        now_s = time.monotonic()
        if self._request is not None and self._request.done():
            response, self._request = self._request.result(), None
            self._is_selected = response.success
            self.get_logger().info(f"{self.config.tracker}: {response.message}")
        # The middleware occasionally loses a response: call again after the timeout.
        is_pending = self._request is not None and now_s - self._request_sent_s < _RESULT_TIMEOUT_S
        header, box = self._last_box
        # A box is accepted only on an image that the tracker has received.
        is_received = header.stamp == self._result_stamp or not self.config.wait_for_tracker
        if self._is_selected or is_pending or box is None or not is_received:
            return
        x, y, width, height = box
        request = SetTarget.Request(header=header, id="person", label="person")
        request.box = Box(x=x, y=y, width=width, height=height)
        self._request, self._request_sent_s = self._set_target.call_async(request), now_s

    def _on_results(self, message: TrackedObjectArray) -> None:
        self._result_stamp = message.header.stamp
        is_seen = any(item.mask_value for item in message.objects)
        # Poses arrive after masks, and some trackers publish none: wait only when there was one before.
        if is_seen and self._pose_stamp not in (None, message.header.stamp):
            self._pose_due_s = time.monotonic() + _POSE_TIMEOUT_S

    def _on_pose(self, message: PoseStamped) -> None:
        self._pose_stamp = message.header.stamp
        if self._pose_stamp == self._image_stamp:
            self._pose_due_s = None

    def _on_command(self, message: Twist | TwistStamped) -> None:
        twist = message.twist if isinstance(message, TwistStamped) else message
        self._robot.command(twist.linear.x, twist.angular.z)

    def _on_set_parameters(self, changes: list[Parameter]) -> SetParametersResult:
        was_hidden = self.config.hidden
        result, self.config = changed(self.config, changes, "is read at start: start the simulation with it")
        if self.config.hidden != was_hidden:
            state = "hidden" if self.config.hidden else "visible"
            self.get_logger().info(f"{self.time_s:.1f} s: the person is {state}")
        return result


def main(args: list[str] | None = None) -> int:
    """Run until `duration_s` is over or a signal comes; return 1 for an unusable parameter, else 0."""
    return run_node("sim_robot", SimRobot, SimRobot.run, args=args, interrupts=False)


def camera_info(camera: SimulatedCamera, header: Header) -> CameraInfo:
    """Return the calibration of the pinhole camera, without distortion."""
    focal, (u, v) = camera.focal_px, camera.center_px
    info = CameraInfo(header=header, width=camera.width, height=camera.height)
    info.distortion_model = "plumb_bob"
    info.d = [0.0] * 5
    info.k = [focal, 0.0, u, 0.0, focal, v, 0.0, 0.0, 1.0]
    info.r = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]
    info.p = [focal, 0.0, u, 0.0, 0.0, focal, v, 0.0, 0.0, 0.0, 1.0, 0.0]
    return info


def depth_image(depth_m: Float32Array, encoding: str, header: Header) -> Image:
    """Return a depth image (REP 118) of `depth_m` [H, W], in which 0 means that nothing was measured.

    Such pixels are 0 in 16UC1 (mm) and NaN in 32FC1 (m).
    """
    if encoding == "16UC1":
        values = np.rint(np.clip(depth_m * 1000, 0, 65535)).astype("<u2")
    else:
        values = np.where(depth_m > 0, depth_m, np.nan).astype("<f4")
    return to_image(values, encoding, header)


def planar_pose(header: Header, x_m: float, y_m: float, yaw_rad: float) -> PoseStamped:
    """Return a pose on the floor."""
    result = PoseStamped(header=header)
    result.pose.position.x, result.pose.position.y = x_m, y_m
    result.pose.orientation.z, result.pose.orientation.w = math.sin(yaw_rad / 2), math.cos(yaw_rad / 2)
    return result
