"""What the node counts and measures, and how it says so: ``~/status`` and ``/diagnostics``."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, field, replace

import numpy as np
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from std_msgs.msg import Header

from siammaskpp.msg import TrackedObject, TrackerStatus

_WINDOW_S = 5.0
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
    fps: float = float("nan")
    latency_median_ms: float = float("nan")
    latency_p95_ms: float = float("nan")
    age_median_ms: float = float("nan")
    error: str = ""  # why the newest processed image failed; empty when it did not
    last_received_s: float | None = None  # monotonic clock
    states: tuple[int, ...] = field(default=())  # of the targets in the newest processed image


class Statistics:
    """Counts frames and measures times; every method may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._measured = Measured()
        # (monotonic time of publishing, latency, age), in s
        self._times: deque[tuple[float, float, float]] = deque(maxlen=1024)

    def frame_received(self, now_s: float) -> None:
        """Count an arrival."""
        with self._lock:
            received = self._measured.received + 1
            self._measured = replace(self._measured, received=received, last_received_s=now_s)

    def frame_dropped(self) -> None:
        """Count a frame that was replaced by a newer one."""
        with self._lock:
            self._measured = replace(self._measured, dropped=self._measured.dropped + 1)

    def frame_failed(self, error: str) -> None:
        """Count a frame that could not be processed, and remember why."""
        with self._lock:
            self._measured = replace(self._measured, failed=self._measured.failed + 1, error=error)

    def frame_done(self, now_s: float, latency_s: float, age_s: float, states: tuple[int, ...]) -> None:
        """Count a frame whose results were published; `states` are those of the targets in it."""
        with self._lock:
            counted = {"tracked": self._measured.tracked + 1} if states else {"idle": self._measured.idle + 1}
            self._measured = replace(self._measured, error="", states=states, **counted)
            self._times.append((now_s, latency_s, age_s))

    def measured(self, now_s: float) -> Measured:
        """Everything as of now."""
        with self._lock:
            recent = np.array([row for row in self._times if row[0] > now_s - _WINDOW_S])
            measured = self._measured
        if len(recent) < 2:
            return measured
        latencies_ms = recent[:, 1] * 1e3
        duration_s = recent[-1, 0] - recent[0, 0]
        return replace(
            measured,
            fps=(len(recent) - 1) / duration_s if duration_s > 0 else float("nan"),
            latency_median_ms=float(np.median(latencies_ms)),
            latency_p95_ms=float(np.percentile(latencies_ms, 95)),
            age_median_ms=float(np.median(recent[:, 2]) * 1e3),
        )


def judge(
    measured: Measured, is_active: bool, targets: int, now_s: float, waiting_hint: str
) -> tuple[int, str]:
    """State and one sentence for the operator; `waiting_hint` says what the node waits for."""
    if not is_active:
        return int(
            TrackerStatus.INACTIVE
        ), "not active: use ros2 lifecycle set, or start with autostart:=true"
    if measured.last_received_s is None or now_s - measured.last_received_s > 2.0:
        return int(TrackerStatus.WAITING), waiting_hint
    if measured.error:
        return int(TrackerStatus.ERROR), measured.error
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


def diagnostic_message(status: TrackerStatus, node_name: str) -> DiagnosticArray:
    """The same for ``/diagnostics``, where robot monitors look."""
    values = {
        name: getattr(status, name)
        for name in status.get_fields_and_field_types()
        if name not in ("header", "state", "message")
    }
    texts = {
        name: f"{value:.1f}" if isinstance(value, float) else str(value) for name, value in values.items()
    }
    report = DiagnosticStatus(
        level=_LEVELS[status.state],
        name=f"{node_name}: tracking",
        message=status.message,
        hardware_id="siammaskpp",
        values=[KeyValue(key=name, value=text) for name, text in texts.items()],
    )
    return DiagnosticArray(header=status.header, status=[report])
