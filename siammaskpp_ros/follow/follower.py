"""The follower node: poses of the targets in, ``cmd_vel`` out.

The conditions for moving are in conditions.py, the control law is in control.py.
"""

from __future__ import annotations

import time
from typing import Any

from geometry_msgs.msg import Twist, TwistStamped
from rcl_interfaces.msg import SetParametersResult
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile, ReliabilityPolicy

from siammaskpp.msg import TrackedObjectArray, TrackedPoseArray
from siammaskpp_core.io.stamps import NS_PER_S, Order, StampOrder, has_jumped_back, stamp_ns
from siammaskpp_ros.common import parameters
from siammaskpp_ros.common.node_main import run_node
from siammaskpp_ros.common.steady_clock import STEADY_CLOCK
from siammaskpp_ros.follow.conditions import Decision, Results, TargetPose, TargetState, decide
from siammaskpp_ros.follow.control import STOP, FollowConfig, VelocityCommand, next_command

# Best effort receives from publishers of either reliability.
_NEWEST = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
# A simulation that is slower than real time pauses for less.
_CLOCK_TIMEOUT_S = 2.0


class Follower(Node):
    """Keeps the robot at a distance and a bearing to the target; see docs/following.md.

    While enabled, it publishes at a constant rate of real time, zero unless all conditions for moving hold.
    When it is disabled, it publishes one zero and then leaves ``cmd_vel`` to other nodes.
    """

    def __init__(self, **node_arguments: Any) -> None:
        super().__init__("follower", **node_arguments)
        self.config = parameters.declare(self, FollowConfig)
        self.add_on_set_parameters_callback(self._on_set_parameters)
        self._command = STOP
        self._order_of_poses, self._order_of_results = StampOrder(), StampOrder()
        self._results: Results | None = None
        self._poses: dict[str, TargetPose] = {}
        self._followed_id = ""
        self._step_ns: int | None = None
        self._clock_moved_s = time.monotonic()
        self._logged = ""
        self._kind = TwistStamped if self.config.enable_stamped_cmd_vel else Twist
        self._commands = self.create_publisher(self._kind, "cmd_vel", QoSProfile(depth=1))
        self.create_subscription(TrackedPoseArray, "tracker_node/tracked_poses", self._on_poses, _NEWEST)
        self.create_subscription(
            TrackedObjectArray, "tracker_node/tracked_objects", self._on_objects, _NEWEST
        )
        self.create_timer(1 / self.config.rate_hz, self._step, clock=STEADY_CLOCK)

    def halt(self) -> None:
        """Publish a zero and wait until the subscribers have it; call it before the node is destroyed."""
        self._publish(STOP)
        self._commands.wait_for_all_acked(Duration(seconds=0.5))

    def _on_poses(self, message: TrackedPoseArray) -> None:
        time_ns, frame_id = stamp_ns(message.header.stamp), message.header.frame_id
        if self._order_of_poses.check(time_ns) is Order.LATE:
            return
        # An image may give poses of other targets only: the followed one keeps its last pose until it is old.
        kept = {id: pose for id, pose in self._poses.items() if id in (self._followed_id, self.config.target)}
        for item in message.poses:
            point = item.pose.pose.position
            kept[item.id] = TargetPose(time_ns, frame_id, point.x, point.y, point.z)
        self._poses = kept

    def _on_objects(self, message: TrackedObjectArray) -> None:
        time_ns = stamp_ns(message.header.stamp)
        if self._order_of_results.check(time_ns) is Order.LATE:
            return
        targets = [TargetState(item.id, item.state, item.mask_value > 0) for item in message.objects]
        self._results = Results(time_ns, message.header.frame_id, targets)

    def _step(self) -> None:
        """Compute and publish one command, zero when the robot must not move or the command is not known."""
        command = STOP
        try:
            command = self._next_command()
        finally:
            self._command = command
            if self.config.enabled:
                self._publish(command)

    def _next_command(self) -> VelocityCommand:
        now_ns = self.get_clock().now().nanoseconds
        last_ns, self._step_ns = self._step_ns, now_ns
        decision = self._clock_problem(last_ns, now_ns) or decide(
            self.config, self._followed_id, self._results, self._poses, now_ns
        )
        if decision.target is None:
            self._log(f"Stopped: {decision.stop_reason}")
            return STOP
        self._log(f"Following {decision.id!r}")
        self._followed_id = decision.id
        # After steps that were missed on a busy processor, the limit keeps the acceleration low.
        period_s = 1 / self.config.rate_hz
        dt_s = period_s if last_ns is None else min((now_ns - last_ns) / NS_PER_S, 2 * period_s)
        return next_command(self.config, self._command, decision.target, decision.may_drive, dt_s)

    def _clock_problem(self, last_ns: int | None, now_ns: int) -> Decision | None:
        """Return the decision to stop when the node's clock has jumped back or stands still, else None.

        After a jump back, everything that was received before is forgotten, because its age is not known.
        """
        if has_jumped_back(last_ns, now_ns):
            self._results, self._poses = None, {}
            return Decision(stop_reason="the clock has jumped back")
        now_s = time.monotonic()
        if now_ns != last_ns:
            self._clock_moved_s = now_s
        if now_s - self._clock_moved_s > _CLOCK_TIMEOUT_S:
            return Decision(stop_reason="the clock stands still: with use_sim_time, /clock must be published")
        return None

    def _publish(self, command: VelocityCommand) -> None:
        message = self._kind()
        twist = message
        if isinstance(message, TwistStamped):
            message.header.stamp = self.get_clock().now().to_msg()
            message.header.frame_id = self.config.base_frame
            twist = message.twist
        twist.linear.x, twist.angular.z = command.speed_mps, command.turn_radps
        self._commands.publish(message)

    def _log(self, text: str) -> None:
        if text != self._logged:
            self._logged = text
            self.get_logger().info(text)

    def _on_set_parameters(self, changes: list[Parameter]) -> SetParametersResult:
        result, config = parameters.changed(self.config, changes, "is read at start: start the node with it")
        if self.config.enabled and not config.enabled:
            self._command = STOP
            self._publish(STOP)
        if not config.enabled or config.target != self.config.target:
            self._followed_id = ""
        self.config = config
        return result


def main(args: list[str] | None = None) -> int:
    """Run the node until a signal ends it, then stop the robot; return 1 when it cannot start, else 0."""
    return run_node("follower", Follower, args=args, interrupts=False, finish=Follower.halt)
