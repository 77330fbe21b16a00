"""What goes wrong with poses: warnings, and a line in ``/diagnostics``."""

from __future__ import annotations

import threading
from collections.abc import Mapping

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.node import Node
from std_msgs.msg import Header

from siammaskpp_ros.pose.depth import PairCounts

_THROTTLE_S = 10.0


class PoseReport:
    """Counts poses and says why there are none; every method may be called from any thread."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._publisher = node.create_publisher(DiagnosticArray, "/diagnostics", 1)
        self._lock = threading.Lock()
        self._said: set[str] = set()
        self._poses, self._without = 0, 0
        self._problem = ""

    def complain_once(self, problem: str) -> None:
        """Log what is set up wrongly, the first time, and keep it for the diagnostics."""
        with self._lock:
            self._problem = problem
            is_new = problem not in self._said
            self._said.add(problem)
        if is_new:
            self._node.get_logger().warning(f"{problem}. Tracking goes on without poses")

    def complain_often(self, problem: str) -> None:
        """Log what may come and go, once in ten seconds; an empty text says nothing."""
        if not problem:
            return
        with self._lock:
            self._problem = problem
        self._node.get_logger().warning(problem, throttle_duration_sec=_THROTTLE_S)

    def made(self, poses: int, reasons: Mapping[str, str]) -> None:
        """Count the poses of one image; `reasons` are those of the targets that have none."""
        with self._lock:
            self._poses += poses
            self._without += len(reasons)
            self._problem = "; ".join(f"{id}: {reason}" for id, reason in reasons.items())

    def publish(self, pairs: PairCounts | None) -> None:
        """Publish the counts and the newest problem."""
        with self._lock:
            values = {"poses": self._poses, "targets_without_pose": self._without}
            problem, self._problem = self._problem, ""
        if pairs is not None:
            values |= {
                "depth_images": pairs.depth_images,
                "images_with_depth": pairs.paired,
                "images_without_depth": pairs.unmatched,
            }
        status = DiagnosticStatus(
            level=DiagnosticStatus.WARN if problem else DiagnosticStatus.OK,
            name=f"{self._node.get_fully_qualified_name()}: pose",
            message=problem or "poses are made of every image with a target that somebody wants them of",
            hardware_id="siammaskpp",
            values=[KeyValue(key=name, value=str(value)) for name, value in values.items()],
        )
        stamp = self._node.get_clock().now().to_msg()
        self._publisher.publish(DiagnosticArray(header=Header(stamp=stamp), status=[status]))

    def destroy(self) -> None:
        """Take the topic away."""
        self._node.destroy_publisher(self._publisher)
