"""Requests for targets: services, boxes on a topic, clicks and detections; and why a request is refused."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from builtin_interfaces.msg import Time
from geometry_msgs.msg import Point
from rclpy.node import Node
from rclpy.qos import QoSProfile

from siammaskpp.msg import TargetBox
from siammaskpp.srv import RemoveTarget, SetTarget
from siammaskpp_core.errors import UserError
from siammaskpp_core.io.stamps import stamp_ns
from siammaskpp_core.tracking import State
from siammaskpp_ros.common.frame_buffer import Frame, FrameBuffer
from siammaskpp_ros.common.steady_clock import STEADY_CLOCK
from siammaskpp_ros.common.vision_messages import vision_messages
from siammaskpp_ros.common.worker import LatestWorker, stop_all
from siammaskpp_ros.tracker.parameters import NodeConfig
from siammaskpp_ros.tracker.targets import TargetStore

DEFAULT_ID = "target"
"""Id of a target that is set without one."""
MAX_NAME = 64
"""Most characters of an id or a label."""
_QOS = QoSProfile(depth=10)
# More boxes than this do not wait; the oldest are dropped.
_MAX_WAITING_BOXES = 16


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


class Selector:
    """Sets targets from boxes, clicks and detections.

    `no_image_hint` returns the reason why no image arrives, and `config` the present configuration. Every
    method raises :class:`Refusal` when a request cannot be met; no target has changed then.
    """

    def __init__(
        self,
        targets: TargetStore,
        frames: FrameBuffer,
        no_image_hint: Callable[[], str],
        config: Callable[[], NodeConfig],
    ) -> None:
        self._targets = targets
        self._frames = frames
        self._no_image_hint = no_image_hint
        self._config = config

    def newest(self) -> Frame:
        """Return the newest frame."""
        return choose_frame(self._frames, Time(), self._no_image_hint())

    def frame_of(self, request: SetTarget.Request | TargetBox) -> Frame:
        """Return the frame on which the box of `request` was drawn."""
        return choose_frame(self._frames, request.header.stamp, self._no_image_hint())

    def set_box(
        self, request: SetTarget.Request | TargetBox, frame: Frame | None = None
    ) -> tuple[str, Frame]:
        """Start to track the object in the box of `request`; return the target's id and its first frame.

        The box is on `frame`, by default on :meth:`frame_of` the request.
        """
        frame = frame or self.frame_of(request)
        box = (request.box.x, request.box.y, request.box.width, request.box.height)
        return self._set(request.id, request.label, frame, box)

    def click(self, frame: Frame, point_xy: tuple[float, float]) -> tuple[str, Frame]:
        """Start to track the object at a point of `frame`, which takes as long as about a dozen images."""
        box = _refusing(lambda: self._targets.box_at(frame, point_xy))
        return self._set("", "", frame, box)

    def take_detection(self, detections: Any) -> tuple[str, Frame] | None:
        """Start to track the best detection in a vision_msgs/Detection2DArray.

        This happens only while there is no target, or while the target :data:`DEFAULT_ID` is LOST; otherwise,
        and when no detection is good enough, it returns None.
        """
        states = self._targets.states()
        if states and states.get(DEFAULT_ID) is not State.LOST:
            return None
        config = self._config()
        best = best_detection(detections, config.detection_class, config.detection_min_score)
        if best is None:
            return None
        frame = choose_frame(self._frames, detections.header.stamp, self._no_image_hint())
        return self._set("", best.class_id, frame, best.box_xywh)

    def _set(self, id: str, label: str, frame: Frame, box_xywh: Sequence[float]) -> tuple[str, Frame]:
        id = id or DEFAULT_ID
        _check_name("id", id)
        _check_name("label", label)
        limit = self._config().max_targets
        _refusing(lambda: self._targets.set(id, label, frame, box_xywh, limit))
        return id, frame


def _check_name(kind: str, name: str) -> None:
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


class TargetServices:
    """The services ``~/set_target`` and ``~/remove_target``, offered as long as the node exists.

    `targets` is None while the node is not configured, `selector` while it is not active.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self.targets: TargetStore | None = None
        self.selector: Selector | None = None
        node.create_service(SetTarget, "~/set_target", self._on_set)
        node.create_service(RemoveTarget, "~/remove_target", self._on_remove)

    def _on_set(self, request: SetTarget.Request, response: SetTarget.Response) -> SetTarget.Response:
        try:
            if self.selector is None:
                raise Refusal("the node is not active; activate it first (ros2 lifecycle set)")
            response.id, frame = self.selector.set_box(request)
        except Refusal as refusal:
            response.success, response.message = False, str(refusal)
            self._node.get_logger().warning(f"set_target refused: {refusal}")
            return response
        response.success, response.stamp = True, frame.message.header.stamp
        response.message = f"target {response.id!r} is tracked from image {frame.index} on"
        self._node.get_logger().info(response.message)
        return response

    def _on_remove(
        self, request: RemoveTarget.Request, response: RemoveTarget.Response
    ) -> RemoveTarget.Response:
        if self.targets is not None:
            response.removed = self.targets.remove(request.id)
            response.remaining = self.targets.ids()
        response.success = bool(response.removed) or not request.id
        if response.success:
            response.message = f"removed {len(response.removed)} target(s)"
        else:
            names = ", ".join(response.remaining) or "none"
            response.message = f"there is no target {request.id[:MAX_NAME]!r}; targets: {names}"
        return response


