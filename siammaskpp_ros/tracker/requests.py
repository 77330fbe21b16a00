"""What asks for a target means: which image, which box, and why it may be refused."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from builtin_interfaces.msg import Time
from geometry_msgs.msg import Point
from rclpy.node import Node
from rclpy.qos import QoSProfile

from siammaskpp.msg import TargetBox
from siammaskpp.srv import RemoveTarget, SetTarget
from siammaskpp_core.errors import UserError
from siammaskpp_core.tracking import State
from siammaskpp_ros.common.worker import LatestWorker
from siammaskpp_ros.tracker.frame_buffer import Frame, FrameBuffer
from siammaskpp_ros.tracker.parameters import NodeConfig
from siammaskpp_ros.tracker.targets import TargetStore

DEFAULT_ID = "target"


class Refusal(UserError):
    """A request that is refused; the text says why and what to do."""


def choose_frame(frames: FrameBuffer, stamp: Time, waiting_hint: str) -> Frame:
    """The frame with this stamp, the newest for a stamp of zero; :class:`Refusal` when there is none."""
    stamp_ns = stamp.sec * 1_000_000_000 + stamp.nanosec
    frame = frames.at(stamp_ns) if stamp_ns else frames.newest()
    if frame is not None:
        return frame
    span = frames.span_ns()
    if span is None:
        raise Refusal(waiting_hint)
    oldest_s, newest_s = (value * 1e-9 for value in span)
    raise Refusal(
        f"the image with stamp {stamp_ns * 1e-9:.3f} s is not remembered; images from {oldest_s:.3f} to "
        f"{newest_s:.3f} s are. Copy the header of a newer image, leave the stamp zero for the newest one, "
        "or raise frame_buffer_s and frame_buffer_mb"
    )


class Selector:
    """Sets targets by boxes, clicks and detections.

    `hint` says why there may be no image, `config` is asked anew for every request. Every method raises
    :class:`Refusal` when a request cannot be met; no target has changed then.
    """

    def __init__(
        self,
        targets: TargetStore,
        frames: FrameBuffer,
        hint: Callable[[], str],
        config: Callable[[], NodeConfig],
    ) -> None:
        self._targets = targets
        self._frames = frames
        self._hint = hint
        self._config = config

    def newest(self) -> Frame:
        """The newest image."""
        return choose_frame(self._frames, Time(), self._hint())

    def set_box(self, request: SetTarget.Request | TargetBox) -> tuple[str, Frame]:
        """Start to track the box of `request`; the target's id and the image it starts on."""
        frame = choose_frame(self._frames, request.header.stamp, self._hint())
        box = (request.box.x, request.box.y, request.box.width, request.box.height)
        return self._set(request.id, request.label, frame, box)

    def click(self, frame: Frame, point_xy: tuple[float, float]) -> tuple[str, Frame]:
        """Start to track what is at a point of `frame`; it takes as long as a dozen images."""
        box = _refusing(lambda: self._targets.box_at(frame, point_xy))
        return self._set("", "", frame, box)

    def hand_over(self, detections: Any) -> tuple[str, Frame] | None:
        """Start to track the best detection in a vision_msgs/Detection2DArray, if one is wanted.

        It is when there is no target, or when that of :data:`DEFAULT_ID` is lost. None when not, or when no
        detection is good enough.
        """
        states = self._targets.states()
        if states and states.get(DEFAULT_ID) is not State.LOST:
            return None
        config = self._config()
        best = best_detection(detections, config.detection_class, config.detection_min_score)
        if best is None:
            return None
        frame = choose_frame(self._frames, detections.header.stamp, self._hint())
        return self._set("", best.class_id, frame, best.box_xywh)

    def _set(self, id: str, label: str, frame: Frame, box_xywh: Sequence[float]) -> tuple[str, Frame]:
        id = id or DEFAULT_ID
        limit = self._config().max_targets
        _refusing(lambda: self._targets.set(id, label, frame, box_xywh, limit))
        return id, frame


def _refusing(action: Callable[[], Any]) -> Any:
    try:
        return action()
    except UserError as error:  # boxes, images and the number of targets
        raise Refusal(str(error)) from error
    except Exception as error:  # the engine itself failed
        raise Refusal(f"the tracker failed on this image: {type(error).__name__}: {error}") from error


class TargetServices:
    """Answers as long as the node lives; `targets` and `selector` are None while there is nothing to ask."""

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
            response.message = (
                f"there is no target {request.id!r}; targets: {', '.join(response.remaining) or 'none'}"
            )
        return response


