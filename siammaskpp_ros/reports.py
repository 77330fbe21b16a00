"""Once a second: status, diagnostics, and a warning when no images come."""

from __future__ import annotations

import time

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node

from siammaskpp.msg import TrackerStatus
from siammaskpp_core.engines import DEFAULT_MODEL
from siammaskpp_core.image_messages import ImageMessageError

from . import diagnostics
from .image_input import ImageInput
from .parameters import NodeConfig

_REPEAT_FAILURE_S = 5.0


class Reporter:
    """Publishes ``~/status`` and ``/diagnostics``.

    `statistics` are those since activation; `fault` says why the node could not be configured or activated.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._status = node.create_publisher(TrackerStatus, "~/status", 1)
        self._diagnostics = node.create_publisher(DiagnosticArray, "/diagnostics", 1)
        self._silent_since_s = 0.0
        self._logged_failure = ("", 0.0)
        self.fault = ""
        self.statistics = diagnostics.Statistics()

    def start(self) -> None:
        """Count anew: the node becomes active."""
        self.fault = ""
        self.statistics = diagnostics.Statistics()
        self._silent_since_s = time.monotonic()

    def failed(self, index: int, error: Exception) -> None:
        """Count an image without a result, and log why: when the reason is new, then every few seconds."""
        reason = str(error)
        if not isinstance(error, ImageMessageError):  # those name the remedy
            reason = (
                f"the tracker failed: {type(error).__name__}: {error}; when this goes on, restart the node "
                "or choose another engine"
            )
        self.statistics.frame_failed(f"no result for image {index}: {reason}")
        now_s, (logged, logged_s) = time.monotonic(), self._logged_failure
        if reason != logged or now_s - logged_s > _REPEAT_FAILURE_S:
            self._logged_failure = (reason, now_s)
            self._node.get_logger().error(f"No result for image {index}; targets are kept: {reason}")

    def report(self, config: NodeConfig, images: ImageInput | None, targets: int) -> None:
        """Publish how things are; `images` is None while the node is not active."""
        now_s = time.monotonic()
        measured = self.statistics.measured(now_s)
        hint = self.fault
        if images is not None:
            images.adapt()
            hint = images.hint()
            self._complain(config, measured, hint, now_s)
        state, text = diagnostics.judge(measured, images is not None, targets, now_s, hint)
        model = config.model or str(DEFAULT_MODEL)
        stamp = self._node.get_clock().now().to_msg()
        status = diagnostics.status_message(measured, state, text, stamp, config.engine, model, targets)
        self._status.publish(status)
        camera = {"image_topic": images.topic, "incompatible_qos": images.incompatible} if images else {}
        name = self._node.get_fully_qualified_name()
        self._diagnostics.publish(diagnostics.diagnostic_message(status, name, measured, camera))

    def _complain(self, config: NodeConfig, measured: diagnostics.Measured, hint: str, now_s: float) -> None:
        """Log that no images come, once in `no_image_warning_s`."""
        silent_since_s = max(self._silent_since_s, measured.last_received_s or 0.0)
        if now_s - silent_since_s > config.no_image_warning_s:
            self._silent_since_s = now_s
            self._node.get_logger().warning(hint)
