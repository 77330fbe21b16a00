"""``~/detections`` and ``~/detections_3d`` as vision_msgs, where that package is installed."""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType
from typing import Any

from rclpy.node import Node
from rclpy.qos import QoSProfile

from siammaskpp_core.pose import PoseEstimate
from siammaskpp_ros.common.tracked_target import TrackedTarget
from siammaskpp_ros.pose.messages import pose_with_covariance, vector
from siammaskpp_ros.pose.observations import TrackedImage

_QOS = QoSProfile(depth=10)


class Detections:
    """All targets that are seen, in one message for every image in which any is."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._messages = _vision_messages()
        self._flat, self._solid = None, None
        if self._messages is None:
            node.get_logger().info(
                "~/detections and ~/detections_3d are left out: vision_msgs is not installed "
                "(apt install ros-$ROS_DISTRO-vision-msgs)"
            )
            return
        self._flat = node.create_publisher(self._messages.Detection2DArray, "~/detections", _QOS)
        self._solid = node.create_publisher(self._messages.Detection3DArray, "~/detections_3d", _QOS)

    @property
    def wants_3d(self) -> bool:
        """Whether somebody subscribes to ``~/detections_3d``."""
        return self._solid is not None and bool(self._solid.get_subscription_count())

    def publish_2d(self, tracked_image: TrackedImage) -> None:
        """The rotated boxes of all targets that are seen."""
        if self._flat is None or not tracked_image.seen or not self._flat.get_subscription_count():
            return
        assert self._messages is not None
        found = [_detection_2d(self._messages, tracked_image, item) for item in tracked_image.seen]
        message = self._messages.Detection2DArray(header=tracked_image.header, detections=found)
        self._flat.publish(message)

    def publish_3d(self, tracked_image: TrackedImage, poses: Mapping[str, PoseEstimate]) -> None:
        """The boxes in space of those that have a pose."""
        if self._solid is None or not poses or not self.wants_3d:
            return
        assert self._messages is not None
        found = [
            _detection_3d(self._messages, tracked_image, item, poses[item.id])
            for item in tracked_image.seen
            if item.id in poses
        ]
        self._solid.publish(self._messages.Detection3DArray(header=tracked_image.header, detections=found))

    def destroy(self) -> None:
        """Take the topics away."""
        for publisher in filter(None, (self._flat, self._solid)):
            self._node.destroy_publisher(publisher)


def _vision_messages() -> ModuleType | None:
    try:
        from vision_msgs import msg
    except ImportError:
        return None
    return msg


def _detection_2d(messages: Any, tracked_image: TrackedImage, seen: TrackedTarget) -> Any:
    box = seen.result.rotated_box
    message = messages.Detection2D(header=tracked_image.header, id=seen.id)
    message.results = [_hypothesis(messages, seen)]
    message.bbox.center.position.x, message.bbox.center.position.y = float(box.center_x), float(box.center_y)
    message.bbox.center.theta = float(box.angle_rad)
    message.bbox.size_x, message.bbox.size_y = float(box.width), float(box.height)
    return message


def _detection_3d(messages: Any, tracked_image: TrackedImage, seen: TrackedTarget, pose: PoseEstimate) -> Any:
    message = messages.Detection3D(header=tracked_image.header, id=seen.id)
    hypothesis = _hypothesis(messages, seen)
    hypothesis.pose = pose_with_covariance(pose)
    message.results = [hypothesis]
    message.bbox.center = hypothesis.pose.pose
    message.bbox.size = vector(pose.extent_m)
    return message


def _hypothesis(messages: Any, seen: TrackedTarget) -> Any:
    result = messages.ObjectHypothesisWithPose()
    result.hypothesis.class_id = seen.label or seen.id
    result.hypothesis.score = float(seen.result.score)
    return result
