"""A client with a depth camera, and a scene with known geometry."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import PoseStamped, PoseWithCovarianceStamped, TwistStamped, Vector3Stamped
from numpy.typing import NDArray
from ros_harness import Client, scene
from ros_time import seconds, stamp_at
from sensor_msgs.msg import CameraInfo, Image, PointCloud2
from std_msgs.msg import Header
from visualization_msgs.msg import MarkerArray

from siammaskpp.msg import TrackedPoseArray
from siammaskpp_ros.common.conversions import to_image

FRAME = "camera_optical_frame"
FOCAL_PX, CENTER = 300.0, (159.5, 119.5)
OBJECT_M, WALL_M = 1.5, 3.0
KINDS = {
    "pose": PoseWithCovarianceStamped,
    "target_pose": PoseStamped,
    "velocity": TwistStamped,
    "bearing": Vector3Stamped,
    "points": PointCloud2,
    "markers": MarkerArray,
    "tracked_poses": TrackedPoseArray,
}


def depth_picture(x: int = 100, y: int = 50, object_m: float = OBJECT_M) -> NDArray[np.float32]:
    """Depth [H, W] in m of the scene of ros_harness: its rectangle stands before a wall."""
    depth = np.full((240, 320), WALL_M, np.float32)
    depth[y : y + 30, x : x + 40] = object_m
    return depth


def place(x: int = 100, y: int = 50, object_m: float = OBJECT_M) -> list[float]:
    """Centre of that rectangle [3] in m; its pixels are x .. x+39, y .. y+29."""
    return [
        (x + 19.5 - CENTER[0]) / FOCAL_PX * object_m,
        (y + 14.5 - CENTER[1]) / FOCAL_PX * object_m,
        object_m,
    ]


def depth_message(depth_m: NDArray[np.float32], encoding: str, header: Header) -> Image:
    values = depth_m if encoding == "32FC1" else np.round(np.nan_to_num(depth_m) * 1000).astype(np.uint16)
    return to_image(values, encoding, header)


def camera_info(header: Header, width: int = 320, height: int = 240) -> CameraInfo:
    k = [FOCAL_PX, 0.0, CENTER[0], 0.0, FOCAL_PX, CENTER[1], 0.0, 0.0, 1.0]
    p = [FOCAL_PX, 0.0, CENTER[0], 0.0, 0.0, FOCAL_PX, CENTER[1], 0.0, 0.0, 0.0, 1.0, 0.0]
    info = CameraInfo(header=header, width=width, height=height, distortion_model="plumb_bob")
    info.k, info.p, info.d = k, p, [0.0] * 5
    return info


class PoseClient(Client):
    """Publishes colour images, depth images and camera_info; keeps poses and diagnostics."""

    def __init__(self, domain_id: int, topics: tuple[str, ...] = ("pose", "target_pose")) -> None:
        super().__init__(domain_id)
        self._depth = self.node.create_publisher(Image, "depth", 5)
        self._info = self.node.create_publisher(CameraInfo, "camera_info", 1)
        self.has_info = True
        self.encoding = "32FC1"
        self.got: dict[str, list] = {topic: [] for topic in topics}
        for topic in topics:
            self._keep(KINDS[topic], topic, self.got[topic])
        self.reports: list[DiagnosticArray] = []
        self.node.create_subscription(DiagnosticArray, "/diagnostics", self.reports.append, 10)

    def listen(self, kind, topic: str, absolute: bool = False) -> list:
        """Subscribe to one more topic."""
        kept: list = []
        name = topic if absolute else f"tracker_node/{topic}"
        self.node.create_subscription(kind, name, kept.append, 10)
        return kept

    def jump_to(self, stamp_s: float) -> None:
        """Let the next image have a stamp a tenth of a second after `stamp_s`."""
        self._next_stamp_s = stamp_s

    def send_depth(self, depth_m: NDArray[np.float32], header: Header, offset_s: float = 0.0) -> None:
        shifted = Header(stamp=stamp_at(seconds(header.stamp) + offset_s), frame_id=header.frame_id)
        self._depth.publish(depth_message(depth_m, self.encoding, shifted))

    def send_picture(self, picture: NDArray[np.uint8], header: Header) -> None:
        if self.has_info:
            self._info.publish(camera_info(header))
        self._images.publish(to_image(picture, "bgr8", header))

    def pose(self, x: int = 100, *, depth_m: NDArray[np.float32] | None = None, offset_s: float = 0.0):
        """Publish image and depth until a pose with the stamp of the image arrives."""
        picture = scene(x=x)
        depth_m = depth_picture(x) if depth_m is None else depth_m
        for _ in range(30):
            header = self.header()
            self.send_depth(depth_m, header, offset_s)
            self.send_picture(picture, header)
            if self.arrives(lambda h=header: self.got["pose"] and self.got["pose"][-1].header == h):
                return self.got["pose"][-1]
        raise AssertionError("no pose for an image that was sent thirty times")

    def tracked_without_pose(self, depth_m: NDArray[np.float32], frame: str = FRAME, times: int = 5) -> None:
        """Check that images are tracked although their depth gives no pose."""
        for _ in range(times):
            header = self.header()
            before = len(self.got["pose"])
            self.send_depth(depth_m, Header(stamp=header.stamp, frame_id=frame))
            self.send_picture(scene(), header)
            assert self.arrives(lambda h=header: self.objects and self.objects[-1].header == h, 5.0)
            assert self.objects[-1].objects[0].mask_value
            self.spin(0.05)
            assert len(self.got["pose"]) == before

    def arrives(self, is_true: Callable[[], object], timeout_s: float = 1.0) -> bool:
        end_s = time.monotonic() + timeout_s
        while time.monotonic() < end_s:
            self.spin(0.02)
            if is_true():
                return True
        return False

    def pose_report(self) -> str:
        """The newest message about poses in the diagnostics."""
        lines = [item for report in self.reports for item in report.status if item.name.endswith(": pose")]
        return lines[-1].message if lines else ""
