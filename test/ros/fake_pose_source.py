"""A stand-in for the tracker node that finds the person of the simulation by the colour of the shirt."""

from __future__ import annotations

import sys

import cv2
import numpy as np
from geometry_msgs.msg import PoseStamped, PoseWithCovariance
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, Image

from siammaskpp.msg import TrackedObject, TrackedObjectArray, TrackedPose, TrackedPoseArray
from siammaskpp_ros.common.node_main import run_node

SHIRT_BGR = (60, 60, 200)


class FakePoseSource(Node):
    """Publishes pose and objects of each image like the tracker; no pose while the person is not visible."""

    def __init__(self) -> None:
        super().__init__("tracker_node")
        self._depths: dict[tuple[int, int], Image] = {}
        self._image: Image | None = None
        self._info: CameraInfo | None = None
        self._poses = self.create_publisher(PoseStamped, "~/target_pose", 1)
        self._tracked_poses = self.create_publisher(TrackedPoseArray, "~/tracked_poses", 1)
        self._objects = self.create_publisher(TrackedObjectArray, "~/tracked_objects", 10)
        self.create_subscription(CameraInfo, "camera_info", self._on_info, 1)
        self.create_subscription(Image, "depth", self._on_depth, 5)
        self.create_subscription(Image, "image", self._on_image, 5)

    def _on_info(self, message: CameraInfo) -> None:
        self._info = message

    def _on_depth(self, message: Image) -> None:
        self._depths[message.header.stamp.sec, message.header.stamp.nanosec] = message
        self._process()

    def _on_image(self, message: Image) -> None:
        self._image = message
        self._process()

    def _process(self) -> None:
        """Publish when image and depth with one stamp have arrived, in whichever order."""
        if self._image is None or self._info is None:
            return
        message = self._image
        depth = self._depths.get((message.header.stamp.sec, message.header.stamp.nanosec))
        if depth is None:
            return
        self._image, self._depths = None, {}
        picture = np.frombuffer(message.data, np.uint8).reshape(message.height, message.width, 3)
        shirt = cv2.inRange(picture, *(tuple(value + step for value in SHIRT_BGR) for step in (-3, 3))) > 0
        item = TrackedObject(id="person", state=TrackedObject.TRACKING, mask_value=1)
        if shirt.sum() > 50:
            pose = self._pose(message, depth, shirt, self._info.k)
            self._poses.publish(pose)
            tracked = TrackedPose(id="person", pose=PoseWithCovariance(pose=pose.pose))
            self._tracked_poses.publish(TrackedPoseArray(header=message.header, poses=[tracked]))
        else:
            item = TrackedObject(id="person", state=TrackedObject.UNCERTAIN)
        self._objects.publish(TrackedObjectArray(header=message.header, objects=[item]))

    def _pose(self, message: Image, depth: Image, shirt: np.ndarray, k: np.ndarray) -> PoseStamped:
        kind, unit = ("<u2", 1e-3) if depth.encoding == "16UC1" else ("<f4", 1.0)
        metres = np.frombuffer(depth.data, kind).reshape(shirt.shape) * unit
        rows, columns = np.nonzero(shirt & (np.nan_to_num(metres) > 0))
        z = float(np.median(metres[rows, columns]))
        pose = PoseStamped(header=message.header)
        pose.pose.position.x = float(np.median(columns) - k[2]) * z / k[0]
        pose.pose.position.y = float(np.median(rows) - k[5]) * z / k[4]
        pose.pose.position.z = z
        pose.pose.orientation.w = 1.0
        return pose


sys.exit(run_node("fake_pose_source", FakePoseSource))
