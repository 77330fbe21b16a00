"""Poses of the core as messages: geometry_msgs, a point cloud, and markers for rviz."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping

import numpy as np
from builtin_interfaces.msg import Duration
from geometry_msgs.msg import Point, Pose, PoseWithCovariance, Quaternion, Vector3
from sensor_msgs.msg import PointCloud2, PointField
from std_msgs.msg import ColorRGBA, Header
from visualization_msgs.msg import Marker, MarkerArray

from siammaskpp_core.arrays import Float64Array
from siammaskpp_core.pose import PoseEstimate, quaternion_xyzw

# Markers vanish after this time, so that none stays behind when its target is lost.
_MARKER_LIFETIME = Duration(nanosec=500_000_000)
# rviz does not draw cubes without thickness.
_MIN_THICKNESS_M = 0.01
_TEXT_HEIGHT_M = 0.08
_BOX_COLOUR = ColorRGBA(r=0.2, g=0.9, b=0.3, a=0.4)
_ARROW_COLOUR = ColorRGBA(r=1.0, g=0.6, b=0.1, a=1.0)
_TEXT_COLOUR = ColorRGBA(r=1.0, g=1.0, b=1.0, a=1.0)


def pose_with_covariance(pose: PoseEstimate) -> PoseWithCovariance:
    """Return position, orientation and their covariance [6, 6] in row-major order."""
    return PoseWithCovariance(pose=pose_message(pose), covariance=pose.covariance.ravel())


def pose_message(pose: PoseEstimate) -> Pose:
    """Return position and orientation."""
    x, y, z, w = map(float, quaternion_xyzw(pose.rotation))
    return Pose(position=point(pose.position_m), orientation=Quaternion(x=x, y=y, z=z, w=w))


def point(values: Iterable[float]) -> Point:
    """Return a Point from three numbers."""
    x, y, z = map(float, values)
    return Point(x=x, y=y, z=z)


def vector(values: Iterable[float]) -> Vector3:
    """Return a Vector3 from three numbers."""
    x, y, z = map(float, values)
    return Vector3(x=x, y=y, z=z)


def to_cloud(points_m: Float64Array, header: Header) -> PointCloud2:
    """Return an unorganised cloud of float32 x, y and z from finite points [N, 3] in m."""
    values = np.ascontiguousarray(points_m, "<f4")
    message = PointCloud2(
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
        is_dense=True,
    )
    # Into the array that is there: the generated setter would copy the data once more.
    message.data.frombytes(values.data.cast("B"))
    return message


def markers_of(header: Header, poses: Mapping[str, PoseEstimate], labels: Mapping[str, str]) -> MarkerArray:
    """Return a box, a label with the distance and, where the velocity is known, an arrow for each target.

    The arrow is the way that the target moves in one second. `poses` and `labels` are indexed by target id.
    """
    markers = []
    for id, pose in poses.items():
        markers += [_box(header, id, pose), _label(header, id, pose, labels[id])]
        if pose.velocity is not None:
            markers.append(_arrow(header, id, pose.position_m, pose.velocity.linear_m_s))
    return MarkerArray(markers=markers)


def _box(header: Header, id: str, pose: PoseEstimate) -> Marker:
    marker = _marker(header, id, "box", Marker.CUBE, _BOX_COLOUR)
    marker.pose = pose_message(pose)
    marker.scale = vector(max(side, _MIN_THICKNESS_M) for side in pose.extent_m)
    return marker


def _label(header: Header, id: str, pose: PoseEstimate, text: str) -> Marker:
    marker = _marker(header, id, "label", Marker.TEXT_VIEW_FACING, _TEXT_COLOUR)
    marker.text = f"{text} {pose.position_m[2]:.2f} m"
    x, y, z = pose.position_m
    # Above the object: y points down.
    marker.pose.position = point((x, y - pose.extent_m[:2].max() / 2 - _TEXT_HEIGHT_M, z))
    marker.scale.z = _TEXT_HEIGHT_M
    return marker


def _arrow(header: Header, id: str, position_m: Float64Array, velocity_m_s: Float64Array) -> Marker:
    marker = _marker(header, id, "velocity", Marker.ARROW, _ARROW_COLOUR)
    marker.points = [point(position_m), point(position_m + velocity_m_s)]
    marker.scale = Vector3(x=0.02, y=0.04, z=0.06)  # diameters of shaft and head, length of the head
    return marker


def _marker(header: Header, id: str, namespace: str, kind: int, colour: ColorRGBA) -> Marker:
    # rviz replaces a marker by the next one with the same number, so each target keeps its own.
    number = zlib.crc32(id.encode()) & 0x7FFFFFFF
    marker = Marker(header=header, ns=namespace, id=number, type=kind, action=Marker.ADD, color=colour)
    marker.lifetime = _MARKER_LIFETIME
    marker.pose.orientation.w = 1.0
    return marker
