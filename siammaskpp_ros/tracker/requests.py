"""Requests for targets on services and topics. Those that need the network wait in one queue."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from geometry_msgs.msg import Point
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.task import Future

from siammaskpp.msg import TargetBox
from siammaskpp.srv import RemoveTarget, RenameTarget, SetTarget
from siammaskpp_ros.common.frame_buffer import Frame
from siammaskpp_ros.common.steady_clock import STEADY_CLOCK
from siammaskpp_ros.common.vision_messages import vision_messages
from siammaskpp_ros.common.worker import Worker
from siammaskpp_ros.tracker.selection import DEFAULT_ID, MAX_NAME, Refusal, Selector, Started, check_name
from siammaskpp_ros.tracker.targets import TargetStore

_QOS = QoSProfile(depth=10)
# More requests than this do not wait; the oldest are refused.
_MAX_WAITING = 16


class _Request(NamedTuple):
    source: str
    id: str
    meet: Callable[[], Started | None]
    answer: Callable[[Started | Refusal | None], object]


class RequestQueue:
    """Meets the requests that need the network, in the order in which they came.

    It has a thread of its own for them, so that the executor goes on receiving images.
    """

    def __init__(self, node: Node, selector: Selector) -> None:
        self.selector = selector
        self._node = node
        self._worker: Worker[_Request] = Worker(self._meet, self._on_failure, "requests", _MAX_WAITING)
        self._worker.start()

    def put(
        self,
        source: str,
        id: str,
        find_frame: Callable[[], Frame],
        meet: Callable[[Frame], Started | None],
        answer: Callable[[Started | Refusal | None], object],
        *,
        replaces: bool = False,
    ) -> None:
        """Find the frame of a request for the target `id`, now, and let it wait for its turn.

        `source` is the service or topic on which it came; with `replaces` it waits in place of the requests
        from the same source. `meet` may use the network, and returns None when no target is wanted any more.
        It and `find_frame` may raise :class:`Refusal`. `answer` is called once, in any thread.
        """
        try:
            frame = find_frame()
        except Refusal as refusal:
            answer(refusal)
            return
        if replaces:
            self._worker.drop(lambda waiting: waiting.source == source)
        dropped = self._worker.put(_Request(source, id or DEFAULT_ID, lambda: meet(frame), answer))
        if dropped is not None:
            dropped.answer(Refusal(f"{_MAX_WAITING} newer requests wait already; ask less often"))

    def cancel(self, id: str) -> list[str]:
        """Refuse the waiting requests for the target `id` (empty: for any); return the ids in them."""
        cancelled = self._worker.drop(lambda waiting: id in ("", waiting.id))
        for request in cancelled:
            request.answer(Refusal(f"the target {request.id!r} was removed before it was set"))
        return [request.id for request in cancelled]

    def stop(self, timeout_s: float) -> bool:
        """Refuse what waits and end the thread; return False when the tracker hangs at a request."""
        for request in self._worker.drop(lambda _: True):
            request.answer(Refusal("the node has been deactivated"))
        return self._worker.stop(timeout_s)

    def _meet(self, request: _Request) -> None:
        try:
            with self.selector.targets.starting(request.id):
                result: Started | Refusal | None = request.meet()
        except Refusal as refusal:
            result = refusal
        request.answer(result)

    def _on_failure(self, request: _Request, error: Exception) -> None:
        text = f"{request.source} failed: {type(error).__name__}: {error}"
        self._node.get_logger().error(text)
        request.answer(Refusal(text))


class TargetServices:
    """The services ``~/set_target``, ``~/remove_target`` and ``~/rename_target``, as long as the node exists.

    `targets` is None while the node is not configured, `queue` while it is not active.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self.targets: TargetStore | None = None
        self.queue: RequestQueue | None = None
        # A service that waits for its answer would keep all other callbacks of its group waiting.
        group = ReentrantCallbackGroup()
        node.create_service(SetTarget, "~/set_target", self._on_set, callback_group=group)
        node.create_service(RemoveTarget, "~/remove_target", self._on_remove)
        node.create_service(RenameTarget, "~/rename_target", self._on_rename)

    async def _on_set(self, request: SetTarget.Request, response: SetTarget.Response) -> SetTarget.Response:
        result = await self._ask(request)
        if isinstance(result, Refusal):
            response.success, response.message = False, str(result)
            self._node.get_logger().warning(f"set_target refused: {result}")
            return response
        response.id, frame = result
        response.success, response.stamp = True, frame.message.header.stamp
        response.message = f"target {response.id!r} is tracked from image {frame.index} on"
        self._node.get_logger().info(response.message)
        return response

    async def _ask(self, request: SetTarget.Request) -> Started | Refusal:
        if self.queue is None:
            return Refusal("the node is not active; activate it first (ros2 lifecycle set)")
        selector, answered = self.queue.selector, Future()

        def answer(result: Started | Refusal | None) -> None:
            answered.set_result(result)
            if self._node.executor is not None:  # it looks at the waiting service when it wakes
                self._node.executor.wake()

        self.queue.put(
            "set_target",
            request.id,
            lambda: selector.frame_of(request),
            lambda frame: selector.set_box(request, frame),
            answer,
        )
        result: Started | Refusal = await answered
        return result

    def _on_remove(
        self, request: RemoveTarget.Request, response: RemoveTarget.Response
    ) -> RemoveTarget.Response:
        removed = self.queue.cancel(request.id) if self.queue is not None else []
        if self.targets is not None:
            removed = [*self.targets.remove(request.id), *removed]
            response.remaining = self.targets.ids()
        response.removed = list(dict.fromkeys(removed))
        response.success = bool(removed) or not request.id
        if response.success:
            response.message = f"removed {len(response.removed)} target(s)"
        else:
            response.message = _no_target(request.id, response.remaining)
        return response

    def _on_rename(
        self, request: RenameTarget.Request, response: RenameTarget.Response
    ) -> RenameTarget.Response:
        try:
            check_name("label", request.label)
        except Refusal as refusal:
            response.message = str(refusal)
            return response
        targets = self.targets
        response.success = targets is not None and targets.rename(request.id, request.label)
        response.message = (
            f"target {request.id!r} has the label {request.label!r}"
            if response.success
            else _no_target(request.id, targets.ids() if targets is not None else [])
        )
        return response


