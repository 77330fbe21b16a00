"""Poses as messages. Stamp and frame are those of the image; nothing is published for what is not seen."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from geometry_msgs.msg import PoseStamped, PoseWithCovarianceStamped, TwistStamped, Vector3Stamped
from numpy.typing import NDArray
from rclpy.node import Node
from rclpy.qos import QoSProfile
from sensor_msgs.msg import PointCloud2
from std_msgs.msg import Header
from visualization_msgs.msg import MarkerArray

from siammaskpp_core.pose import PoseEstimate

from .pose_cloud import to_cloud
from .pose_detections import Detections
from .pose_markers import markers_of
from .pose_messages import pose_with_covariance, vector
from .pose_sighting import Sighting
from .pose_tf import TransformOutput

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

    def publish_detections(self, sighting: Sighting) -> None:
        """What needs neither depth nor calibration."""
        self._detections.publish_2d(sighting)

    def publish_bearing(self, header: Header, direction: NDArray[np.float64]) -> None:
        """The unit vector [3] towards one target."""
        self._bearing.publish(Vector3Stamped(header=header, vector=vector(direction)))

    def publish(self, sighting: Sighting, poses: Mapping[str, PoseEstimate], target: str | None) -> None:
        """`poses` by id of the targets that have one; `target` is the id of the one target."""
        header = sighting.header
        if target is not None and target in poses:
            self._publish_one(header, poses[target])
        self._detections.publish_3d(sighting, poses)
        if poses and self._markers.get_subscription_count():
            labels = {item.id: item.label or item.id for item in sighting.seen}
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
