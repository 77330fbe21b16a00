"""camera_info: which topic it comes on, and the camera that it describes."""

from __future__ import annotations

from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Header

from siammaskpp_core.pose import Camera, CameraError


class CameraInput:
    """Keeps the newest camera_info.

    It is not paired with the images: a calibration stays, and an image whose camera_info was lost would
    have no pose.
    """

    def __init__(self, node: Node, image_topic: str, is_rectified: bool) -> None:
        self._node = node
        self._is_rectified = is_rectified
        self._info: CameraInfo | None = None
        self._built: tuple[CameraInfo, Camera] | None = None
        self.topic = info_topic(node, image_topic)
        qos = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
        self._subscription = node.create_subscription(CameraInfo, self.topic, self._on_info, qos)

    def close(self) -> None:
        """Take no more of them."""
        self._node.destroy_subscription(self._subscription)

    def camera(self, header: Header, width: int, height: int) -> Camera:
        """The camera of an image of this header and size in pixels.

        Raises :class:`CameraError` when no camera_info has come, or that of other images.
        """
        info = self._info
        if info is None:
            raise CameraError(
                f"no camera_info on {self.topic} ({self._node.count_publishers(self.topic)} publishers): the "
                "camera's calibration is not known. Let its driver publish it, or remap camera_info:=..."
            )
        if self._built is None or self._built[0] is not info:
            self._built = (info, camera_of(info, self._is_rectified))
        camera = self._built[1]
        if (camera.width, camera.height) != (width, height):
            raise CameraError(
                f"camera_info on {self.topic} is for images of {camera.width}x{camera.height}, these have "
                f"{width}x{height} pixels: remap camera_info:=... to the one of this stream; who resizes "
                "images must publish one for them"
            )
        if info.header.frame_id not in ("", header.frame_id):
            raise CameraError(
                f"camera_info on {self.topic} is for the frame {info.header.frame_id!r}, the images are in "
                f"{header.frame_id!r}: remap camera_info:=... to the one of this stream"
            )
        return camera

    def _on_info(self, message: CameraInfo) -> None:
        self._info = message


def info_topic(node: Node, image_topic: str) -> str:
    """camera_info as it was remapped; else beside the images, as image_transport has it."""
    remapped: str = node.resolve_topic_name("camera_info")
    if remapped != node.resolve_topic_name("camera_info", only_expand=True):
        return remapped
    return image_topic.removesuffix("/compressed").rsplit("/", 1)[0] + "/camera_info"


def camera_of(info: CameraInfo, is_rectified: bool) -> Camera:
    """The camera of a message; raises :class:`CameraError`."""
    region = info.roi
    is_whole = not (region.width and region.height)
    return Camera.from_calibration(
        (info.width, info.height) if is_whole else (region.width, region.height),
        info.p.reshape(3, 4)[:, :3] if is_rectified else info.k,
        () if is_rectified else info.d,
        info.distortion_model,
        offset=(0, 0) if is_whole else (region.x_offset, region.y_offset),
        binning=(info.binning_x, info.binning_y),
    )
