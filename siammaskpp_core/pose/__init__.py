"""From a mask, depth and the camera's calibration to where an object is, how it is turned, and its velocity.

Lengths are in metres. Points and axes are in the camera's optical frame: x right, y down, z forward.
"""

from siammaskpp_core.pose.bearing import Bearing, bearing_of
from siammaskpp_core.pose.camera import Camera, CameraError
from siammaskpp_core.pose.config import PoseConfig
from siammaskpp_core.pose.estimator import PoseEstimate, PoseEstimator, Velocity
from siammaskpp_core.pose.orientation import quaternion_xyzw
from siammaskpp_core.pose.points import DepthError, depth_in_metres
from siammaskpp_core.pose.position import NoPose

__all__ = [
    "Bearing",
    "Camera",
    "CameraError",
    "DepthError",
    "NoPose",
    "PoseConfig",
    "PoseEstimate",
    "PoseEstimator",
    "Velocity",
    "bearing_of",
    "depth_in_metres",
    "quaternion_xyzw",
]
