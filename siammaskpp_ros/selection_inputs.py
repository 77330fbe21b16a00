"""The topics by which targets are set: ``~/set_box``, clicks of rqt_image_view, ``~/detections_in``."""

from __future__ import annotations

from typing import Any

from geometry_msgs.msg import Point
from rclpy.node import Node
from rclpy.qos import QoSProfile

from siammaskpp.msg import TargetBox

from .detections_in import detection_array_type
from .frame_buffer import Frame
from .selection import Refusal, Selector
from .worker import LatestWorker

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
