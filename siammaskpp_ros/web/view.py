"""What the web page shows: the newest image, with the results that were found in just this one."""

from __future__ import annotations

import itertools
import json
import threading
import time
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from siammaskpp.msg import TrackedObject, TrackedObjectArray
from siammaskpp_core.io.drawing import MASK_OPACITY, target_colour
from siammaskpp_ros.common.conversions import to_bgr
from siammaskpp_ros.tracker.frame_buffer import Frame, FrameBuffer

# Images wait for their results so long,
_MEMORY_S, _MEMORY_BYTES = 2.0, 128_000_000
# and are shown without when none came for so long. Not at once: a box may only be drawn on an image that
# the tracker has as well, and the middleware loses some on the way.
_PATIENCE_S = 1.5
_JPEG_QUALITY = 80
_STATES = {
    TrackedObject.TRACKING: "TRACKING",
    TrackedObject.UNCERTAIN: "UNCERTAIN",
    TrackedObject.LOST: "LOST",
}


@dataclass(frozen=True, eq=False)
class View:
    """One image, the objects found in it (None: the tracker has not looked at it) and their label picture."""

    frame: Frame
    objects: tuple[TrackedObject, ...] | None = None
    labels: Image | None = None


class LiveView:
    """Brings images and results with the same stamp together. Every method may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._indices = itertools.count(1)
        self.clear()

    def clear(self) -> None:
        """Forget everything: nobody looks any more."""
        with self._lock:
            self._frames = FrameBuffer(_MEMORY_S, _MEMORY_BYTES)
            self._objects: TrackedObjectArray | None = None
            self._labels: Image | None = None
            self._tracked: View | None = None
            self._plain: View | None = None
            self._image_s = self._tracked_s = time.monotonic()

    def add_image(self, message: Image | CompressedImage, receive_delay_s: float) -> None:
        """Take an image that came from the camera `receive_delay_s` ago."""
        now_s = time.monotonic()
        frame = Frame(message, next(self._indices), now_s - receive_delay_s, receive_delay_s)
        with self._lock:
            self._image_s = now_s
            self._frames.add(frame)
            self._match()

    def add_objects(self, message: TrackedObjectArray) -> None:
        """Take the results of an image."""
        with self._lock:
            self._objects = message
            self._match()

    def add_labels(self, message: Image) -> None:
        """Take the label picture of an image."""
        with self._lock:
            self._labels = message
            self._match()

    def newest(self) -> View | None:
        """The newest image with results; the newest one without when none come; None before the first.

        The same object as long as nothing new came.
        """
        with self._lock:
            newest = self._frames.newest()
            if newest is None or time.monotonic() - self._tracked_s < _PATIENCE_S:
                return self._tracked
            if self._plain is None or self._plain.frame is not newest:
                self._plain = View(newest)
            return self._plain

    def silent_s(self) -> float:
        """Seconds since the last image, or since somebody began to look."""
        with self._lock:
            return time.monotonic() - self._image_s

    def _match(self) -> None:
        """Results may arrive before their image, label pictures before or after the other results."""
        if self._objects is None:
            return
        stamp = self._objects.header.stamp
        objects = tuple(self._objects.objects)
        has_masks = any(item.mask_value for item in objects)
        if has_masks and (self._labels is None or self._labels.header.stamp != stamp):
            return
        frame = self._frames.at(stamp.sec * 1_000_000_000 + stamp.nanosec)
        if frame is not None and (self._tracked is None or self._tracked.frame is not frame):
            self._tracked = View(frame, objects, self._labels if has_masks else None)
            self._tracked_s = time.monotonic()


def packet(view: View, max_side_px: int) -> bytes:
    """A view for the page: the length of a JSON text (4 bytes, big-endian), that text, and a JPEG picture.

    The picture's longer side has at most `max_side_px`; the coordinates in the text are the image's own.
    Raises :class:`siammaskpp_ros.common.conversions.ImageMessageError` when the image cannot be read.
    """
    picture = view.frame.bgr()
    height, width = picture.shape[:2]
    text = json.dumps(_description(view, width, height)).encode()
    scale = min(1.0, max_side_px / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    if size != (width, height):
        picture = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
    if view.labels is not None and view.objects:
        labels = cv2.resize(to_bgr(view.labels)[:, :, 0], size, interpolation=cv2.INTER_NEAREST)
        picture = _tinted(picture, np.asarray(labels, np.uint8), view.objects)
    _, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    return len(text).to_bytes(4, "big") + text + data.tobytes()


def _description(view: View, width: int, height: int) -> dict[str, Any]:
    header: Header = view.frame.message.header
    result: dict[str, Any] = {
        "header": {
            "frame_id": header.frame_id,
            "stamp": {"sec": header.stamp.sec, "nanosec": header.stamp.nanosec},
        },
        "width": width,
        "height": height,
    }
    if view.objects is not None:
        result["objects"] = [_object(index, item) for index, item in enumerate(view.objects)]
    return result


def _object(index: int, item: TrackedObject) -> dict[str, Any]:
    blue, green, red = target_colour(index)
    result = {
        "id": item.id,
        "label": item.label,
        "state": _STATES.get(item.state, "UNKNOWN"),
        "score": round(item.score, 3),
        "colour": f"#{red:02x}{green:02x}{blue:02x}",
    }
    if item.mask_value:
        result["corners"] = [round(value, 2) for value in item.rotated_box.corners.tolist()]
    return result


def _tinted(
    picture: NDArray[np.uint8], labels: NDArray[np.uint8], objects: tuple[TrackedObject, ...]
) -> NDArray[np.uint8]:
    """`picture` with each object's mask in the object's colour."""
    colours = np.zeros((256, 3), np.uint8)
    for index, item in enumerate(objects):
        colours[item.mask_value] = target_colour(index)
    mixed = cv2.addWeighted(picture, 1 - MASK_OPACITY, colours[labels], MASK_OPACITY, 0)
    return np.where(labels[:, :, None] > 0, mixed, picture)
