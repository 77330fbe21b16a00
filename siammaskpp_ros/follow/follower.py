"""The follower node: pose of the target in, ``cmd_vel`` out. The control law is in control.py."""

from __future__ import annotations

from threading import Event
from typing import Any

from geometry_msgs.msg import PoseStamped, Twist, TwistStamped
from rcl_interfaces.msg import SetParametersResult
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile, ReliabilityPolicy

from siammaskpp.msg import TrackedObject, TrackedObjectArray
from siammaskpp_core.io.stamps import has_jumped_back, stamp_ns
from siammaskpp_ros.common import parameters
from siammaskpp_ros.common.node_main import run_node
from siammaskpp_ros.follow.control import (
    STOP,
    FollowConfig,
    TargetPosition,
    VelocityCommand,
    next_command,
    stop_reason,
    target_position,
)

# Best effort receives from publishers of either reliability.
_NEWEST = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)


class Follower(Node):
    """Keeps the robot at a distance and a bearing to the target; see docs/following.md.

    While enabled, it publishes at a constant rate, zero unless there is a fresh pose. When it is disabled,
    it publishes one zero and then leaves ``cmd_vel`` to other nodes.
    """

    def __init__(self, **node_arguments: Any) -> None:
        super().__init__("follower", **node_arguments)
        self.config = parameters.declare(self, FollowConfig)
        self.add_on_set_parameters_callback(self._on_set_parameters)
        self._command = STOP
        self._target: TargetPosition | None = None
        self._pose_ns: int | None = None
        self._objects: TrackedObjectArray | None = None
        self._step_ns: int | None = None
        self._logged_reason: str | None = None
        self._kind = TwistStamped if self.config.enable_stamped_cmd_vel else Twist
        self._commands = self.create_publisher(self._kind, "cmd_vel", QoSProfile(depth=1))
        self.create_subscription(PoseStamped, "tracker_node/target_pose", self._on_pose, _NEWEST)
        self.create_subscription(
            TrackedObjectArray, "tracker_node/tracked_objects", self._on_objects, _NEWEST
        )
        self.create_timer(1 / self.config.rate_hz, self._step)

    def halt(self) -> None:
        """Publish a zero and wait until the subscribers have it; call it before the node is destroyed."""
        self._publish(STOP)
        self._commands.wait_for_all_acked(Duration(seconds=0.5))

    def _on_pose(self, message: PoseStamped) -> None:
        point = message.pose.position
        # An unusable pose replaces the one before, which is no longer the newest.
        self._target = target_position(point.x, point.y, point.z, self.config.camera_tilt_rad)
        self._pose_ns = stamp_ns(message.header.stamp)

    def _on_objects(self, message: TrackedObjectArray) -> None:
        self._objects = message

    def _step(self) -> None:
        """Compute and publish one command, zero when the robot must not move."""
        now_ns = self.get_clock().now().nanoseconds
        dt_s = self._elapsed_s(now_ns)
        seen = self._seen_targets()
        reason = stop_reason(self.config, self._pose_age_s(now_ns), seen is None or bool(seen))
        self._log(reason)
        if reason or self._target is None:
            self._command = STOP
        else:
            may_drive = seen is None or any(item.state == TrackedObject.TRACKING for item in seen)
            self._command = next_command(self.config, self._command, self._target, may_drive, dt_s)
        if self.config.enabled:
            self._publish(self._command)

    def _elapsed_s(self, now_ns: int) -> float:
        """Return the time since the last step, at most two periods; 0 when the clock has jumped back.

        The limit keeps the acceleration low after steps that were missed on a busy processor.
        """
        last_ns, self._step_ns = self._step_ns, now_ns
        if last_ns is None:
            return 1 / self.config.rate_hz
        if has_jumped_back(last_ns, now_ns):
            return 0.0
        return min((now_ns - last_ns) * 1e-9, 2 / self.config.rate_hz)

    def _pose_age_s(self, now_ns: int) -> float | None:
        return None if self._pose_ns is None or self._target is None else (now_ns - self._pose_ns) * 1e-9

    def _seen_targets(self) -> list[TrackedObject] | None:
        """Return the followed targets seen in the newest image; None when the pose is of a newer image."""
        if self._objects is None:
            return None
        if self._pose_ns is not None and stamp_ns(self._objects.header.stamp) < self._pose_ns:
            return None
        return [
            item for item in self._objects.objects if item.mask_value and self.config.target in ("", item.id)
        ]

    def _publish(self, command: VelocityCommand) -> None:
        message = self._kind()
        twist = message
        if isinstance(message, TwistStamped):
            message.header.stamp = self.get_clock().now().to_msg()
            message.header.frame_id = self.config.base_frame
            twist = message.twist
        twist.linear.x, twist.angular.z = command.speed_mps, command.turn_radps
        self._commands.publish(message)

    def _log(self, reason: str) -> None:
        if reason != self._logged_reason:
            self._logged_reason = reason
            self.get_logger().info(f"Stopped: {reason}" if reason else "Following")

    def _on_set_parameters(self, changes: list[Parameter]) -> SetParametersResult:
        result, config = parameters.changed(self.config, changes, "is read at start: start the node with it")
        if self.config.enabled and not config.enabled:
            self._command = STOP
            self._publish(STOP)
        self.config = config
        return result


def main(args: list[str] | None = None) -> int:
    """Run the node until Ctrl-C or SIGTERM, then stop the robot; return 1 when it cannot start, else 0."""
    # ROS must outlive the signals: the last command, a zero, is published after them.
    return run_node("follower", Follower, args=args, stop=Event(), finish=Follower.halt)
