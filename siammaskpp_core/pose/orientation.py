"""How the visible surface of an object is turned, and how large it is."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from siammaskpp_core.arrays import Float64Array, Image
from siammaskpp_core.pose.camera import Camera
from siammaskpp_core.pose.plane import Plane, frontal_plane
from siammaskpp_core.pose.position import Position

FLAT_SHARE = 0.06
"""A surface is flat whose relief (standard deviation) is below this share of its shorter side."""
SQUARE_RATIO = 1.15
"""Up to this ratio of its sides nobody can tell which one is the longer."""
_LEAST_SHARE_OF_DEPTH = 0.25
_UNKNOWN_TILT = 0.35
# Uniform within half a turn: an object looks the same turned by 180 degrees.
_UNKNOWN_TURN = math.pi / math.sqrt(12)


@dataclass(frozen=True)
class Orientation:
    """Axes of the object, columns of `rotation` [3, 3] in the camera's frame, and its size along them.

    x is its longer side, as far as it is seen, y the shorter one, z points away from the camera: an upright
    picture before the camera has the camera's own axes. extent_m [3] is the size along x, y and z, the last 0
    without points. covariance [3, 3] in rad^2 is that of the rotation vector by which the axes may be off, in
    the camera's frame.
    """

    rotation: Float64Array
    extent_m: Float64Array
    covariance: Float64Array


def quaternion_xyzw(rotation: Float64Array) -> Float64Array:
    """The unit quaternion x, y, z, w of a rotation matrix [3, 3]."""
    vector = cv2.Rodrigues(rotation)[0][:, 0]
    angle = float(np.linalg.norm(vector))
    # np.sinc(x) is sin(pi x) / (pi x), which is defined at 0.
    return np.append(vector / 2 * np.sinc(angle / (2 * math.pi)), math.cos(angle / 2))


def outline_of(mask: Image) -> Float64Array:
    """The corners of the pixels on the hull of the mask's largest part [N, 2]; pixel centres are integers."""
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    hull = cv2.convexHull(max(contours, key=cv2.contourArea)).reshape(-1, 1, 2)
    corners = np.array([[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]])
    return (hull + corners).reshape(-1, 2)


def orientation_of(
    outline_px: Float64Array,
    position: Position,
    camera: Camera,
    edge_px: float,
    before: Float64Array | None = None,
) -> Orientation:
    """The principal axes of the points on the object; of a flat one, those of a rectangle in its plane.

    It is the smallest around the object's outline [N, 2] (pixels) when that is seen from straight ahead: for
    a surface that faces the camera, the rotated box. Which way x points, and for a square which side it is,
    goes on from the rotation `before`.
    """
    plane = _believed(position)
    outline = _on_plane(outline_px, camera, plane)
    rotation, sides = _rectangle(outline, plane.normal)
    if plane is position.plane and position.relief_m > FLAT_SHARE * sides[1]:
        rotation = _principal_axes(position.points)
    rotation = _continued(rotation, sides, np.eye(3) if before is None else before)
    thickness = 0.0
    if len(position.points):
        low, high = np.percentile(position.points @ rotation[:, 2], (2, 98))
        thickness = float(high - low)
    extent = np.array([*np.ptp(outline @ rotation[:, :2], axis=0), thickness])
    edge_m = edge_px * float(position.middle_m[2]) / camera.focal_px
    return Orientation(rotation, extent, _covariance(rotation, plane, sides, edge_m))


def _believed(position: Position) -> Plane:
    """The plane of the points, one that faces the camera where their noise leaves the tilt open."""
    tilt = math.sqrt(float(np.linalg.eigvalsh(position.plane.tilt_covariance)[-1]))
    if tilt <= _UNKNOWN_TILT:
        return position.plane
    middle = position.middle_m
    return frontal_plane(middle / middle[2], float(middle[2]))


def _on_plane(outline_px: Float64Array, camera: Camera, plane: Plane) -> Float64Array:
    """Where the rays of the outline meet the plane [N, 3]."""
    rays = camera.rays(outline_px)
    depth_m = plane.depth_m(rays)
    middle = float(np.median(depth_m))
    # A plane seen at a grazing angle runs away to infinity.
    depth_m = np.clip(depth_m, middle * _LEAST_SHARE_OF_DEPTH, middle / _LEAST_SHARE_OF_DEPTH)
    return rays * depth_m[:, None]


def _rectangle(outline: Float64Array, normal: Float64Array) -> tuple[Float64Array, Float64Array]:
    """The smallest rectangle around points of a plane: axes [3, 3] and the sides [2], the longer first."""
    right = np.array([1.0, 0.0, 0.0])
    first = right - (right @ normal) * normal
    first /= np.linalg.norm(first)
    basis = np.column_stack([first, np.cross(normal, first)])
    flat = outline @ basis
    scale = max(float(np.ptp(flat, axis=0).max()), 1e-9)  # OpenCV calculates in single precision
    _, sides, degrees = cv2.minAreaRect(((flat - flat.mean(axis=0)) / scale).astype(np.float32))
    angle = math.radians(degrees) + (math.pi / 2 if sides[1] > sides[0] else 0.0)
    x = basis @ (math.cos(angle), math.sin(angle))
    rotation = np.column_stack([x, np.cross(normal, x), normal])
    return rotation, np.array(sorted(sides, reverse=True)) * scale


def _principal_axes(points: Float64Array) -> Float64Array:
    """Axes [3, 3] of the points by how far they spread; each pixel has the share of the surface it shows."""
    weights = points[:, 2] ** 2
    centred = points - np.average(points, axis=0, weights=weights)
    _, axes = np.linalg.eigh((centred * weights[:, None]).T @ centred)
    x, z = axes[:, 2], axes[:, 0]
    z = z if z @ points.mean(axis=0) > 0 else -z
    return np.column_stack([x, np.cross(z, x), z])


def _continued(rotation: Float64Array, sides: Float64Array, before: Float64Array) -> Float64Array:
    """The same axes with x and y turned about z so that they are nearest to those of `before`."""
    x, y, z = rotation.T
    candidates = [x, -x, y, -y] if sides[0] < SQUARE_RATIO * sides[1] else [x, -x]
    nearest = max(candidates, key=lambda axis: float(axis @ before[:, 0]))
    return np.column_stack([nearest, np.cross(z, nearest), z])


def _covariance(rotation: Float64Array, plane: Plane, sides: Float64Array, edge_m: float) -> Float64Array:
    """Tilt as the plane leaves it open; the turn about the normal as edge and sides do."""
    longer, shorter = (max(float(side), 1e-9) for side in sides)
    of_the_edge = edge_m / longer
    elongation = 1 - shorter / longer
    turn = min(of_the_edge / max(elongation, 1e-9), _UNKNOWN_TURN)
    normal = rotation[:, 2]
    return plane.tilt_covariance + turn**2 * np.outer(normal, normal)
