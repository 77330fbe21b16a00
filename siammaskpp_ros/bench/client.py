"""One case of ``bench_node``: a camera, the tracker node and a subscriber, each in its own process."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import rclpy
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from sensor_msgs.msg import Image

from siammaskpp.msg import Box, FrameTiming, TrackedObjectArray
from siammaskpp.srv import SetTarget
from siammaskpp_core.bench.scene import moving_objects
from siammaskpp_core.errors import UserError
from siammaskpp_core.io.stamps import stamp_ns
from siammaskpp_ros.common.node_main import ask, wait_until
from siammaskpp_ros.common.processes import start, stop
from siammaskpp_ros.tracker.publishers import FRAME_STAGES

_NAMESPACE = "/siammaskpp_bench"
_WARM_UP_FRAMES = 10
_START_TIMEOUT_S = 120.0
_FRAME_TIMEOUT_S = 10.0


class BenchFailed(UserError):
    """The benchmark gave no results; the message says why."""


@dataclass(frozen=True)
class Case:
    """Images, frame rate and number of targets of the camera, and the number of measured images."""

    size: tuple[int, int] = (640, 480)
    rate_hz: float = 60.0
    targets: int = 1
    frames: int = 200


@dataclass(frozen=True)
class Measurement:
    """The results of one case."""

    stages: dict[str, list[float]]
    """Milliseconds of each measured image by stage.

    The stages are those of ``FrameTiming`` and two ages, counted from the stamp of the image:
    ``age_at_start``, when the tracking thread starts to process the image, and ``age_at_mask``, when a
    subscriber receives the mask.
    """
    fps: float | None
    """Masks per second; None for a single image."""
    seen_fraction: float
    """Fraction of the results in which the target was seen."""
    resident_mb: tuple[float, float]
    """Resident memory of the node before and after the measurement, in 10^6 bytes."""


class BenchClient(Node):
    """Sets the targets and records the timings that the node publishes, and the age of the masks."""

    def __init__(self, context: Context) -> None:
        super().__init__("bench_client", namespace=_NAMESPACE, context=context)
        self._children: Sequence[subprocess.Popen[bytes]] = ()
        self._executor = SingleThreadedExecutor(context=context)
        self._executor.add_node(self)
        self._timings: list[FrameTiming] = []
        self._ages_ms: dict[int, float] = {}
        self._seen: list[bool] = []
        self._set_target = self.create_client(SetTarget, "tracker_node/set_target")
        self.create_subscription(Image, "tracker_node/mask", self._on_mask, 1)
        self.create_subscription(TrackedObjectArray, "tracker_node/tracked_objects", self._on_objects, 10)
        self.create_subscription(FrameTiming, "tracker_node/timing", self._timings.append, 10)

    def measure(self, case: Case, children: Sequence[subprocess.Popen[bytes]]) -> Measurement:
        """Track all objects and return the measurement; raises :class:`BenchFailed`.

        `children` are the processes of the node, which comes first, and of the camera.
        """
        self._children = children
        self._wait_for(lambda: bool(self._timings), _START_TIMEOUT_S)
        for index, (x, y, width, height) in enumerate(next(moving_objects(case.size, case.targets))[1]):
            box = Box(x=float(x), y=float(y), width=float(width), height=float(height))
            response = ask(self._executor, self._set_target, SetTarget.Request(id=str(index), box=box))
            if not response.success:
                raise BenchFailed(f"set_target was refused: {response.message}")
        self._wait_for_masks(_WARM_UP_FRAMES)
        memory_mb = _resident_mb(children[0].pid)
        self._timings.clear()
        self._seen.clear()
        self._ages_ms.clear()
        self._wait_for_masks(case.frames)
        self._wait_for(lambda: bool(self._timings_of_masks()), _FRAME_TIMEOUT_S)
        return self._measurement((memory_mb, _resident_mb(children[0].pid)))

    def close(self) -> None:
        """Leave the ROS graph."""
        self._executor.shutdown(timeout_sec=1.0)
        self.destroy_node()

    def _wait_for_masks(self, count: int) -> None:
        """Wait for `count` more masks, at most :data:`_FRAME_TIMEOUT_S` for each."""
        last = len(self._ages_ms) + count
        while len(self._ages_ms) < last:
            next_one = len(self._ages_ms) + 1
            self._wait_for(partial(self._has_masks, next_one), _FRAME_TIMEOUT_S)

    def _has_masks(self, count: int) -> bool:
        return len(self._ages_ms) >= count

    def _wait_for(self, is_true: Callable[[], bool], timeout_s: float) -> None:
        if not wait_until(self._executor, lambda: is_true() or self._has_ended(), timeout_s):
            seen = f"the target was seen in {sum(self._seen)} of {len(self._seen)} results so far"
            raise BenchFailed(f"no mask, or no timing of it, within {timeout_s:g} s; {seen}")
        if self._has_ended():
            raise BenchFailed("the tracker or the camera ended; its output is above")

    def _has_ended(self) -> bool:
        return any(child.poll() is not None for child in self._children)

    def _measurement(self, resident_mb: tuple[float, float]) -> Measurement:
        """Return the measurement of all images for which both mask and timing have arrived."""
        timings = self._timings_of_masks()
        stages = {
            stage: [float(getattr(item, f"{stage}_ms")) for item in timings]
            for stage in ("transport", *FRAME_STAGES, "total")
        }
        stages["age_at_start"] = [item.transport_ms + item.receive_ms + item.queue_ms for item in timings]
        stages["age_at_mask"] = [self._ages_ms[stamp_ns(item.header.stamp)] for item in timings]
        stamps_ns = list(self._ages_ms)
        duration_s = (stamps_ns[-1] - stamps_ns[0]) * 1e-9
        seen_fraction = sum(self._seen) / max(len(self._seen), 1)
        fps = (len(stamps_ns) - 1) / duration_s if duration_s > 0 else None
        return Measurement(stages, fps, seen_fraction, resident_mb)

    def _timings_of_masks(self) -> list[FrameTiming]:
        """Return the timings of the images whose masks have arrived."""
        return [item for item in self._timings if stamp_ns(item.header.stamp) in self._ages_ms]

    def _on_mask(self, message: Image) -> None:
        time_ns = stamp_ns(message.header.stamp)
        self._ages_ms[time_ns] = (time.time_ns() - time_ns) * 1e-6

    def _on_objects(self, message: TrackedObjectArray) -> None:
        self._seen += [item.mask_value > 0 for item in message.objects]


def measure(tracker: Sequence[str], case: Case, **parameters: object) -> Measurement:
    """Start the node with the command `tracker`, and a camera; measure `case`, end both processes.

    `parameters` are those of the node. Raises :class:`BenchFailed`.
    """
    context = Context()
    rclpy.init(context=context)
    client = BenchClient(context)
    camera = [sys.executable, "-m", "siammaskpp_ros.bench.camera"]
    width, height = case.size
    shown = {"width": width, "height": height, "rate": case.rate_hz, "objects": case.targets}
    children = []
    try:
        limits = {"image_reliability": "reliable", "max_targets": case.targets}
        children.append(start(tracker, _NAMESPACE, **limits, **parameters))
        children.append(start(camera, _NAMESPACE, **shown))
        return client.measure(case, children)
    finally:
        for child in children:
            stop(child)
        client.close()
        rclpy.try_shutdown(context=context)


def _resident_mb(pid: int) -> float:
    """Return the resident memory of a process in 10^6 bytes."""
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="utf-8").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
