"""The state of the tracker node for operators: ``~/status``, ``/diagnostics`` and warnings in the log."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import NamedTuple

from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.node import Node
from std_msgs.msg import Header

from siammaskpp.msg import TrackerStatus
from siammaskpp_core.io.image_messages import ImageMessageError
from siammaskpp_core.tracking import State
from siammaskpp_ros.common.image_input import ImageInput
from siammaskpp_ros.common.steady_clock import RepeatFilter
from siammaskpp_ros.tracker.parameters import NodeConfig
from siammaskpp_ros.tracker.statistics import Measured, Statistics

# Without an image for this long the node is WAITING.
_SILENCE_S = 2.0
# An image that takes this long hangs: the slowest network on the slowest board needs far less.
_HANG_S = 5.0
# A failure that persists is logged again after this time.
_REPEAT_FAILURE_S = 5.0
_REPEAT_TWINS_S = 60.0
_LEVELS = {
    TrackerStatus.INACTIVE: DiagnosticStatus.OK,
    TrackerStatus.WAITING: DiagnosticStatus.WARN,
    TrackerStatus.IDLE: DiagnosticStatus.OK,
    TrackerStatus.TRACKING: DiagnosticStatus.OK,
    TrackerStatus.LOST: DiagnosticStatus.WARN,
    TrackerStatus.ERROR: DiagnosticStatus.ERROR,
}


class Network(NamedTuple):
    """The network that is loaded; the parameters may have other words for it, such as auto."""

    engine: str
    model: str

    def __str__(self) -> str:
        return f"engine {self.engine}, model {self.model}"


class Reporter:
    """Publishes ``~/status`` and ``/diagnostics``.

    `statistics` are counted from activation on; `fault` says why the node could not be configured or
    activated; `network` is None while none is loaded.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._status = node.create_publisher(TrackerStatus, "~/status", 1)
        self._diagnostics = node.create_publisher(DiagnosticArray, "/diagnostics", 1)
        self._silent_since_s = 0.0
        self._failures = RepeatFilter(_REPEAT_FAILURE_S)
        self._twins = RepeatFilter(_REPEAT_TWINS_S)
        self.fault = ""
        self.network: Network | None = None
        self.statistics = Statistics()

    def start(self) -> None:
        """Reset all counts: the node becomes active."""
        self.fault = ""
        self.statistics = Statistics()
        self._silent_since_s = time.monotonic()

    def failed(self, index: int, error: Exception) -> None:
        """Count an image without a result, and log a new reason at once, the same one every few seconds."""
        reason = str(error)
        if not isinstance(error, ImageMessageError):  # its message already says what to do
            reason = (
                f"the tracker failed: {type(error).__name__}: {error}; if this persists, restart the node "
                "or choose another engine"
            )
        self.statistics.frame_failed(f"no result for image {index}: {reason}")
        if self._failures.is_due(reason):
            self._node.get_logger().error(f"No result for image {index}; targets are kept: {reason}")

    def targets_failed(self, failures: Mapping[str, str]) -> str:
        """Return one sentence about the targets for which the tracker failed, by id, and log it when new."""
        if not failures:
            return ""
        reasons = "; ".join(f"target {id!r}: {reason}" for id, reason in failures.items())
        text = f"the tracker failed for a target, which is kept; set it again if this persists: {reasons}"
        if self._failures.is_due(text):
            self._node.get_logger().error(text)
        return text

    def report(self, config: NodeConfig, images: ImageInput | None, targets: int) -> None:
        """Publish the state of the node; `images` is None while the node is not active."""
        now_s = time.monotonic()
        measured = self.statistics.measured(now_s)
        hint = self.fault
        if images is not None:
            images.adapt()
            hint = images.hint()
            self._warn_of_silence(config, measured, hint, now_s)
        state, text = judge(measured, images is not None, targets, now_s, hint)
        twins = self._node.count_publishers(self._status.topic_name) - 1
        if twins > 0:
            name = self._node.get_fully_qualified_name()
            text += (
                f"; {twins} other node(s) have the name {name} and publish on the same topics: end them, or "
                "start each with another name or namespace (-r __node:=... or -r __ns:=...)"
            )
            if self._twins.is_due(name):
                self._node.get_logger().warning(text)
        network = self.network or Network(config.engine.engine, config.model)
        stamp = self._node.get_clock().now().to_msg()
        status = status_message(measured, state, text, stamp, network, targets)
        self._status.publish(status)
        camera = {"image_topic": images.topic, "incompatible_qos": images.incompatible} if images else {}
        name = self._node.get_fully_qualified_name()
        self._diagnostics.publish(diagnostic_message(status, name, measured, camera))

    def _warn_of_silence(self, config: NodeConfig, measured: Measured, hint: str, now_s: float) -> None:
        """Log `hint` whenever no image has arrived for `no_image_warning_s`."""
        silent_since_s = max(self._silent_since_s, measured.last_received_s or 0.0)
        if now_s - silent_since_s > config.no_image_warning_s:
            self._silent_since_s = now_s
            self._node.get_logger().warning(hint)


