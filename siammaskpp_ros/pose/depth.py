"""Depth images: read, and paired with what was seen in the colour images."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from rclpy.node import Node
from sensor_msgs.msg import Image

from siammaskpp_core.errors import UserError
from siammaskpp_core.pose import DepthError
from siammaskpp_core.pose.points import Depth
from siammaskpp_ros.common.image_input import ImageInput
from siammaskpp_ros.pose.observations import TrackedImage, stamp_ns_of

# A second of a camera of 30 Hz: as slow may the tracker be.
_QUEUE = 30
_DTYPES = {"16UC1": "u2", "mono16": "u2", "32FC1": "f4"}


class PoseUnavailable(UserError):
    """A package that the parameters ask for is missing; the text says which and how to get it."""


@dataclass(frozen=True)
class PairCounts:
    """Since activation."""

    sightings: int = 0
    depth_images: int = 0
    paired: int = 0
    unmatched: int = 0


class DepthPairing:
    """Calls `paired` with a tracked_image and the depth image nearest in time.

    Both may come first and from any thread. Tracking has been done by then: an image is never held back for
    its depth, and what has no depth has no pose, but all the rest.
    """

    def __init__(self, node: Node, slop_s: float, paired: Callable[[TrackedImage, Image], None]) -> None:
        self._filters = _message_filters()
        self._node = node
        self._slop_s = slop_s
        self._paired = paired
        self._lock = threading.Lock()
        self._newest_depth_ns = 0
        self._newest_seen_ns = 0
        self._images, self._depth_images, self._pairs = 0, 0, 0
        self._said = PairCounts()
        self._input: ImageInput | None = None
        self.reset()

    def start(self, reliability: str) -> None:
        """Subscribe to the depth images."""
        self._input = ImageInput(self._node, self._on_depth, "depth", reliability=reliability, queue=5)

    def stop(self) -> None:
        """Take no more of them, and forget what waits."""
        if self._input is not None:
            self._input.close()
            self._input = None
        self.reset()

    def put(self, tracked_image: TrackedImage) -> None:
        """Hand over what was seen in one image."""
        with self._lock:
            self._images += 1
            self._newest_seen_ns = tracked_image.stamp_ns
            seen = self._seen
        seen.signalMessage(tracked_image)

    def reset(self) -> None:
        """Forget what waits: time has jumped back, and what is newest in the queues would stay there."""
        with self._lock:
            self._seen, self._depths = self._filters.SimpleFilter(), self._filters.SimpleFilter()
            self._synchronizer = self._filters.ApproximateTimeSynchronizer(
                [self._seen, self._depths], _QUEUE, self._slop_s
            )
            self._synchronizer.registerCallback(self._on_pair)
            self._newest_depth_ns = 0

    def counts(self) -> PairCounts:
        """How many depth images came, and how many images had theirs or will never have one."""
        with self._lock:
            horizon_ns = self._newest_depth_ns - int(self._slop_s * 1e9)
            waiting = sum(stamp_ns >= horizon_ns for stamp_ns in list(self._synchronizer.queues[0]))
            unmatched = max(self._images - self._pairs - waiting, 0)
            return PairCounts(self._images, self._depth_images, self._pairs, unmatched)

    def complaint(self) -> str:
        """Which images since the last call had no depth, why, and what to do; empty when all had."""
        if self._input is None:
            return ""
        self._input.adapt()
        now, before = self.counts(), self._said
        self._said = now
        with self._lock:
            off_s = (self._newest_depth_ns - self._newest_seen_ns) * 1e-9
        is_waiting = now.sightings > before.sightings and off_s < -self._slop_s
        if is_waiting and now.depth_images == before.depth_images:
            return (
                f"no depth image on {self._input.topic} ({self._node.count_publishers(self._input.topic)} "
                "publishers), so there are no poses: let the camera publish depth that is registered to the "
                "colour image, or remap depth:=..."
            )
        missing = now.unmatched - before.unmatched
        if missing <= 0:
            return ""
        return (
            f"{missing} images had no depth within {self._slop_s:g} s; the newest depth image is "
            f"{off_s:+.3f} s from the newest tracked image. Synchronise the streams, or raise depth_slop_s"
        )

    def _on_depth(self, message: Image, _take_s: float) -> None:
        stamp_ns = stamp_ns_of(message.header)
        if stamp_ns < self._newest_depth_ns:
            self.reset()
        with self._lock:
            self._depth_images += 1
            self._newest_depth_ns = stamp_ns
            depths = self._depths
        depths.signalMessage(message)

    def _on_pair(self, tracked_image: TrackedImage, depth: Image) -> None:
        # Must not raise: the synchroniser would keep its lock.
        with self._lock:
            self._pairs += 1
        self._paired(tracked_image, depth)


def depth_array(message: Image) -> Depth:
    """The pixels of a depth message [H, W], uint16 in mm or float32 in m; rows may be padded.

    Raises :class:`~siammaskpp_core.pose.DepthError` for other encodings and broken messages.
    """
    if message.encoding not in _DTYPES:
        raise DepthError(
            f"depth of encoding {message.encoding!r} cannot be read; 16UC1 (mm) and 32FC1 (m) can (REP 118)"
        )
    dtype = np.dtype((">" if message.is_bigendian else "<") + _DTYPES[message.encoding])
    row = message.width * dtype.itemsize
    if not row or not message.height or message.step < row:
        raise DepthError(f"the depth image contradicts itself: {message.width} columns, step {message.step}")
    if len(message.data) < message.step * (message.height - 1) + row:
        raise DepthError(f"the depth image is cut off: {len(message.data)} bytes came; check its publisher")
    shape, strides = (message.height, message.width), (message.step, dtype.itemsize)
    view: Depth = np.ndarray(shape, dtype, buffer=message.data, strides=strides)
    return view.astype(dtype.newbyteorder("="), copy=False)


def _message_filters() -> Any:
    try:
        import message_filters
    except ImportError as error:
        raise PoseUnavailable(
            f"depth: true needs the package message_filters ({error}): apt install "
            "ros-$ROS_DISTRO-message-filters (it is not on PyPI), or set depth to false"
        ) from error
    return message_filters
