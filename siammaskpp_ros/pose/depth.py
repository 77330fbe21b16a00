"""Depth images: how their messages are read, and how they are paired with the tracked colour images."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from rclpy.node import Node
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from siammaskpp_core.errors import MissingPackageError
from siammaskpp_core.io.stamps import NS_PER_S, Order, StampOrder, stamp_ns
from siammaskpp_core.pose import DepthError
from siammaskpp_core.pose.points import Depth
from siammaskpp_ros.common.image_input import ImageInput
from siammaskpp_ros.common.steady_clock import STEADY_CLOCK
from siammaskpp_ros.common.tracked_target import TrackedTarget
from siammaskpp_ros.pose.camera import is_same_frame
from siammaskpp_ros.pose.options import PoseOptions

# At 30 Hz the tracker may be one second behind the depth images.
_QUEUE_SIZE = 30
_SMALLEST_QUEUE = 3
_MAX_QUEUE_BYTES = 64_000_000
_SUBSCRIPTION_QUEUE_SIZE = 5
_DTYPES = {"16UC1": "u2", "mono16": "u2", "32FC1": "f4"}


@dataclass(frozen=True, eq=False)
class TrackedImage:
    """All targets in one image of `width` x `height` pixels.

    `pose_target_id` is the id of the one target whose pose is published on topics of its own.
    `time_jump_count` says how often the time of the images had jumped back before: stamps can be compared
    only among images with the same count.
    """

    header: Header
    width: int
    height: int
    targets: Sequence[TrackedTarget]
    options: PoseOptions
    pose_target_id: str
    time_jump_count: int

    @property
    def stamp_ns(self) -> int:
        """The stamp of the image in ns."""
        return stamp_ns(self.header.stamp)

    @property
    def visible(self) -> list[TrackedTarget]:
        """The targets that the image shows."""
        return [target for target in self.targets if target.is_seen]

    @property
    def pose_target(self) -> TrackedTarget | None:
        """The target with the id `pose_target_id`; None when it is not visible."""
        return next((target for target in self.visible if target.id == self.pose_target_id), None)


@dataclass(frozen=True)
class PairCounts:
    """Counts since the node was configured; `unmatched` images will never get a depth image."""

    tracked_images: int = 0
    depth_images: int = 0
    paired: int = 0
    unmatched: int = 0


class DepthPairing:
    """Calls `paired` with each tracked image and the depth image nearest in time.

    Either of the two may come first and from any thread. Images are paired after they have been tracked, so
    that a mask never waits for its depth and an image without depth lacks nothing but the pose.

    message_filters takes the first depth image within the slop that comes after the image, and the nearest of
    those before it. The image is therefore held back until no nearer depth image can be on its way.
    """

    def __init__(self, node: Node, slop_s: float, paired: Callable[[TrackedImage, Image], None]) -> None:
        self._filters = _message_filters()
        self._node = node
        self._slop_s = slop_s
        self._paired = paired
        self._lock = threading.Lock()
        self._depth_order = StampOrder()
        self._newest_depth_ns = 0
        self._newest_image_ns = 0
        self._images, self._depth_images, self._pairs = 0, 0, 0
        self._reported = PairCounts()
        self._input: ImageInput | None = None
        self.reset()

    def start(self, reliability: str) -> None:
        """Subscribe to the depth images with this reliability (see :class:`ImageInput`)."""
        self._input = ImageInput(
            self._node, self._on_depth, "depth", reliability=reliability, queue=_SUBSCRIPTION_QUEUE_SIZE
        )

    def stop(self) -> None:
        """End the subscription and drop everything that waits."""
        if self._input is not None:
            self._input.close()
            self._input = None
        self.reset()

    def put(self, image: TrackedImage) -> None:
        """Hand over a tracked image."""
        with self._lock:
            self._images += 1
            self._newest_image_ns = image.stamp_ns
            self._held_back.append(image)
        self._release()

    def reset(self) -> None:
        """Drop everything that waits; needed after a jump back in time, when old stamps look newest."""
        with self._lock:
            self._image_filter, self._depth_filter = (self._filters.SimpleFilter() for _ in range(2))
            self._synchronizer = self._filters.ApproximateTimeSynchronizer(
                [self._image_filter, self._depth_filter], _QUEUE_SIZE, self._slop_s
            )
            self._synchronizer.registerCallback(self._on_pair)
            self._newest_depth_ns = 0
            self._shortest_interval_ns = 0
            self._held_back: deque[TrackedImage] = deque(maxlen=_QUEUE_SIZE)
            self._depth_order.begin_anew()

    def counts(self) -> PairCounts:
        """Return the counts of images, of depth images, and of images with and without a partner."""
        with self._lock:
            horizon_ns = self._newest_depth_ns - int(self._slop_s * NS_PER_S)
            waiting = sum(waiting_ns >= horizon_ns for waiting_ns in list(self._synchronizer.queues[0]))
            unmatched = max(self._images - self._pairs - waiting - len(self._held_back), 0)
            return PairCounts(self._images, self._depth_images, self._pairs, unmatched)

    def new_problem(self) -> str:
        """Say why images since the last call had no depth and what to do; empty when all had."""
        if self._input is None:
            return ""
        self._input.adapt()
        now, before = self.counts(), self._reported
        self._reported = now
        with self._lock:
            offset_s = (self._newest_depth_ns - self._newest_image_ns) / NS_PER_S
        is_waiting = now.tracked_images > before.tracked_images and offset_s < -self._slop_s
        if is_waiting and now.depth_images == before.depth_images:
            return (
                f"no depth image on {self._input.topic} ({self._node.count_publishers(self._input.topic)} "
                "publishers), so there are no poses: let the camera publish depth that is registered to the "
                "colour image, or remap depth:=..."
            )
        missing = now.unmatched - before.unmatched
        pairs = now.paired - before.paired
        possible = min(now.tracked_images - before.tracked_images, now.depth_images - before.depth_images)
        # Depth images at a lower rate than the colour images are usual.
        if missing <= 0 or 2 * pairs >= possible > 0:
            return ""
        return (
            f"{missing} images had no depth within {self._slop_s:g} s; the newest depth image is "
            f"{offset_s:+.3f} s from the newest tracked image. Synchronise the streams, or raise depth_slop_s"
        )

    def _on_depth(self, message: Image, _receive_delay_s: float) -> None:
        now_ns = stamp_ns(message.header.stamp)
        if now_ns <= 0:  # message_filters raises an error for negative seconds
            self._node.get_logger().warning(
                "depth images without a stamp, or with a negative one, are not used: let the camera fill "
                "header.stamp",
                throttle_duration_sec=10.0,
                throttle_time_source_type=STEADY_CLOCK,
            )
            return
        order = self._depth_order.check(now_ns)
        if order is Order.LATE:
            return
        if order is Order.RESTART:
            self.reset()
            self._depth_order.check(now_ns)
        with self._lock:
            self._depth_images += 1
            depth_filter = self._depth_filter
            fitting = _MAX_QUEUE_BYTES // max(len(message.data), 1)
            self._synchronizer.queue_size = min(max(fitting, _SMALLEST_QUEUE), _QUEUE_SIZE)
        depth_filter.signalMessage(message)
        with self._lock:
            interval_ns = now_ns - self._newest_depth_ns if self._newest_depth_ns else 0
            if interval_ns:
                shortest_ns = self._shortest_interval_ns
                self._shortest_interval_ns = min(shortest_ns or interval_ns, interval_ns)
            self._newest_depth_ns = now_ns
        self._release()

    def _release(self) -> None:
        """Pair the images for which no nearer depth image than those that have come can be on its way."""
        with self._lock:
            latest_ns = self._newest_depth_ns + self._shortest_interval_ns // 2
            ready = [image for image in self._held_back if image.stamp_ns <= latest_ns]
            for image in ready:
                self._held_back.remove(image)
            image_filter = self._image_filter
        for image in ready:
            image_filter.signalMessage(image)

    def _on_pair(self, image: TrackedImage, depth: Image) -> None:
        # An exception in here would leave the synchroniser locked for ever.
        with self._lock:
            self._pairs += 1
        self._paired(image, depth)


def registered_depth(message: Image, header: Header) -> Depth:
    """Return the pixels of a depth message (see :func:`depth_array`) for the colour image with `header`.

    Raises :class:`~siammaskpp_core.pose.DepthError` when it is in another frame than the colour image.
    """
    frame_id = message.header.frame_id
    if frame_id and not is_same_frame(frame_id, header.frame_id):
        raise DepthError(
            f"depth is in the frame {frame_id!r}, the colour image in {header.frame_id!r}: use depth that is "
            "registered to the colour image (aligned_depth_to_color, depth_registered)"
        )
    return depth_array(message)


def depth_array(message: Image) -> Depth:
    """Return the pixels [H, W] of a depth message, uint16 in mm or float32 in m; rows may be padded.

    Raises :class:`~siammaskpp_core.pose.DepthError` for other encodings and broken messages.
    """
    if message.encoding not in _DTYPES:
        raise DepthError(
            f"depth of encoding {message.encoding!r} cannot be read; 16UC1 (mm) and 32FC1 (m) can (REP 118)"
        )
    dtype = np.dtype((">" if message.is_bigendian else "<") + _DTYPES[message.encoding])
    row_bytes = message.width * dtype.itemsize
    if not row_bytes or not message.height or message.step < row_bytes:
        raise DepthError(f"the depth image contradicts itself: {message.width} columns, step {message.step}")
    if len(message.data) < message.step * (message.height - 1) + row_bytes:
        raise DepthError(f"the depth image is cut off: {len(message.data)} bytes came; check its publisher")
    shape, strides = (message.height, message.width), (message.step, dtype.itemsize)
    view: Depth = np.ndarray(shape, dtype, buffer=message.data, strides=strides)
    return view.astype(dtype.newbyteorder("="), copy=False)


def _message_filters() -> Any:
    try:
        import message_filters
    except ImportError as error:
        raise MissingPackageError(
            f"depth: true needs the package message_filters ({error}): apt install "
            "ros-$ROS_DISTRO-message-filters (it is not on PyPI), or set depth to false"
        ) from error
    return message_filters
