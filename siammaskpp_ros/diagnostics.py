"""What the node counts and measures, and how it says so: ``~/status`` and ``/diagnostics``."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from numpy.typing import NDArray
from std_msgs.msg import Header

from siammaskpp.msg import TrackedObject, TrackerStatus

from .stamps import StampWatch

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
