"""The live feed of the web page: each image together with the tracking results of the same stamp."""

from __future__ import annotations

import itertools
import threading
import time
from contextlib import suppress
from dataclasses import dataclass

from sensor_msgs.msg import CompressedImage, Image

from siammaskpp.msg import TrackedObject, TrackedObjectArray
from siammaskpp_core import arrays
from siammaskpp_core.io.bit_depth import ValueRange
from siammaskpp_core.io.image_messages import ImageMessageError
from siammaskpp_core.io.stamps import stamp_ns
from siammaskpp_core.web.pictures import ShownTarget, encode_picture
from siammaskpp_ros.common.conversions import to_bgr
from siammaskpp_ros.common.frame_buffer import Frame, FrameBuffer
from siammaskpp_ros.common.tracked_target import state_name

# Limits of the buffer in which images wait for their results.
_BUFFER_S, _BUFFER_BYTES = 2.0, 128_000_000
# Images are shown without results after this time without any. Not at once: a box can only be drawn on an
# image that the tracker has received too, and the middleware loses some images.
_RESULTS_TIMEOUT_S = 1.5


@dataclass(frozen=True, eq=False)
class FeedImage:
    """One image with its results."""

    frame: Frame
    objects: tuple[TrackedObject, ...] | None = None
    """None: the tracker has not processed this image."""
    labels: Image | None = None
    """Label image with the masks of the objects; None when no object has a mask."""


class LiveFeed:
    """Matches images and results by their stamp. Every method may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._indices = itertools.count(1)
        self._value_range = ValueRange()
        self.clear()

    def clear(self) -> None:
        """Remove all images and results."""
        with self._lock:
            self._frames = FrameBuffer(_BUFFER_S, _BUFFER_BYTES)
            self._objects: TrackedObjectArray | None = None
            self._labels: Image | None = None
            self._tracked: FeedImage | None = None
            self._untracked: FeedImage | None = None
            self._image_s = self._tracked_s = time.monotonic()

    def add_image(self, message: Image | CompressedImage, receive_delay_s: float) -> None:
        """Add an image of the camera that arrived `receive_delay_s` ago."""
        now_s = time.monotonic()
        frame = Frame(
            message, next(self._indices), now_s - receive_delay_s, receive_delay_s, self._value_range
        )
        with self._lock:
            self._image_s = now_s
            self._frames.add(frame)
            self._match()

    def add_objects(self, message: TrackedObjectArray) -> None:
        """Add the results of an image."""
        with self._lock:
            self._objects = message
            self._match()

    def add_labels(self, message: Image) -> None:
        """Add the label image of an image."""
        with self._lock:
            self._labels = message
            self._match()

    def newest(self) -> FeedImage | None:
        """Return the newest image with results, or the newest image while no results arrive.

        None before the first image. It is the same object until there is a newer one.
        """
        with self._lock:
            newest = self._frames.newest()
            if newest is None or time.monotonic() - self._tracked_s < _RESULTS_TIMEOUT_S:
                return self._tracked
            if self._untracked is None or self._untracked.frame is not newest:
                self._untracked = FeedImage(newest)
            return self._untracked

    def time_since_image_s(self) -> float:
        """Return the time since the last image, or since :meth:`clear` when there was none."""
        with self._lock:
            return time.monotonic() - self._image_s

    def _match(self) -> None:
        """Look for the image of the newest results; image, objects and labels arrive in any order."""
        if self._objects is None:
            return
        stamp = self._objects.header.stamp
        objects = tuple(self._objects.objects)
        has_masks = any(item.mask_value for item in objects)
        if has_masks and (self._labels is None or self._labels.header.stamp != stamp):
            return
        frame = self._frames.at(stamp_ns(stamp))
        if frame is not None and (self._tracked is None or self._tracked.frame is not frame):
            self._tracked = FeedImage(frame, objects, self._labels if has_masks else None)
            self._tracked_s = time.monotonic()


def encode(image: FeedImage, max_side_px: int) -> bytes:
    """Return the message for the page (:func:`siammaskpp_core.web.pictures.encode_picture`).

    Raises :class:`~siammaskpp_core.io.image_messages.ImageMessageError` when the image cannot be decoded.
    """
    picture, header = image.frame.bgr(), image.frame.message.header
    labels: arrays.Image | None = None
    if image.labels is not None:
        with suppress(ImageMessageError):  # the picture is shown, whatever the tracker sends
            labels = to_bgr(image.labels)[:, :, 0]
    stamp = {"sec": header.stamp.sec, "nanosec": header.stamp.nanosec}
    targets = None if image.objects is None else [_shown(item) for item in image.objects]
    return encode_picture(
        picture, {"frame_id": header.frame_id, "stamp": stamp}, targets, labels, max_side_px
    )


def _shown(item: TrackedObject) -> ShownTarget:
    corners, box = (
        item.rotated_box.corners.tolist(),
        (item.box.x, item.box.y, item.box.width, item.box.height),
    )
    return ShownTarget(item.id, item.label, state_name(item.state), item.score, item.mask_value, corners, box)
