"""The topics and transforms about poses.

Stamp and frame are always those of the image; nothing is published about a target that is not visible.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from geometry_msgs.msg import (
    PoseStamped,
    PoseWithCovarianceStamped,
    TransformStamped,
    TwistStamped,
    Vector3Stamped,
)
from rclpy.node import Node
from rclpy.qos import QoSProfile
from sensor_msgs.msg import PointCloud2
from std_msgs.msg import Header
from visualization_msgs.msg import MarkerArray

from siammaskpp.msg import TrackedPose, TrackedPoseArray
from siammaskpp_core.arrays import Float64Array
from siammaskpp_core.errors import MissingPackageError
from siammaskpp_core.pose import PoseEstimate
from siammaskpp_ros.common.tracked_target import TrackedTarget
from siammaskpp_ros.common.vision_messages import vision_messages
from siammaskpp_ros.pose.messages import markers_of, pose_message, pose_with_covariance, to_cloud, vector

_QOS = QoSProfile(depth=10)
_NEWEST_QOS = QoSProfile(depth=1)


class PosePublishers:
    """Publishes poses: those of one target on topics of their own, those of all targets together.

    The one target has ``~/pose``, ``~/target_pose``, ``~/velocity``, ``~/bearing`` and ``~/points``. All
    targets have ``~/tracked_poses``, ``~/detections``, ``~/detections_3d`` and ``~/markers``, and transforms
    with `publish_tf`.
    """

    def __init__(self, node: Node, publish_tf: bool) -> None:
        self._node = node
        self._transforms = TransformOutput(node) if publish_tf else None
        self._pose = node.create_publisher(PoseWithCovarianceStamped, "~/pose", _QOS)
        self._target_pose = node.create_publisher(PoseStamped, "~/target_pose", _QOS)
        self._velocity = node.create_publisher(TwistStamped, "~/velocity", _QOS)
        self._bearing = node.create_publisher(Vector3Stamped, "~/bearing", _QOS)
        self._points = node.create_publisher(PointCloud2, "~/points", _NEWEST_QOS)
        self._tracked_poses = node.create_publisher(TrackedPoseArray, "~/tracked_poses", _QOS)
        self._markers = node.create_publisher(MarkerArray, "~/markers", _NEWEST_QOS)
        self._from_poses = (
            *(self._pose, self._target_pose, self._velocity, self._points),
            *(self._tracked_poses, self._markers),
        )
        self._detections = DetectionPublishers(node)

    @property
    def needs_poses(self) -> bool:
        """True while transforms are broadcast or somebody subscribes to a topic that is made from poses."""
        return (
            self._transforms is not None
            or any(publisher.get_subscription_count() for publisher in self._from_poses)
            or self._detections.needs_poses
        )

    @property
    def needs_bearing(self) -> bool:
        """True while somebody subscribes to ``~/bearing``."""
        return bool(self._bearing.get_subscription_count())

    def publish_detections(self, header: Header, targets: Sequence[TrackedTarget]) -> None:
        """Publish ``~/detections``, which needs neither depth nor calibration."""
        self._detections.publish_2d(header, targets)

    def publish_bearing(self, header: Header, direction: Float64Array) -> None:
        """Publish the unit vector [3] towards the one target."""
        self._bearing.publish(Vector3Stamped(header=header, vector=vector(direction)))

    def publish_poses(
        self,
        header: Header,
        targets: Sequence[TrackedTarget],
        poses: Mapping[str, PoseEstimate],
        pose_target: TrackedTarget | None,
    ) -> None:
        """Publish `poses`, which holds the poses of those visible `targets` that have one, by their ids."""
        if pose_target is not None and pose_target.id in poses:
            self._publish_one(header, poses[pose_target.id])
        if poses:
            items = [TrackedPose(id=id, pose=pose_with_covariance(pose)) for id, pose in poses.items()]
            self._tracked_poses.publish(TrackedPoseArray(header=header, poses=items))
        self._detections.publish_3d(header, targets, poses)
        if poses and self._markers.get_subscription_count():
            labels = {target.id: target.label or target.id for target in targets}
            self._markers.publish(markers_of(header, poses, labels))
        if self._transforms is not None:
            self._transforms.publish(header, poses)

    def destroy(self) -> None:
        """Destroy all publishers."""
        for publisher in (*self._from_poses, self._bearing):
            self._node.destroy_publisher(publisher)
        self._detections.destroy()

    def _publish_one(self, header: Header, pose: PoseEstimate) -> None:
        message = pose_with_covariance(pose)
        self._pose.publish(PoseWithCovarianceStamped(header=header, pose=message))
        self._target_pose.publish(PoseStamped(header=header, pose=message.pose))
        if pose.velocity is not None:
            twist = TwistStamped(header=header)
            twist.twist.linear = vector(pose.velocity.linear_m_s)
            self._velocity.publish(twist)
        if len(pose.points) and self._points.get_subscription_count():
            self._points.publish(to_cloud(pose.points, header))


class DetectionPublishers:
    """Publishes ``~/detections`` and ``~/detections_3d`` where vision_msgs is installed."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._messages = vision_messages()
        self._detections_2d, self._detections_3d = None, None
        if self._messages is None:
            node.get_logger().info(
                "~/detections and ~/detections_3d are left out: vision_msgs is not installed "
                "(apt install ros-$ROS_DISTRO-vision-msgs)"
            )
            return
        self._detections_2d = node.create_publisher(self._messages.Detection2DArray, "~/detections", _QOS)
        self._detections_3d = node.create_publisher(self._messages.Detection3DArray, "~/detections_3d", _QOS)

    @property
    def needs_poses(self) -> bool:
        """True while somebody subscribes to ``~/detections_3d``."""
        return self._detections_3d is not None and bool(self._detections_3d.get_subscription_count())

    def publish_2d(self, header: Header, targets: Sequence[TrackedTarget]) -> None:
        """Publish the rotated boxes of all visible `targets`."""
        if self._detections_2d is None or not targets or not self._detections_2d.get_subscription_count():
            return
        assert self._messages is not None
        detections = [_detection_2d(self._messages, header, target) for target in targets]
        self._detections_2d.publish(self._messages.Detection2DArray(header=header, detections=detections))

    def publish_3d(
        self, header: Header, targets: Sequence[TrackedTarget], poses: Mapping[str, PoseEstimate]
    ) -> None:
        """Publish the boxes in space of those `targets` that have a pose."""
        if self._detections_3d is None or not poses or not self.needs_poses:
            return
        assert self._messages is not None
        detections = [
            _detection_3d(self._messages, header, target, poses[target.id])
            for target in targets
            if target.id in poses
        ]
        self._detections_3d.publish(self._messages.Detection3DArray(header=header, detections=detections))

    def destroy(self) -> None:
        """Destroy both publishers."""
        for publisher in filter(None, (self._detections_2d, self._detections_3d)):
            self._node.destroy_publisher(publisher)


