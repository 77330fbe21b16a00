"""The follower node: pose of the target in, ``cmd_vel`` out. The control law is in following.py."""

from __future__ import annotations

import sys
from typing import Any

import rclpy
from geometry_msgs.msg import PoseStamped, Twist, TwistStamped
from rcl_interfaces.msg import SetParametersResult
from rclpy.duration import Duration
from rclpy.exceptions import ParameterException
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.signals import SignalHandlerOptions
from rclpy.time import Time

from siammaskpp.msg import TrackedObject, TrackedObjectArray
from siammaskpp_core.config import ConfigError, from_mapping, to_mapping
from siammaskpp_ros.common import parameters
from siammaskpp_ros.common.processes import ended_by_signals, spin_until
from siammaskpp_ros.follow.control import (
    RUNTIME_FOLLOW_PARAMETERS,
    STANDING,
    FollowConfig,
    Motion,
    Place,
    follow,
    locate,
    reason_to_stand,
)

# Only the newest counts, from publishers of either reliability.
_NEWEST = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)


class Follower(Node):
    """Keeps a distance and a bearing to the target; see docs/following.md.

    While it is enabled it publishes at a steady rate: zero unless there is a fresh pose. Once disabled it
    publishes one zero and leaves ``cmd_vel`` to others.
    """

    def __init__(self, **node_arguments: Any) -> None:
        super().__init__("follower", **node_arguments)
        self.config = parameters.declare(self, FollowConfig)
        self.add_on_set_parameters_callback(self._on_set_parameters)
        self._motion = STANDING
        self._place: Place | None = None
        self._pose_ns: int | None = None
        self._objects: TrackedObjectArray | None = None
        self._step_ns: int | None = None
        self._reason: str | None = None
        self._kind = TwistStamped if self.config.enable_stamped_cmd_vel else Twist
        self._commands = self.create_publisher(self._kind, "cmd_vel", QoSProfile(depth=1))
        self.create_subscription(PoseStamped, "tracker_node/target_pose", self._on_pose, _NEWEST)
        self.create_subscription(
            TrackedObjectArray, "tracker_node/tracked_objects", self._on_objects, _NEWEST
        )
        self.create_timer(1 / self.config.rate_hz, self._step)

    def halt(self) -> None:
        """Publish a zero and wait until it has been received; the last thing the node does."""
        self._publish(STANDING)
        self._commands.wait_for_all_acked(Duration(seconds=0.5))

    def _on_pose(self, message: PoseStamped) -> None:
        point = message.pose.position
        # A pose that makes no sense takes the place of the one before: that one is not fresh any more.
        self._place = locate(point.x, point.y, point.z, self.config.camera_tilt_rad)
        self._pose_ns = Time.from_msg(message.header.stamp).nanoseconds

    def _on_objects(self, message: TrackedObjectArray) -> None:
        self._objects = message

    def _step(self) -> None:
        """One command; zero unless everything is well."""
        now_ns = self.get_clock().now().nanoseconds
        dt_s = 1 / self.config.rate_hz
        if self._step_ns is not None:
            # What was missed while the processor was busy is not made up for.
            dt_s = min(max(now_ns - self._step_ns, 0) * 1e-9, 2 * dt_s)
        self._step_ns = now_ns
        seen = self._seen()
        reason = reason_to_stand(self.config, self._pose_age_s(now_ns), seen is None or bool(seen))
        self._tell(reason)
        if reason or self._place is None:
            self._motion = STANDING
        else:
            may_drive = seen is None or any(item.state == TrackedObject.TRACKING for item in seen)
            self._motion = follow(self.config, self._motion, self._place, may_drive, dt_s)
        if self.config.enabled:
            self._publish(self._motion)

    def _pose_age_s(self, now_ns: int) -> float | None:
        return None if self._pose_ns is None or self._place is None else (now_ns - self._pose_ns) * 1e-9

    def _seen(self) -> list[TrackedObject] | None:
        """Our targets that were seen in the newest image; None when the pose is newer than that."""
        if self._objects is None:
            return None
        if (
            self._pose_ns is not None
            and Time.from_msg(self._objects.header.stamp).nanoseconds < self._pose_ns
        ):
            return None
        return [
            item for item in self._objects.objects if item.mask_value and self.config.target in ("", item.id)
        ]

    def _publish(self, motion: Motion) -> None:
        message = self._kind()
        twist = message
        if isinstance(message, TwistStamped):
            message.header.stamp = self.get_clock().now().to_msg()
            message.header.frame_id = self.config.base_frame
            twist = message.twist
        twist.linear.x, twist.angular.z = motion.speed_mps, motion.turn_radps
        self._commands.publish(message)

    def _tell(self, reason: str) -> None:
        if reason == self._reason:
            return
        self._reason = reason
        self.get_logger().info(f"Standing: {reason}" if reason else "Following")

    def _on_set_parameters(self, changes: list[Parameter]) -> SetParametersResult:
        ours = to_mapping(self.config)
        given = {change.name: change.value for change in changes if change.name in ours}
        fixed = [
            name
            for name, value in given.items()
            if name not in RUNTIME_FOLLOW_PARAMETERS and value != ours[name]
        ]
        if fixed:
            reason = f"{fixed[0]} is read at start: start the node with it"
            return SetParametersResult(successful=False, reason=reason)
        try:
            config = from_mapping(FollowConfig, ours | given, "parameters")
        except ConfigError as error:
            return SetParametersResult(successful=False, reason=str(error))
        if self.config.enabled and not config.enabled:
            self._motion = STANDING
            self._publish(STANDING)
        self.config = config
        return SetParametersResult(successful=True)


def main(args: list[str] | None = None) -> int:
    """Run the node until Ctrl-C or SIGTERM, then stop the robot; the exit code is 1 when it cannot start."""
    with ended_by_signals() as ended:
        # rclpy's own handlers would take the publisher away before the last zero.
        rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
        executor = SingleThreadedExecutor()
        try:
            node = Follower()
        except (ConfigError, ParameterException) as error:
            print(f"follower: {error}", file=sys.stderr)
            rclpy.try_shutdown()
            return 1
        executor.add_node(node)
        try:
            spin_until(ended, executor)
        finally:
            node.halt()
            executor.shutdown(timeout_sec=1.0)
            node.destroy_node()
            rclpy.try_shutdown()
    return 0