def judge(measured: Measured, is_active: bool, targets: int, now_s: float, hint: str) -> tuple[int, str]:
    """Return the state of the node, a constant of TrackerStatus, and one sentence for the operator.

    `hint` says why an active node gets no images, or why an inactive one could not start; it is empty when
    an inactive node has not been asked to start.
    """
    if not is_active:
        if hint:
            return int(TrackerStatus.ERROR), hint
        text = "not active: use ros2 lifecycle set, or start with autostart:=true"
        return int(TrackerStatus.INACTIVE), text
    if measured.begun_s is not None and now_s - measured.begun_s > _HANG_S:
        return int(TrackerStatus.ERROR), (
            f"the tracker has been working on one image for {now_s - measured.begun_s:.0f} s: its engine "
            "hangs or the machine is overloaded; restart the node if this persists"
        )
    if measured.last_received_s is None or now_s - measured.last_received_s > _SILENCE_S:
        return int(TrackerStatus.WAITING), hint
    if measured.error:
        return int(TrackerStatus.ERROR), measured.error
    state, text = _judge_targets(measured, targets)
    return state, f"{text}; {measured.stamp_problem}" if measured.stamp_problem else text


def status_message(
    measured: Measured, state: int, text: str, stamp: Time, network: Network, targets: int
) -> TrackerStatus:
    """Return the message for ``~/status``; `text` is one sentence, `targets` the number of targets."""
    return TrackerStatus(
        header=Header(stamp=stamp),
        state=state,
        message=text,
        engine=network.engine,
        model=network.model,
        targets=targets,
        targets_lost=measured.states.count(State.LOST),
        frames_received=measured.received,
        frames_tracked=measured.tracked,
        frames_idle=measured.idle,
        frames_dropped=measured.dropped,
        frames_failed=measured.failed,
        fps=measured.fps,
        latency_median_ms=measured.latency_median_ms,
        latency_p95_ms=measured.latency_p95_ms,
        age_median_ms=measured.age_median_ms,
    )


def diagnostic_message(
    status: TrackerStatus, node_name: str, measured: Measured, camera: Mapping[str, str]
) -> DiagnosticArray:
    """Return the status as a message for ``/diagnostics``, with what is known about the `camera`.

    Publishers with an incompatible QoS and images without stamps raise the level to WARN.
    """
    values = {
        name: getattr(status, name)
        for name in status.get_fields_and_field_types()
        if name not in ("header", "state", "message")
    }
    values |= {
        "image_rate_hz": measured.received_hz,
        "stamps_jumped_back": measured.stamps_jumped_back,
        "stamps_out_of_order": measured.stamps_out_of_order,
        "images_of_another_camera": measured.images_of_another_camera,
    }
    values |= camera
    texts = {
        name: f"{value:.1f}" if isinstance(value, float) else str(value) for name, value in values.items()
    }
    mismatch = camera.get("incompatible_qos", "")
    is_doubtful = bool(mismatch or measured.stamp_problem)
    level = max(_LEVELS[status.state], DiagnosticStatus.WARN if is_doubtful else DiagnosticStatus.OK)
    report = DiagnosticStatus(
        level=level,
        name=f"{node_name}: tracking",
        message=f"{status.message}; {mismatch}" if mismatch not in status.message else status.message,
        hardware_id="siammaskpp",
        values=[KeyValue(key=name, value=text) for name, text in texts.items()],
    )
    return DiagnosticArray(header=status.header, status=[report])


def _judge_targets(measured: Measured, targets: int) -> tuple[int, str]:
    if targets == 0:
        return int(TrackerStatus.IDLE), "images arrive; call ~/set_target with a box"
    lost = measured.states.count(State.LOST)
    if measured.states and lost == len(measured.states):
        return int(TrackerStatus.LOST), "every target is lost; still searching"
    return int(TrackerStatus.TRACKING), f"{targets} target(s), {lost} lost"
