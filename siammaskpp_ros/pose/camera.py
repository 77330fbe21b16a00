"""The subscription to camera_info, and the calibrated camera that such a message describes."""

from __future__ import annotations

from typing import Any

from rclpy.node import Node
from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Header

from siammaskpp_core.pose import CameraError, CameraModel
from siammaskpp_ros.common.image_input import fitting_qos, is_same_qos


class CameraInput:
    """Keeps the camera of the newest camera_info.

    Images are not paired with it: a calibration does not change from image to image, and an image whose
    camera_info was lost would have no pose.
    """

    def __init__(self, node: Node, image_topic: str, is_rectified: bool) -> None:
        self._node = node
        self._is_rectified = is_rectified
        self._info: CameraInfo | None = None
        self._cached: tuple[CameraInfo, CameraModel] | None = None
        self.topic = info_topic(node, image_topic)
        self._subscription: Any = None
        self.adapt()

    def adapt(self) -> None:
        """Subscribe again when the publishers call for another QoS; to be called once a second.

        Many drivers publish camera_info once, for all who subscribe later.
        """
        qos = fitting_qos(self._node, self.topic, depth=1)
        if self._subscription is not None:
            if is_same_qos(self._subscription.qos_profile, qos):
                return
            self.close()
        self._subscription = self._node.create_subscription(CameraInfo, self.topic, self._on_info, qos)

    def close(self) -> None:
        """End the subscription."""
        self._node.destroy_subscription(self._subscription)
        self._subscription = None

    def camera(self, header: Header, width: int, height: int) -> CameraModel:
        """Return the camera of an image with this header and size in pixels.

        Raises :class:`CameraError` without camera_info and when it is for images of another size or frame.
        """
        info = self._info
        if info is None:
            raise CameraError(
                f"no camera_info on {self.topic} ({self._node.count_publishers(self.topic)} publishers): the "
                "camera's calibration is not known. Let its driver publish it, or remap camera_info:=..."
            )
        if self._cached is None or self._cached[0] is not info:
            self._cached = (info, camera_of(info, self._is_rectified))
        camera = self._cached[1]
        if (camera.width, camera.height) != (width, height):
            if max(info.binning_x, info.binning_y) > 1 and (info.width, info.height) == (width, height):
                raise CameraError(
                    f"camera_info on {self.topic} has the size of the images, {width}x{height}, and binning "
                    f"{info.binning_x}x{info.binning_y} as well: with binning, its size, K and P are those "
                    "of the sensor before binning. Let the driver publish those, or binning 1 if K and P "
                    "belong to the images"
                )
            raise CameraError(
                f"camera_info on {self.topic} is for images of {camera.width}x{camera.height}, these have "
                f"{width}x{height} pixels: remap camera_info:=... to the one of this stream; a node that "
                "resizes images must publish camera_info for them"
            )
        if info.header.frame_id and not is_same_frame(info.header.frame_id, header.frame_id):
            raise CameraError(
                f"camera_info on {self.topic} is for the frame {info.header.frame_id!r}, the images are in "
                f"{header.frame_id!r}: remap camera_info:=... to the one of this stream"
            )
        return camera

    def _on_info(self, message: CameraInfo) -> None:
        self._info = message


def is_same_frame(one: str, other: str) -> bool:
    """Return True for equal frame ids; a slash in front, as in ROS 1, does not count, as in tf2."""
    return one.removeprefix("/") == other.removeprefix("/")


def info_topic(node: Node, image_topic: str) -> str:
    """Return the topic to which camera_info is remapped, or the one beside the images by default."""
    remapped: str = node.resolve_topic_name("camera_info")
    if remapped != node.resolve_topic_name("camera_info", only_expand=True):
        return remapped
    return image_topic.removesuffix("/compressed").rsplit("/", 1)[0] + "/camera_info"


def camera_of(info: CameraInfo, is_rectified: bool) -> CameraModel:
    """Return the camera that a message describes.

    Rectified images have the matrix P and no distortion, raw images K and D. Raises :class:`CameraError`.
    """
    region = info.roi
    is_whole = not (region.width and region.height)
    return CameraModel.from_calibration(
        (info.width, info.height) if is_whole else (region.width, region.height),
        info.p.reshape(3, 4)[:, :3] if is_rectified else info.k,
        () if is_rectified else info.d,
        info.distortion_model,
        offset=(0, 0) if is_whole else (region.x_offset, region.y_offset),
        binning=(info.binning_x, info.binning_y),
    )
