"""Poses as messages. Stamp and frame are those of the image; nothing is published for what is not seen."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from geometry_msgs.msg import (
    PoseStamped,
    PoseWithCovarianceStamped,
    TransformStamped,
    TwistStamped,
    Vector3Stamped,
)
from numpy.typing import NDArray
from rclpy.node import Node
from rclpy.qos import QoSProfile
from sensor_msgs.msg import PointCloud2
from std_msgs.msg import Header
from visualization_msgs.msg import MarkerArray

from siammaskpp_core.pose import PoseEstimate
from siammaskpp_ros.pose.depth import PoseUnavailable
from siammaskpp_ros.pose.detections import Detections
from siammaskpp_ros.pose.messages import markers_of, pose_message, pose_with_covariance, to_cloud, vector
from siammaskpp_ros.pose.observations import TrackedImage

_QOS = QoSProfile(depth=10)
_NEWEST = QoSProfile(depth=1)


class PosePublishers:
    """The topics of one target and of all.

    Of one: ``~/pose``, ``~/target_pose``, ``~/velocity``, ``~/bearing``, ``~/points``; of all:
    ``~/detections``, ``~/detections_3d``, ``~/markers``, and transforms.
    """

    def __init__(self, node: Node, publish_tf: bool) -> None:
        self._node = node
        self._transforms = TransformOutput(node) if publish_tf else None
        self._pose = node.create_publisher(PoseWithCovarianceStamped, "~/pose", _QOS)
        self._target_pose = node.create_publisher(PoseStamped, "~/target_pose", _QOS)
        self._velocity = node.create_publisher(TwistStamped, "~/velocity", _QOS)
        self._bearing = node.create_publisher(Vector3Stamped, "~/bearing", _QOS)
        self._points = node.create_publisher(PointCloud2, "~/points", _NEWEST)
        self._markers = node.create_publisher(MarkerArray, "~/markers", _NEWEST)
        self._of_one = (self._pose, self._target_pose, self._velocity, self._points)
        self._detections = Detections(node)

    @property
    def wants_poses(self) -> bool:
        """Whether anybody uses a pose."""
        publishers = [*self._of_one, self._markers]
        return (
            self._transforms is not None
            or any(item.get_subscription_count() for item in publishers)
            or self._detections.wants_3d
        )

    @property
    def wants_bearing(self) -> bool:
        """Whether anybody uses the direction."""
        return bool(self._bearing.get_subscription_count())

    def publish_detections(self, tracked_image: TrackedImage) -> None:
        """What needs neither depth nor calibration."""
        self._detections.publish_2d(tracked_image)

    def publish_bearing(self, header: Header, direction: NDArray[np.float64]) -> None:
        """The unit vector [3] towards one target."""
        self._bearing.publish(Vector3Stamped(header=header, vector=vector(direction)))

    def publish(
        self, tracked_image: TrackedImage, poses: Mapping[str, PoseEstimate], target: str | None
    ) -> None:
        """`poses` by id of the targets that have one; `target` is the id of the one target."""
        header = tracked_image.header
        if target is not None and target in poses:
            self._publish_one(header, poses[target])
        self._detections.publish_3d(tracked_image, poses)
        if poses and self._markers.get_subscription_count():
            labels = {item.id: item.label or item.id for item in tracked_image.seen}
            self._markers.publish(markers_of(header, poses, labels))
        if self._transforms is not None:
            self._transforms.publish(header, poses)

    def destroy(self) -> None:
        """Take the topics away."""
        for publisher in (*self._of_one, self._bearing, self._markers):
            self._node.destroy_publisher(publisher)
        self._detections.destroy()

    def _publish_one(self, header: Header, pose: PoseEstimate) -> None:
        place = pose_with_covariance(pose)
        self._pose.publish(PoseWithCovarianceStamped(header=header, pose=place))
        self._target_pose.publish(PoseStamped(header=header, pose=place.pose))
        if pose.velocity is not None:
            message = TwistStamped(header=header)
            message.twist.linear = vector(pose.velocity.linear_m_s)
            self._velocity.publish(message)
        if len(pose.points) and self._points.get_subscription_count():
            self._points.publish(to_cloud(pose.points, header))


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
