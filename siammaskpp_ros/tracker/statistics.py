"""Frame counts, rates and latencies of the tracker node, and the check of the images' stamps and frames."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from siammaskpp_core.arrays import Float64Array
from siammaskpp_core.io.stamps import MAX_LATE_IMAGES, SEPARATE, Order, StampOrder

# Rates and latencies are measured over this time.
_WINDOW_S = 5.0
# Two cameras are certain after so many returns to the first one.
_MIN_RETURNS = 3


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
    """Text about missing stamps, or about two cameras on one topic; empty when there is no such problem."""
    stamps_jumped_back: int = 0
    stamps_out_of_order: int = 0
    """Images that were left out because a newer one had come before; they count as dropped."""
    images_of_another_camera: int = 0
    """Images that were left out because they have another frame_id; they count as dropped."""
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

    def frame_received(self, now_s: float, stamp_ns: int, frame_id: str) -> Arrival:
        """Count an arrival; a frame that is to be left out is counted as dropped."""
        with self._lock:
            arrival = self._stamps.check(stamp_ns, frame_id)
            self._arrivals.append(now_s)
            self._measured = replace(
                self._measured,
                received=self._measured.received + 1,
                dropped=self._measured.dropped + arrival.is_left_out,
                last_received_s=now_s,
                stamp_problem=self._stamps.problem,
                stamps_jumped_back=self._stamps.jumps_back,
                stamps_out_of_order=self._stamps.late_images,
                images_of_another_camera=self._stamps.foreign_images,
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
    """The decision about an arriving image, made by its stamp and its frame."""

    is_left_out: bool = False
    """The image is older than one that came before, or of another camera."""
    warning: str = ""
    """Text about a new problem, empty when there is none."""


class StampMonitor:
    """Finds images without a stamp, out of order or of another camera, and restarts; used by one thread."""

    def __init__(self) -> None:
        self._order = StampOrder()
        self._cameras = CameraMonitor()
        self._is_missing = False
        self._told = ""
        self.jumps_back = 0
        self.late_images = 0

    @property
    def foreign_images(self) -> int:
        """Number of images that were left out because they are of another camera."""
        return self._cameras.foreign_images

    def check(self, stamp_ns: int, frame_id: str) -> Arrival:
        """Return what this stamp and this frame show; the same problem gives one warning."""
        is_foreign = self._cameras.is_foreign(frame_id)
        arrival = Arrival(is_left_out=True) if is_foreign else self._check_stamp(stamp_ns)
        told, self._told = self._told, self._two_cameras
        return arrival._replace(warning=self._told) if self._told not in ("", told) else arrival

    @property
    def _two_cameras(self) -> str:
        text = self._cameras.problem
        if self._order.has_two_sources and not text:
            text = (
                "images with two different times alternate, as from two cameras, or from a camera and a bag: "
                "those with the older stamps are left out"
            )
        return text and (
            f"{text}. Remap image:=... to a topic on which one camera publishes, and start a node for each "
            "of them"
        )

    @property
    def problem(self) -> str:
        """Text about missing stamps or two cameras; empty when there is no such problem."""
        if self._is_missing:
            return (
                "the images have no stamp (it is zero): their age cannot be measured, boxes cannot name "
                "their image, and results cannot be matched with other topics; let the camera fill "
                "header.stamp"
            )
        return self._two_cameras

    def _check_stamp(self, stamp_ns: int) -> Arrival:
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
                is_left_out=True,
                warning=f"an image came {back_s:.3f} s after its time, behind a newer one: it and all "
                "further images out of order are left out; stamps_out_of_order in /diagnostics counts "
                "them. Check the camera's driver and the network"
                if is_first
                else "",
            )
        self.jumps_back += 1
        if self.jumps_back & (self.jumps_back - 1):
            return Arrival()
        return Arrival(
            warning=f"the stamps of the images jumped back by {back_s:.3f} s (a bag that starts again?); "
            f"targets are kept. This has happened {self.jumps_back} times, and is told after 1, 2, 4, 8 and "
            "so on"
        )


class CameraMonitor:
    """Follows the images of one camera, by their frame_id, and finds those of another one between them.

    Another frame_id is followed after a few images in a row, as when the camera's driver starts again with
    another name.
    """

    def __init__(self) -> None:
        self._frame_id: str | None = None
        self._other_frame_id = ""
        self._foreign = 0  # images of the other camera in a row
        self._own = 0  # images in a row
        self._returns = 0
        self.foreign_images = 0

    def is_foreign(self, frame_id: str) -> bool:
        """Return True for an image of another camera than the one that is followed."""
        if self._frame_id not in (None, frame_id) and self._foreign < MAX_LATE_IMAGES:
            self._other_frame_id = frame_id
            self._foreign, self._own = self._foreign + 1, 0
            self.foreign_images += 1
            return True
        self._own += 1
        if self._frame_id != frame_id or self._own > SEPARATE:
            self._returns = 0
        elif self._foreign:
            self._returns += 1
        self._frame_id, self._foreign = frame_id, 0
        return False

    @property
    def problem(self) -> str:
        """Text about two cameras; empty while the images of one arrive."""
        if self._returns < _MIN_RETURNS:
            return ""
        return (
            f"images of two cameras arrive, with the frame_id {self._frame_id!r} and "
            f"{self._other_frame_id!r}: those of {self._other_frame_id!r} are left out"
        )


def _rate(times_s: Sequence[float] | Float64Array) -> float:
    """Return the events per second between the first and the last event; NaN for fewer than two."""
    duration_s = times_s[-1] - times_s[0] if len(times_s) > 1 else 0.0
    return float((len(times_s) - 1) / duration_s) if duration_s > 0 else float("nan")
