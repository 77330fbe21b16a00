"""Poses as transforms."""

from __future__ import annotations

from collections.abc import Mapping

from geometry_msgs.msg import TransformStamped
from rclpy.node import Node
from std_msgs.msg import Header

from siammaskpp_core.pose import PoseEstimate

from .pose_depth import PoseUnavailable
from .pose_messages import pose_message, vector


class TransformOutput:
    """Broadcasts from the camera's optical frame to a frame for every target, ``<node>/<id>``.

    Raises :class:`PoseUnavailable` where tf2_ros is missing.
    """

    def __init__(self, node: Node) -> None:
        try:
            from tf2_ros import TransformBroadcaster
        except ImportError as error:
            raise PoseUnavailable(
                f"publish_tf: true needs the package tf2_ros ({error}): apt install "
                "ros-$ROS_DISTRO-tf2-ros-py (it is not on PyPI), or set publish_tf to false"
            ) from error
        self._prefix = node.get_fully_qualified_name().lstrip("/")
        self._broadcaster = TransformBroadcaster(node)

    def publish(self, header: Header, poses: Mapping[str, PoseEstimate]) -> None:
        """Broadcast all `poses` at the image's time."""
        if poses:
            self._broadcaster.sendTransform([self._transform(header, *item) for item in poses.items()])

    def _transform(self, header: Header, id: str, pose: PoseEstimate) -> TransformStamped:
        message = TransformStamped(header=header, child_frame_id=f"{self._prefix}/{id}")
        message.transform.translation = vector(pose.position_m)
        message.transform.rotation = pose_message(pose).orientation
        return message
