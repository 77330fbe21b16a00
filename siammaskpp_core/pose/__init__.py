"""Position, orientation, size and velocity of a tracked object.

They are measured from its mask, a depth image and the calibration of the camera. Lengths are in metres.
Points and axes are in the camera's optical frame: x right, y down, z forward.
"""

from siammaskpp_core.pose.camera import Bearing, CameraError, CameraModel, bearing_of
from siammaskpp_core.pose.estimator import PoseEstimate, PoseEstimator, Velocity
from siammaskpp_core.pose.orientation import quaternion_xyzw
from siammaskpp_core.pose.points import DepthError, depth_in_metres
from siammaskpp_core.pose.position import NoPose

__all__ = [
    "Bearing",
    "CameraError",
    "CameraModel",
    "DepthError",
    "NoPose",
    "PoseEstimate",
    "PoseEstimator",
    "Velocity",
    "bearing_of",
    "depth_in_metres",
    "quaternion_xyzw",
]