class TransformOutput:
    """Broadcasts a transform from the camera's optical frame to the frame ``<node>/<id>`` of every target.

    Raises :class:`~siammaskpp_core.errors.MissingPackageError` where tf2_ros is not installed.
    """

    def __init__(self, node: Node) -> None:
        try:
            from tf2_ros import TransformBroadcaster
        except ImportError as error:
            raise MissingPackageError(
                f"publish_tf: true needs the package tf2_ros ({error}): apt install "
                "ros-$ROS_DISTRO-tf2-ros-py (it is not on PyPI), or set publish_tf to false"
            ) from error
        self._prefix = node.get_fully_qualified_name().lstrip("/")
        self._broadcaster = TransformBroadcaster(node)

    def publish(self, header: Header, poses: Mapping[str, PoseEstimate]) -> None:
        """Broadcast all `poses` with the stamp of their image."""
        if poses:
            self._broadcaster.sendTransform([self._transform(header, *item) for item in poses.items()])

    def _transform(self, header: Header, id: str, pose: PoseEstimate) -> TransformStamped:
        message = TransformStamped(header=header, child_frame_id=f"{self._prefix}/{id}")
        message.transform.translation = vector(pose.position_m)
        message.transform.rotation = pose_message(pose).orientation
        return message


def _detection_2d(messages: Any, header: Header, target: TrackedTarget) -> Any:
    box = target.result.rotated_box
    message = messages.Detection2D(header=header, id=target.id)
    message.results = [_hypothesis(messages, target)]
    message.bbox.center.position.x, message.bbox.center.position.y = float(box.center_x), float(box.center_y)
    message.bbox.center.theta = float(box.angle_rad)
    message.bbox.size_x, message.bbox.size_y = float(box.width), float(box.height)
    return message


def _detection_3d(messages: Any, header: Header, target: TrackedTarget, pose: PoseEstimate) -> Any:
    message = messages.Detection3D(header=header, id=target.id)
    hypothesis = _hypothesis(messages, target)
    hypothesis.pose = pose_with_covariance(pose)
    message.results = [hypothesis]
    message.bbox.center = hypothesis.pose.pose
    message.bbox.size = vector(pose.extent_m)
    return message


def _hypothesis(messages: Any, target: TrackedTarget) -> Any:
    result = messages.ObjectHypothesisWithPose()
    result.hypothesis.class_id = target.label or target.id
    result.hypothesis.score = float(target.result.confidence)
    return result
