"""Why there are no poses: warnings in the log, and a status in ``/diagnostics``."""

from __future__ import annotations

import threading
from collections.abc import Mapping

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.node import Node
from std_msgs.msg import Header

from siammaskpp_ros.common.steady_clock import STEADY_CLOCK
from siammaskpp_ros.pose.depth import PairCounts

_THROTTLE_S = 10.0


class PoseDiagnostics:
    """Counts poses and reports why there are none; every method may be called from any thread."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._publisher = node.create_publisher(DiagnosticArray, "/diagnostics", 1)
        self._lock = threading.Lock()
        self._logged: set[str] = set()
        self._poses, self._targets_without_pose = 0, 0
        self._problem = ""

    def warn_once(self, problem: str) -> None:
        """Log a problem of the configuration the first time, and keep it for the diagnostics."""
        with self._lock:
            self._problem = problem
            is_new = problem not in self._logged
            self._logged.add(problem)
        if is_new:
            self._node.get_logger().warning(f"{problem}. Tracking goes on without poses")

    def warn_throttled(self, problem: str) -> None:
        """Log a problem that may come and go, at most once in ten seconds; do nothing when it is empty."""
        if not problem:
            return
        with self._lock:
            self._problem = problem
        self._node.get_logger().warning(
            problem, throttle_duration_sec=_THROTTLE_S, throttle_time_source_type=STEADY_CLOCK
        )

    def count(self, poses: int, reasons: Mapping[str, str]) -> None:
        """Count the poses of one image; `reasons` has an entry for each target without a pose."""
        with self._lock:
            self._poses += poses
            self._targets_without_pose += len(reasons)
            self._problem = "; ".join(f"{id}: {reason}" for id, reason in reasons.items())

    def publish(self, pairs: PairCounts | None) -> None:
        """Publish the counts and the newest problem; `pairs` is None without depth."""
        with self._lock:
            values = {"poses": self._poses, "targets_without_pose": self._targets_without_pose}
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
            message=problem or "poses are computed for every tracked image while somebody subscribes to them",
            hardware_id="siammaskpp",
            values=[KeyValue(key=name, value=str(value)) for name, value in values.items()],
        )
        stamp = self._node.get_clock().now().to_msg()
        self._publisher.publish(DiagnosticArray(header=Header(stamp=stamp), status=[status]))

    def destroy(self) -> None:
        """Destroy the publisher."""
        self._node.destroy_publisher(self._publisher)