_QOS = QoSProfile(depth=10)


class SelectionInputs:
    """Subscribes while the node is active; what is refused is logged.

    rqt_image_view publishes clicks on `<topic>_mouse_left` of the topic it shows: the camera's image
    (`image_topic`) or ``~/overlay``. Looking at what was clicked takes a thread of its own.
    """

    def __init__(self, node: Node, selector: Selector, image_topic: str) -> None:
        self._node = node
        self._selector = selector
        self._clicks: LatestWorker[tuple[Frame, Point]] = LatestWorker(
            self._on_clicked, self._on_failed_click
        )
        self._clicks.start()
        self._subscriptions: list[Any] = [
            node.create_subscription(TargetBox, "~/set_box", self._on_box, _QOS),
            node.create_subscription(Point, f"{image_topic}_mouse_left", self._on_click, _QOS),
            node.create_subscription(Point, "~/overlay_mouse_left", self._on_click, _QOS),
        ]
        detections = detection_array_type()
        if detections is not None:
            self._subscriptions.append(
                node.create_subscription(detections, "~/detections_in", self._on_detections, 1)
            )

    def close(self, timeout_s: float) -> bool:
        """Take no more; False when the tracker hangs at a click."""
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)
        self._subscriptions.clear()
        return self.stop_worker(timeout_s)

    def stop_worker(self, timeout_s: float) -> bool:
        """End the thread that looks at clicks; False when it hangs."""
        return self._clicks.stop(timeout_s)

    def _on_box(self, message: TargetBox) -> None:
        try:
            self._say(self._selector.set_box(message), "~/set_box")
        except Refusal as refusal:
            self._node.get_logger().warning(f"~/set_box refused: {refusal}")

    def _on_detections(self, message: Any) -> None:
        try:
            self._say(self._selector.hand_over(message), "~/detections_in")
        except Refusal as refusal:  # a detector goes on and on
            self._node.get_logger().warning(f"~/detections_in refused: {refusal}", throttle_duration_sec=5.0)

    def _on_click(self, point: Point) -> None:
        try:
            self._clicks.put((self._selector.newest(), point))
        except Refusal as refusal:
            self._node.get_logger().warning(f"click refused: {refusal}")

    def _on_clicked(self, click: tuple[Frame, Point]) -> None:
        frame, point = click
        try:
            # Whole numbers name pixels, whose middle is meant.
            self._say(self._selector.click(frame, (point.x + 0.5, point.y + 0.5)), "click")
        except Refusal as refusal:
            self._node.get_logger().warning(f"click refused: {refusal}")

    def _on_failed_click(self, click: tuple[Frame, Point], error: Exception) -> None:
        self._node.get_logger().error(f"click failed: {type(error).__name__}: {error}")

    def _say(self, chosen: tuple[str, Frame] | None, source: str) -> None:
        if chosen is not None:
            id, frame = chosen
            text = f"target {id!r} is tracked from image {frame.index} on ({source})"
            self._node.get_logger().info(text)


class Detection(NamedTuple):
    """A detected object: its upright box (x, y, w, h) in pixels."""

    class_id: str
    score: float
    box_xywh: tuple[float, float, float, float]


def detection_array_type() -> type | None:
    """vision_msgs/Detection2DArray; None where vision_msgs is not installed."""
    try:
        from vision_msgs.msg import Detection2DArray
    except ImportError:
        return None
    kind: type = Detection2DArray
    return kind


def best_detection(message: Any, wanted_class: str, min_score: float) -> Detection | None:
    """The detection of `wanted_class` (empty: of any) with the highest score, from `min_score` on.

    `message` is a vision_msgs/Detection2DArray; each detection may have several hypotheses.
    """
    found = [
        Detection(item.hypothesis.class_id, item.hypothesis.score, _upright_box(detection.bbox))
        for detection in message.detections
        for item in detection.results
        if wanted_class in ("", item.hypothesis.class_id) and item.hypothesis.score >= min_score
    ]
    return max(found, key=lambda detection: detection.score, default=None)


def _upright_box(bbox: Any) -> tuple[float, float, float, float]:
    """Around a vision_msgs/BoundingBox2D, which may be turned."""
    center, theta = bbox.center.position, bbox.center.theta
    cos, sin = abs(math.cos(theta)), abs(math.sin(theta))
    width, height = bbox.size_x * cos + bbox.size_y * sin, bbox.size_x * sin + bbox.size_y * cos
    return center.x - width / 2, center.y - height / 2, width, height
