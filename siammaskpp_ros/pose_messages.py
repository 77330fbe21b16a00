"""Numbers of the core as messages of geometry_msgs."""

from __future__ import annotations

from collections.abc import Iterable

from geometry_msgs.msg import Point, Pose, PoseWithCovariance, Quaternion, Vector3

from siammaskpp_core.pose import PoseEstimate, quaternion_xyzw


def pose_message(pose: PoseEstimate) -> Pose:
    """Position and orientation."""
    x, y, z, w = map(float, quaternion_xyzw(pose.rotation))
    return Pose(position=point(pose.position_m), orientation=Quaternion(x=x, y=y, z=z, w=w))


def pose_with_covariance(pose: PoseEstimate) -> PoseWithCovariance:
    """The same and the covariance, row by row."""
    return PoseWithCovariance(pose=pose_message(pose), covariance=pose.covariance.ravel())


def point(values: Iterable[float]) -> Point:
    """Three numbers."""
    x, y, z = map(float, values)
    return Point(x=x, y=y, z=z)


def vector(values: Iterable[float]) -> Vector3:
    """Three numbers."""
    x, y, z = map(float, values)
    return Vector3(x=x, y=y, z=z)