class SelectionInputs:
    """Subscriptions to ``~/set_box``, ``~/detections_in`` and clicks; a refusal is logged.

    rqt_image_view publishes clicks on ``<topic>_mouse_left`` of the topic that it shows: the camera's images
    (`image_topic`) or ``~/overlay``. Boxes and clicks need the network: each have a thread of their own, so
    that the executor goes on receiving images.
    """

    def __init__(self, node: Node, selector: Selector, image_topic: str) -> None:
        self._node = node
        self._selector = selector
        self._clicks: LatestWorker[tuple[Frame, Point]] = LatestWorker(
            self._on_clicked, self._on_failed_click, "clicks"
        )
        self._clicks.start()
        self._waiting_boxes: deque[tuple[TargetBox, Frame]] = deque(maxlen=_MAX_WAITING_BOXES)
        self._boxes: LatestWorker[str] = LatestWorker(self._take_boxes, self._on_failed_box, "boxes")
        self._boxes.start()
        self._subscriptions: list[Any] = [
            node.create_subscription(TargetBox, "~/set_box", self._on_box, _QOS),
            node.create_subscription(Point, f"{image_topic}_mouse_left", self._on_click, _QOS),
            node.create_subscription(Point, "~/overlay_mouse_left", self._on_click, _QOS),
        ]
        messages = vision_messages()
        if messages is not None:
            self._subscriptions.append(
                node.create_subscription(messages.Detection2DArray, "~/detections_in", self._on_detections, 1)
            )

    def close(self, timeout_s: float) -> bool:
        """Stop taking requests; return False when the tracker hangs at a click."""
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)
        self._subscriptions.clear()
        return self.stop_worker(timeout_s)

    def stop_worker(self, timeout_s: float) -> bool:
        """End the threads for boxes and clicks; return False when one hangs."""
        return stop_all((self._boxes.stop, self._clicks.stop), timeout_s)

    def _on_box(self, message: TargetBox) -> None:
        try:
            self._waiting_boxes.append((message, self._selector.frame_of(message)))
            self._boxes.put("take them")
        except Refusal as refusal:
            self._node.get_logger().warning(f"~/set_box refused: {refusal}")

    def _take_boxes(self, _: str) -> None:
        while self._waiting_boxes and not self._boxes.is_stopping():
            message, frame = self._waiting_boxes.popleft()
            try:
                self._log(self._selector.set_box(message, frame), "~/set_box")
            except Refusal as refusal:
                self._node.get_logger().warning(f"~/set_box refused: {refusal}")

    def _on_failed_box(self, _: str, error: Exception) -> None:
        self._node.get_logger().error(f"~/set_box failed: {type(error).__name__}: {error}")

    def _on_detections(self, message: Any) -> None:
        try:
            self._log(self._selector.take_detection(message), "~/detections_in")
        except Refusal as refusal:  # a detector publishes all the time
            self._node.get_logger().warning(
                f"~/detections_in refused: {refusal}",
                throttle_duration_sec=5.0,
                throttle_time_source_type=STEADY_CLOCK,
            )

    def _on_click(self, point: Point) -> None:
        try:
            self._clicks.put((self._selector.newest(), point))
        except Refusal as refusal:
            self._node.get_logger().warning(f"click refused: {refusal}")

    def _on_clicked(self, click: tuple[Frame, Point]) -> None:
        frame, point = click
        try:
            # A click names a pixel by whole numbers; its centre is meant.
            self._log(self._selector.click(frame, (point.x + 0.5, point.y + 0.5)), "click")
        except Refusal as refusal:
            self._node.get_logger().warning(f"click refused: {refusal}")

    def _on_failed_click(self, click: tuple[Frame, Point], error: Exception) -> None:
        self._node.get_logger().error(f"click failed: {type(error).__name__}: {error}")

    def _log(self, started: tuple[str, Frame] | None, source: str) -> None:
        if started is not None:
            id, frame = started
            text = f"target {id!r} is tracked from image {frame.index} on ({source})"
            self._node.get_logger().info(text)


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
