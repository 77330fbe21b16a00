"""What the node counts and measures, and how it says so: ``~/status`` and ``/diagnostics``."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from numpy.typing import NDArray
from rclpy.node import Node
from std_msgs.msg import Header

from siammaskpp.msg import TrackedObject, TrackerStatus
from siammaskpp_core.engines.load import DEFAULT_MODEL
from siammaskpp_core.io.image_messages import ImageMessageError
from siammaskpp_ros.common.image_input import ImageInput
from siammaskpp_ros.tracker.parameters import NodeConfig

_WINDOW_S = 5.0
_SILENCE_S = 2.0
# Far above the slowest network on the slowest board.
_HANG_S = 5.0
_LEVELS = {
    TrackerStatus.INACTIVE: DiagnosticStatus.OK,
    TrackerStatus.WAITING: DiagnosticStatus.WARN,
    TrackerStatus.IDLE: DiagnosticStatus.OK,
    TrackerStatus.TRACKING: DiagnosticStatus.OK,
    TrackerStatus.LOST: DiagnosticStatus.WARN,
    TrackerStatus.ERROR: DiagnosticStatus.ERROR,
}


@dataclass(frozen=True)
class Measured:
    """Counts since activation and times over the last seconds (NaN: nothing measured)."""

    received: int = 0
    tracked: int = 0
    idle: int = 0
    dropped: int = 0
    failed: int = 0
    received_hz: float = float("nan")
    fps: float = float("nan")
    latency_median_ms: float = float("nan")
    latency_p95_ms: float = float("nan")
    age_median_ms: float = float("nan")
    error: str = ""  # why the newest processed image failed; empty when it did not
    last_received_s: float | None = None  # monotonic clock
    begun_s: float | None = None  # when work on an image began that has not ended; monotonic clock
    stamp_complaint: str = ""  # what is wrong with the newest image's stamp
    stamps_jumped_back: int = 0
    states: tuple[int, ...] = field(default=())  # of the targets in the newest processed image


class Statistics:
    """Counts frames and measures times; every method may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._measured = Measured()
        self._stamps = StampWatch()
        self._arrivals: deque[float] = deque(maxlen=1024)  # monotonic time, in s
        # (monotonic time of publishing, latency, age), in s
        self._times: deque[tuple[float, float, float]] = deque(maxlen=1024)

    def frame_received(self, now_s: float, stamp_ns: int) -> str:
        """Count an arrival; a warning when its stamp is wrong in a new way, else an empty text."""
        with self._lock:
            warning = self._stamps.look(stamp_ns)
            self._arrivals.append(now_s)
            self._measured = replace(
                self._measured,
                received=self._measured.received + 1,
                last_received_s=now_s,
                stamp_complaint=self._stamps.complaint,
                stamps_jumped_back=self._stamps.jumps_back,
            )
        return warning

    def frame_begun(self, now_s: float) -> None:
        """Remember that work on an image began."""
        with self._lock:
            self._measured = replace(self._measured, begun_s=now_s)

    def frame_dropped(self) -> None:
        """Count a frame that was replaced by a newer one."""
        with self._lock:
            self._measured = replace(self._measured, dropped=self._measured.dropped + 1)

    def frame_failed(self, error: str) -> None:
        """Count a frame that could not be processed, and remember why."""
        with self._lock:
            failed = self._measured.failed + 1
            self._measured = replace(self._measured, failed=failed, error=error, begun_s=None)

    def frame_done(self, now_s: float, latency_s: float, age_s: float, states: tuple[int, ...]) -> None:
        """Count a frame whose results were published; `states` are those of the targets in it."""
        with self._lock:
            tracked, idle = self._measured.tracked + bool(states), self._measured.idle + (not states)
            self._measured = replace(
                self._measured, error="", states=states, begun_s=None, tracked=tracked, idle=idle
            )
            self._times.append((now_s, latency_s, age_s))

    def measured(self, now_s: float) -> Measured:
        """Everything as of now."""
        with self._lock:
            recent = np.array([row for row in self._times if row[0] > now_s - _WINDOW_S])
            arrivals = [arrival_s for arrival_s in self._arrivals if arrival_s > now_s - _WINDOW_S]
            measured = replace(self._measured, received_hz=_rate(arrivals))
        if len(recent) < 2:
            return measured
        latencies_ms = recent[:, 1] * 1e3
        return replace(
            measured,
            fps=_rate(recent[:, 0]),
            latency_median_ms=float(np.median(latencies_ms)),
            latency_p95_ms=float(np.percentile(latencies_ms, 95)),
            age_median_ms=float(np.median(recent[:, 2]) * 1e3),  # NaN with an image without a stamp
        )


def _rate(times_s: Sequence[float] | NDArray[np.float64]) -> float:
    """Events per second between the first and the last; NaN for fewer than two."""
    duration_s = times_s[-1] - times_s[0] if len(times_s) > 1 else 0.0
    return float((len(times_s) - 1) / duration_s) if duration_s > 0 else float("nan")