def _no_target(id: str, known: Sequence[str]) -> str:
    return f"there is no target {id[:MAX_NAME]!r}; targets: {', '.join(known) or 'none'}"


class SelectionInputs:
    """Subscriptions to ``~/set_box``, ``~/detections_in`` and clicks; a refusal is logged.

    rqt_image_view publishes clicks on ``<topic>_mouse_left`` of the topic that it shows: the camera's images
    (`image_topic`) or ``~/overlay``. Of the clicks, and of the detections, only the newest waits in `queue`.
    """

    def __init__(self, node: Node, queue: RequestQueue, image_topic: str) -> None:
        self._node = node
        self._queue = queue
        self._selector = queue.selector
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

    def close(self) -> None:
        """End the subscriptions."""
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)
        self._subscriptions.clear()

    def _on_box(self, message: TargetBox) -> None:
        self._queue.put(
            "~/set_box",
            message.id,
            lambda: self._selector.frame_of(message),
            lambda frame: self._selector.set_box(message, frame),
            lambda result: self._log("~/set_box", result),
        )

    def _on_detections(self, message: Any) -> None:
        if self._selector.wanted_detection(message) is None:
            return
        self._queue.put(
            "~/detections_in",
            DEFAULT_ID,
            lambda: self._selector.frame_of(message),
            lambda frame: self._selector.take_detection(message, frame),
            lambda result: self._log("~/detections_in", result),
            replaces=True,
        )

    def _on_click(self, point: Point) -> None:
        # A click names a pixel by whole numbers; its centre is meant.
        point_xy = point.x + 0.5, point.y + 0.5
        self._queue.put(
            "click",
            DEFAULT_ID,
            self._selector.newest,
            lambda frame: self._selector.click(point_xy, frame),
            lambda result: self._log("click", result),
            replaces=True,
        )

    def _log(self, source: str, result: Started | Refusal | None) -> None:
        if isinstance(result, Refusal):
            self._node.get_logger().warning(
                f"{source} refused: {result}",
                # A detector publishes all the time.
                throttle_duration_sec=5.0 if source == "~/detections_in" else 0.0,
                throttle_time_source_type=STEADY_CLOCK,
            )
        elif result is not None:
            id, frame = result
            text = f"target {id!r} is tracked from image {frame.index} on ({source})"
            self._node.get_logger().info(text)
