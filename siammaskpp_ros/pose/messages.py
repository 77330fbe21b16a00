"""Numbers of the core as messages of geometry_msgs."""

from __future__ import annotations

import zlib
from array import array
from collections.abc import Iterable, Mapping

import numpy as np
from builtin_interfaces.msg import Duration
from geometry_msgs.msg import Point, Pose, PoseWithCovariance, Quaternion, Vector3
from numpy.typing import NDArray
from sensor_msgs.msg import PointCloud2, PointField
from std_msgs.msg import ColorRGBA, Header
from visualization_msgs.msg import Marker, MarkerArray

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


def to_cloud(points_m: NDArray[np.float64], header: Header) -> PointCloud2:
    """An unorganised cloud of float32 x, y, z from points [N, 3]; all of them are finite."""
    values = np.ascontiguousarray(points_m, "<f4")
    # As in conversions.py: any other type would be checked byte by byte.
    data = array("B")
    data.frombytes(values.data.cast("B"))
    return PointCloud2(
        header=header,
        height=1,
        width=len(values),
        fields=[
            PointField(name=name, offset=4 * index, datatype=PointField.FLOAT32, count=1)
            for index, name in enumerate("xyz")
        ],
        is_bigendian=False,
        point_step=12,
        row_step=12 * len(values),
        data=data,
        is_dense=True,
    )


_LIFETIME = Duration(nanosec=500_000_000)
_THINNEST_M = 0.01
_LETTERS_M = 0.08
_GREEN = ColorRGBA(r=0.2, g=0.9, b=0.3, a=0.4)
_ORANGE = ColorRGBA(r=1.0, g=0.6, b=0.1, a=1.0)
_WHITE = ColorRGBA(r=1.0, g=1.0, b=1.0, a=1.0)


def markers_of(header: Header, poses: Mapping[str, PoseEstimate], labels: Mapping[str, str]) -> MarkerArray:
    """The markers of all targets; they vanish when no more come. The arrow is the way of one second."""
    markers = []
    for id, pose in poses.items():
        markers += [_box(header, id, pose), _label(header, id, pose, labels[id])]
        if pose.velocity is not None:
            markers.append(_arrow(header, id, pose))
    return MarkerArray(markers=markers)


def _box(header: Header, id: str, pose: PoseEstimate) -> Marker:
    marker = _marker(header, id, "box", Marker.CUBE, _GREEN)
    marker.pose = pose_message(pose)
    marker.scale = vector(max(side, _THINNEST_M) for side in pose.extent_m)
    return marker


def _label(header: Header, id: str, pose: PoseEstimate, text: str) -> Marker:
    marker = _marker(header, id, "label", Marker.TEXT_VIEW_FACING, _WHITE)
    marker.text = f"{text} {pose.position_m[2]:.2f} m"
    x, y, z = pose.position_m
    marker.pose.position = point((x, y - pose.extent_m[:2].max() / 2 - _LETTERS_M, z))  # y points down
    marker.scale.z = _LETTERS_M
    return marker


def _arrow(header: Header, id: str, pose: PoseEstimate) -> Marker:
    assert pose.velocity is not None
    marker = _marker(header, id, "velocity", Marker.ARROW, _ORANGE)
    marker.points = [point(pose.position_m), point(pose.position_m + pose.velocity.linear_m_s)]
    marker.scale = Vector3(x=0.02, y=0.04, z=0.06)  # shaft, head, length of the head
    return marker


def _marker(header: Header, id: str, namespace: str, kind: int, colour: ColorRGBA) -> Marker:
    # The same number for the same target in every image.
    number = zlib.crc32(id.encode()) & 0x7FFFFFFF
    marker = Marker(header=header, ns=namespace, id=number, type=kind, action=Marker.ADD, color=colour)
    marker.lifetime = _LIFETIME
    marker.pose.orientation.w = 1.0
    return marker
