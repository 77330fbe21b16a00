"""What the simulation sees, as messages."""

from __future__ import annotations

import math

import numpy as np
from geometry_msgs.msg import PoseStamped
from numpy.typing import NDArray
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from .conversions import to_image
from .sim_camera import Camera


def camera_info(camera: Camera, header: Header) -> CameraInfo:
    """The pinhole without distortion."""
    focal, (u, v) = camera.focal_px, camera.center_px
    info = CameraInfo(header=header, width=camera.width, height=camera.height)
    info.distortion_model = "plumb_bob"
    info.d = [0.0] * 5
    info.k = [focal, 0.0, u, 0.0, focal, v, 0.0, 0.0, 1.0]
    info.r = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]
    info.p = [focal, 0.0, u, 0.0, 0.0, focal, v, 0.0, 0.0, 0.0, 1.0, 0.0]
    return info


def depth_image(depth_m: NDArray[np.float32], encoding: str, header: Header) -> Image:
    """A depth image of HxW metres, 0 where nothing was measured (NaN in 32FC1): REP 118."""
    if encoding == "16UC1":
        values = np.rint(np.clip(depth_m * 1000, 0, 65535)).astype("<u2")
    else:
        values = np.where(depth_m > 0, depth_m, np.nan).astype("<f4")
    return to_image(values, encoding, header)


def pose(header: Header, x_m: float, y_m: float, yaw_rad: float) -> PoseStamped:
    """A pose on the floor."""
    result = PoseStamped(header=header)
    result.pose.position.x, result.pose.position.y = x_m, y_m
    result.pose.orientation.z, result.pose.orientation.w = math.sin(yaw_rad / 2), math.cos(yaw_rad / 2)
    return result
