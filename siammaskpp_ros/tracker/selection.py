"""Targets from boxes, clicks and detections; and why a request is refused."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from builtin_interfaces.msg import Time

from siammaskpp.msg import TargetBox
from siammaskpp.srv import SetTarget
from siammaskpp_core.errors import UserError
from siammaskpp_core.io.stamps import stamp_ns
from siammaskpp_core.tracking import State
from siammaskpp_ros.common.frame_buffer import Frame, FrameBuffer
from siammaskpp_ros.tracker.parameters import NodeConfig
from siammaskpp_ros.tracker.targets import TargetStore

DEFAULT_ID = "target"
"""Id of a target that is set without one."""
MAX_NAME = 64
"""Most characters of an id or a label."""


class Refusal(UserError):
    """A request that is refused; the message says why and what to do."""


def choose_frame(frames: FrameBuffer, stamp: Time, no_image_hint: str) -> Frame:
    """Return the buffered frame with this stamp; a stamp of zero stands for the newest frame.

    Raises :class:`Refusal` when there is none; `no_image_hint` says why no image has arrived.
    """
    time_ns = stamp_ns(stamp)
    frame = frames.at(time_ns) if time_ns else frames.newest()
    if frame is not None:
        return frame
    span = frames.span_ns()
    if span is None:
        raise Refusal(no_image_hint)
    oldest_s, newest_s = (value * 1e-9 for value in span)
    raise Refusal(
        f"the image with stamp {time_ns * 1e-9:.3f} s is not remembered; images from {oldest_s:.3f} to "
        f"{newest_s:.3f} s are. Copy the header of a newer image, leave the stamp zero for the newest one, "
        "or raise frame_buffer_s and frame_buffer_mb"
    )


Started = tuple[str, Frame]
"""The id of a new target, and its first frame."""


class Selector:
    """Sets targets from boxes, clicks and detections.

    The methods that take a `frame` need the network; all others return at once. `no_image_hint` returns the
    reason why no image arrives, and `config` the present configuration. Every method raises :class:`Refusal`
    when a request cannot be met; no target has changed then.
    """

    def __init__(
        self,
        targets: TargetStore,
        frames: FrameBuffer,
        no_image_hint: Callable[[], str],
        config: Callable[[], NodeConfig],
    ) -> None:
        self.targets = targets
        self._frames = frames
        self._no_image_hint = no_image_hint
        self._config = config

    def newest(self) -> Frame:
        """Return the newest frame."""
        return choose_frame(self._frames, Time(), self._no_image_hint())

    def frame_of(self, request: SetTarget.Request | TargetBox | Any) -> Frame:
        """Return the frame that the header of `request` names: that on which its boxes were drawn."""
        return choose_frame(self._frames, request.header.stamp, self._no_image_hint())

    def set_box(self, request: SetTarget.Request | TargetBox, frame: Frame) -> Started:
        """Start to track the object in the box of `request`, which is on `frame`.

        A box of zero width and height is a point on the object, as in :meth:`click`. At (0, 0) it is a box
        that somebody has forgotten, which is refused.
        """
        box = (request.box.x, request.box.y, request.box.width, request.box.height)
        if any(box[:2]) and not any(box[2:]):
            box = _refusing(lambda: self.targets.box_at(frame, box[:2]))
        return self._set(request.id, request.label, frame, box)

    def click(self, point_xy: tuple[float, float], frame: Frame) -> Started:
        """Start to track the object at a point of `frame`, which takes as long as about a dozen images."""
        box = _refusing(lambda: self.targets.box_at(frame, point_xy))
        return self._set("", "", frame, box)

    def wanted_detection(self, detections: Any) -> Detection | None:
        """Return the best detection in a vision_msgs/Detection2DArray, if it is to become the target.

        One is wanted only while there is no target, or while the target :data:`DEFAULT_ID` is LOST;
        otherwise, and when no detection is good enough, it returns None.
        """
        states = self.targets.states()
        if states and states.get(DEFAULT_ID) is not State.LOST:
            return None
        config = self._config()
        return best_detection(detections, config.detection_class, config.detection_min_score)

    def take_detection(self, detections: Any, frame: Frame) -> Started | None:
        """Start to track the wanted detection, which is on `frame`; return None when none is wanted."""
        best = self.wanted_detection(detections)
        return None if best is None else self._set("", best.class_id, frame, best.box_xywh)

    def _set(self, id: str, label: str, frame: Frame, box_xywh: Sequence[float]) -> Started:
        id = id or DEFAULT_ID
        check_name("id", id)
        check_name("label", label)
        limit = self._config().max_targets
        _refusing(lambda: self.targets.set(id, label, frame, box_xywh, limit))
        return id, frame


def check_name(kind: str, name: str) -> None:
    """Raise :class:`Refusal` for a name that would spoil logs, frames and pictures."""
    if len(name) > MAX_NAME or not name.isprintable():
        shown = repr(name[:MAX_NAME])
        raise Refusal(f"the {kind} {shown} is not a name: use at most {MAX_NAME} printable characters")


def _refusing(action: Callable[[], Any]) -> Any:
    """Return the result of `action`; every error of the tracker becomes a :class:`Refusal`."""
    try:
        return action()
    except UserError as error:
        raise Refusal(str(error)) from error
    except Exception as error:  # a failure of the engine
        raise Refusal(f"the tracker failed on this image: {type(error).__name__}: {error}") from error


class Detection(NamedTuple):
    """A detected object with its axis-aligned box (x, y, w, h) in pixels."""

    class_id: str
    score: float
    box_xywh: tuple[float, float, float, float]


def best_detection(message: Any, wanted_class: str, min_score: float) -> Detection | None:
    """Return the detection of `wanted_class` (empty: any class) with the highest score.

    `message` is a vision_msgs/Detection2DArray, whose detections may have several hypotheses each. It is None
    when no hypothesis reaches `min_score`.
    """
    found = [
        Detection(item.hypothesis.class_id, item.hypothesis.score, _axis_aligned_box(detection.bbox))
        for detection in message.detections
        for item in detection.results
        if wanted_class in ("", item.hypothesis.class_id) and item.hypothesis.score >= min_score
    ]
    return max(found, key=lambda detection: detection.score, default=None)


def _axis_aligned_box(bbox: Any) -> tuple[float, float, float, float]:
    """Return the axis-aligned box (x, y, w, h) around a vision_msgs/BoundingBox2D, which may be rotated.

    An angle that is not finite gives a box that is not finite, which the tracker refuses.
    """
    center = bbox.center.position
    theta = bbox.center.theta if math.isfinite(bbox.center.theta) else math.nan
    cos, sin = abs(math.cos(theta)), abs(math.sin(theta))
    width, height = bbox.size_x * cos + bbox.size_y * sin, bbox.size_x * sin + bbox.size_y * cos
    return center.x - width / 2, center.y - height / 2, width, height