def judge(measured: Measured, is_active: bool, targets: int, now_s: float, hint: str) -> tuple[int, str]:
    """State and one sentence for the operator.

    `hint` says what an active node waits for when no images come, and why an inactive one could not start
    (empty: nobody asked it to).
    """
    if not is_active:
        if hint:
            return int(TrackerStatus.ERROR), hint
        return int(
            TrackerStatus.INACTIVE
        ), "not active: use ros2 lifecycle set, or start with autostart:=true"
    if measured.begun_s is not None and now_s - measured.begun_s > _HANG_S:
        return int(TrackerStatus.ERROR), (
            f"the tracker has been at one image for {now_s - measured.begun_s:.0f} s: its engine hangs or "
            "the machine is overloaded; restart the node when this goes on"
        )
    if measured.last_received_s is None or now_s - measured.last_received_s > _SILENCE_S:
        return int(TrackerStatus.WAITING), hint
    if measured.error:
        return int(TrackerStatus.ERROR), measured.error
    state, text = _judge_targets(measured, targets)
    return state, f"{text}; {measured.stamp_complaint}" if measured.stamp_complaint else text


def _judge_targets(measured: Measured, targets: int) -> tuple[int, str]:
    if targets == 0:
        return int(TrackerStatus.IDLE), "images arrive; call ~/set_target with a box"
    lost = measured.states.count(TrackedObject.LOST)
    if measured.states and lost == len(measured.states):
        return int(TrackerStatus.LOST), "every target is lost; still searching"
    return int(TrackerStatus.TRACKING), f"{targets} target(s), {lost} lost"


def status_message(
    measured: Measured, state: int, text: str, stamp: Time, engine: str, model: str, targets: int
) -> TrackerStatus:
    """The message for ``~/status``."""
    return TrackerStatus(
        header=Header(stamp=stamp),
        state=state,
        message=text,
        engine=engine,
        model=model,
        targets=targets,
        targets_lost=measured.states.count(TrackedObject.LOST),
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
    """The same for ``/diagnostics``, where robot monitors look, and what is known about the `camera`.

    Incompatible publishers and images without stamps are a warning there, however well all else goes.
    """
    values = {
        name: getattr(status, name)
        for name in status.get_fields_and_field_types()
        if name not in ("header", "state", "message")
    }
    values |= {"image_rate_hz": measured.received_hz, "stamps_jumped_back": measured.stamps_jumped_back}
    values |= camera
    texts = {
        name: f"{value:.1f}" if isinstance(value, float) else str(value) for name, value in values.items()
    }
    mismatch = camera.get("incompatible_qos", "")
    is_doubtful = bool(mismatch or measured.stamp_complaint)
    level = max(_LEVELS[status.state], DiagnosticStatus.WARN if is_doubtful else DiagnosticStatus.OK)
    report = DiagnosticStatus(
        level=level,
        name=f"{node_name}: tracking",
        message=f"{status.message}; {mismatch}" if mismatch not in status.message else status.message,
        hardware_id="siammaskpp",
        values=[KeyValue(key=name, value=text) for name, text in texts.items()],
    )
    return DiagnosticArray(header=status.header, status=[report])


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
        self.statistics = Statistics()

    def start(self) -> None:
        """Count anew: the node becomes active."""
        self.fault = ""
        self.statistics = Statistics()
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
        state, text = judge(measured, images is not None, targets, now_s, hint)
        model = config.model or str(DEFAULT_MODEL)
        stamp = self._node.get_clock().now().to_msg()
        status = status_message(measured, state, text, stamp, config.engine.engine, model, targets)
        self._status.publish(status)
        camera = {"image_topic": images.topic, "incompatible_qos": images.incompatible} if images else {}
        name = self._node.get_fully_qualified_name()
        self._diagnostics.publish(diagnostic_message(status, name, measured, camera))

    def _complain(self, config: NodeConfig, measured: Measured, hint: str, now_s: float) -> None:
        """Log that no images come, once in `no_image_warning_s`."""
        silent_since_s = max(self._silent_since_s, measured.last_received_s or 0.0)
        if now_s - silent_since_s > config.no_image_warning_s:
            self._silent_since_s = now_s
            self._node.get_logger().warning(hint)


class StampWatch:
    """Looks at the stamps of arriving images, in the order in which they arrive; used by one thread."""

    def __init__(self) -> None:
        self._newest_ns = 0
        self._is_missing = False
        self.jumps_back = 0

    def look(self, stamp_ns: int) -> str:
        """A warning when this image's stamp begins to be wrong or jumps back; else an empty text."""
        began_to_miss = not stamp_ns and not self._is_missing
        self._is_missing = not stamp_ns
        if began_to_miss:
            return self.complaint
        if not stamp_ns:
            return ""
        back_s = (self._newest_ns - stamp_ns) * 1e-9
        self._newest_ns = stamp_ns
        if back_s <= 0:
            return ""
        self.jumps_back += 1
        return (
            f"the stamps of the images jumped back by {back_s:.3f} s (a bag that starts again, or two "
            "cameras on one topic?); targets are kept"
        )

    @property
    def complaint(self) -> str:
        """What is wrong with the newest image's stamp; empty when nothing is."""
        if not self._is_missing:
            return ""
        return (
            "the images have no stamp (it is zero): their age cannot be measured, boxes cannot name their "
            "image, and who combines the results with others cannot match them; let the camera fill "
            "header.stamp"
        )
