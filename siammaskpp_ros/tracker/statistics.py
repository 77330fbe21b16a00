"""Frame counts, rates and latencies of the tracker node, and the check of the images' stamps."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from siammaskpp_core.arrays import Float64Array
from siammaskpp_core.io.stamps import Order, StampOrder

# Rates and latencies are measured over this time.
_WINDOW_S = 5.0


@dataclass(frozen=True)
class Measured:
    """Counts since activation, and rates and times over the last seconds (NaN: nothing was measured)."""

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
    error: str = ""
    """Reason why the newest processed image, or a target in it, failed; empty when nothing did."""
    last_received_s: float | None = None
    """Time of the newest arrival, on the monotonic clock."""
    begun_s: float | None = None
    """Time at which work on the present image began, on the monotonic clock; None between two images."""
    stamp_problem: str = ""
    """Text about a missing stamp of the newest image; empty when the image has a stamp."""
    stamps_jumped_back: int = 0
    stamps_out_of_order: int = 0
    """Images that were left out because a newer one had come before; they count as dropped."""
    states: tuple[int, ...] = ()
    """Track states of the targets in the newest processed image."""


class Statistics:
    """Counts frames and measures times; every method may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._measured = Measured()
        self._stamps = StampMonitor()
        self._arrivals: deque[float] = deque(maxlen=1024)  # monotonic time, s
        self._times: deque[tuple[float, float, float]] = deque(maxlen=1024)  # publication, latency, age, s

    def frame_received(self, now_s: float, stamp_ns: int) -> Arrival:
        """Count an arrival; a frame that is late is counted as dropped."""
        with self._lock:
            arrival = self._stamps.check(stamp_ns)
            self._arrivals.append(now_s)
            self._measured = replace(
                self._measured,
                received=self._measured.received + 1,
                dropped=self._measured.dropped + arrival.is_late,
                last_received_s=now_s,
                stamp_problem=self._stamps.problem,
                stamps_jumped_back=self._stamps.jumps_back,
                stamps_out_of_order=self._stamps.late_images,
            )
        return arrival

    def frame_begun(self, now_s: float) -> None:
        """Remember that work on an image has begun."""
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

    def frame_done(
        self, now_s: float, latency_s: float, age_s: float, states: tuple[int, ...], error: str = ""
    ) -> None:
        """Count a frame whose results were published; `states` are the track states of its targets.

        `error` says why some of the targets could not be searched for.
        """
        with self._lock:
            tracked, idle = self._measured.tracked + bool(states), self._measured.idle + (not states)
            self._measured = replace(
                self._measured, error=error, states=states, begun_s=None, tracked=tracked, idle=idle
            )
            self._times.append((now_s, latency_s, age_s))

    def measured(self, now_s: float) -> Measured:
        """Return all counts, and the rates and times of the last seconds before `now_s`."""
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
            age_median_ms=float(np.median(recent[:, 2]) * 1e3),  # NaN if one of the images has no stamp
        )


class Arrival(NamedTuple):
    """What the stamp of an arriving image shows."""

    is_late: bool = False
    """The image is older than one that came before, and must be left out."""
    warning: str = ""
    """Text about a new problem with the stamps, empty when there is none."""


class StampMonitor:
    """Finds images without a stamp, images out of order and restarts; used by one thread at a time."""

    def __init__(self) -> None:
        self._order = StampOrder()
        self._is_missing = False
        self.jumps_back = 0
        self.late_images = 0

    def check(self, stamp_ns: int) -> Arrival:
        """Return what this stamp shows; the same problem gives one warning."""
        begins_to_miss = not stamp_ns and not self._is_missing
        self._is_missing = not stamp_ns
        if not stamp_ns:
            return Arrival(warning=self.problem if begins_to_miss else "")
        before_ns = self._order.newest_ns
        order = self._order.check(stamp_ns)
        if before_ns is None or order is Order.NEXT:
            return Arrival()
        back_s = (before_ns - stamp_ns) * 1e-9
        if order is Order.LATE:
            self.late_images += 1
            is_first = self.late_images == 1
            return Arrival(
                is_late=True,
                warning=f"an image came {back_s:.3f} s after its time, behind a newer one: it and all "
                "further images out of order are left out; stamps_out_of_order in /diagnostics counts "
                "them. Check the camera's driver and the network"
                if is_first
                else "",
            )
        self.jumps_back += 1
        if self.jumps_back & (self.jumps_back - 1):  # two cameras on one topic make a jump with every image
            return Arrival()
        return Arrival(
            warning=f"the stamps of the images jumped back by {back_s:.3f} s (a bag that starts again, or "
            f"two cameras on one topic?); targets are kept. This has happened {self.jumps_back} "
            "times, and is told after 1, 2, 4, 8 and so on"
        )

    @property
    def problem(self) -> str:
        """Text about the missing stamp of the newest image; empty when the image has a stamp."""
        if not self._is_missing:
            return ""
        return (
            "the images have no stamp (it is zero): their age cannot be measured, boxes cannot name their "
            "image, and results cannot be matched with other topics; let the camera fill header.stamp"
        )


def _rate(times_s: Sequence[float] | Float64Array) -> float:
    """Return the events per second between the first and the last event; NaN for fewer than two."""
    duration_s = times_s[-1] - times_s[0] if len(times_s) > 1 else 0.0
    return float((len(times_s) - 1) / duration_s) if duration_s > 0 else float("nan")
