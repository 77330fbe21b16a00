"""The services ``~/set_target`` and ``~/remove_target``."""

from __future__ import annotations

from rclpy.node import Node

from siammaskpp.srv import RemoveTarget, SetTarget

from .selection import Refusal, Selector
from .targets import TargetStore


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
