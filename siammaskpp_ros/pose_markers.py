"""Poses as markers for rviz: a box, an arrow for the velocity, a label."""

from __future__ import annotations

import zlib
from collections.abc import Mapping

from builtin_interfaces.msg import Duration
from geometry_msgs.msg import Vector3
from std_msgs.msg import ColorRGBA, Header
from visualization_msgs.msg import Marker, MarkerArray

from siammaskpp_core.pose import PoseEstimate

from .pose_messages import point, pose_message, vector

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
