"""The orientation of an object's visible surface, and its size along its axes."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from siammaskpp_core.arrays import Float64Array, Mask
from siammaskpp_core.pose.camera import CameraModel
from siammaskpp_core.pose.plane import Plane, frontal_plane
from siammaskpp_core.pose.position import Position

# A surface is flat when the standard deviation of its relief is below this fraction of its shorter side.
_FLAT_RELIEF_RATIO = 0.06
# Below this ratio of the sides, noise decides which of them is the longer one.
_SQUARE_RATIO = 1.15
# A plane seen at a grazing angle runs away to infinity: depths are clipped to this fraction of their median
# and to its inverse.
_MIN_DEPTH_RATIO = 0.25
# With a larger standard deviation (20 degrees), the tilt of the plane is taken as unknown.
_MAX_TILT_SIGMA_RAD = 0.35
# Uniform within half a turn: the outline looks the same turned by 180 degrees.
_UNKNOWN_IN_PLANE_SIGMA_RAD = math.pi / math.sqrt(12)
_EPSILON = 1e-9


@dataclass(frozen=True)
class Orientation:
    """The axes of the object, which are the columns of `rotation` [3, 3] in the camera's frame.

    x lies along the longer side of the visible surface, y along the shorter one, and z points away from the
    camera: an upright picture that faces the camera has the camera's own axes. extent_m [3] is the size along
    x, y and z; the last is 0 without points. covariance [3, 3] in rad^2 is that of the rotation vector of the
    error, in the camera's frame.
    """

    rotation: Float64Array
    extent_m: Float64Array
    covariance: Float64Array


def orientation_of(
    outline_px: Float64Array,
    position: Position,
    camera: CameraModel,
    boundary_sigma_px: float,
    previous: Float64Array | None = None,
) -> Orientation:
    """Return the orientation of the object with this outline [N, 2] (pixels) at this position.

    A curved object has the principal axes of its points. A flat one has the axes of the smallest rectangle
    around its outline in the plane of the surface; when it faces the camera, this is the rotated box.
    `previous` is the rotation [3, 3] in the image before: it decides which of two ways x points, and for a
    square along which side.
    """
    plane = _trusted_plane(position)
    outline = _on_plane(outline_px, camera, plane)
    rotation, sides = _smallest_rectangle(outline, plane.normal)
    if plane is position.plane and position.relief_m > _FLAT_RELIEF_RATIO * sides[1]:
        rotation = _principal_axes(position.points)
    rotation = _aligned(rotation, sides, np.eye(3) if previous is None else previous)
    thickness = 0.0
    if len(position.points):
        low, high = np.percentile(position.points @ rotation[:, 2], (2, 98))
        thickness = float(high - low)
    extent = np.array([*np.ptp(outline @ rotation[:, :2], axis=0), thickness])
    boundary_sigma_m = boundary_sigma_px * float(position.centroid_m[2]) / camera.focal_px
    return Orientation(rotation, extent, _covariance(rotation, plane, sides, boundary_sigma_m))


def outline_of(mask: Mask) -> Float64Array:
    """Return the pixel corners [N, 2] on the convex hull of the mask's largest part.

    Integer coordinates are pixel centres.
    """
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    hull = cv2.convexHull(max(contours, key=cv2.contourArea)).reshape(-1, 1, 2)
    corners = np.array([[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]])
    return (hull + corners).reshape(-1, 2)


def quaternion_xyzw(rotation: Float64Array) -> Float64Array:
    """Return the unit quaternion x, y, z, w of a rotation matrix [3, 3]."""
    vector = cv2.Rodrigues(rotation)[0][:, 0]
    angle = float(np.linalg.norm(vector))
    # np.sinc(x) is sin(pi x) / (pi x), which is defined at 0.
    return np.append(vector / 2 * np.sinc(angle / (2 * math.pi)), math.cos(angle / 2))


def _trusted_plane(position: Position) -> Plane:
    """Return the plane of the points, or one that faces the camera where noise hides the tilt."""
    tilt_sigma_rad = math.sqrt(float(np.linalg.eigvalsh(position.plane.tilt_covariance)[-1]))
    if tilt_sigma_rad <= _MAX_TILT_SIGMA_RAD:
        return position.plane
    centroid_m = position.centroid_m
    return frontal_plane(centroid_m / centroid_m[2], float(centroid_m[2]))


def _on_plane(outline_px: Float64Array, camera: CameraModel, plane: Plane) -> Float64Array:
    """Return the points [N, 3] in m where the rays of the outline meet the plane."""
    rays = camera.rays(outline_px)
    depth_m = plane.depth_m(rays)
    median_m = float(np.median(depth_m))
    depth_m = np.clip(depth_m, median_m * _MIN_DEPTH_RATIO, median_m / _MIN_DEPTH_RATIO)
    return rays * depth_m[:, None]


def _smallest_rectangle(outline: Float64Array, normal: Float64Array) -> tuple[Float64Array, Float64Array]:
    """Return axes [3, 3] and sides [2] (the longer first) of the smallest rectangle around a flat outline."""
    right = np.array([1.0, 0.0, 0.0])
    first = right - (right @ normal) * normal
    first /= np.linalg.norm(first)
    basis = np.column_stack([first, np.cross(normal, first)])
    flat = outline @ basis
    scale = max(float(np.ptp(flat, axis=0).max()), _EPSILON)  # minAreaRect calculates in single precision
    _, sides, degrees = cv2.minAreaRect(((flat - flat.mean(axis=0)) / scale).astype(np.float32))
    angle = math.radians(degrees) + (math.pi / 2 if sides[1] > sides[0] else 0.0)
    x = basis @ (math.cos(angle), math.sin(angle))
    rotation = np.column_stack([x, np.cross(normal, x), normal])
    return rotation, np.array(sorted(sides, reverse=True)) * scale


def _principal_axes(points: Float64Array) -> Float64Array:
    """Return the principal axes [3, 3] of the points, x being the one along which they vary most.

    Each point is weighted by z^2, the area of the surface that its pixel shows.
    """
    weights = points[:, 2] ** 2
    centred = points - np.average(points, axis=0, weights=weights)
    _, axes = np.linalg.eigh((centred * weights[:, None]).T @ centred)
    x, z = axes[:, 2], axes[:, 0]
    z = z if z @ points.mean(axis=0) > 0 else -z
    return np.column_stack([x, np.cross(z, x), z])


def _aligned(rotation: Float64Array, sides: Float64Array, previous: Float64Array) -> Float64Array:
    """Return the axes turned about z by half turns (squares: quarter turns) to be nearest to `previous`."""
    x, y, z = rotation.T
    candidates = [x, -x, y, -y] if sides[0] < _SQUARE_RATIO * sides[1] else [x, -x]
    nearest = max(candidates, key=lambda axis: float(axis @ previous[:, 0]))
    return np.column_stack([nearest, np.cross(z, nearest), z])


def _covariance(
    rotation: Float64Array, plane: Plane, sides: Float64Array, boundary_sigma_m: float
) -> Float64Array:
    """Return the covariance [3, 3]: tilt from the plane, in-plane rotation from boundary and sides."""
    longer, shorter = (max(float(side), _EPSILON) for side in sides)
    elongation = 1 - shorter / longer
    in_plane_sigma = boundary_sigma_m / longer / max(elongation, _EPSILON)
    in_plane_sigma = min(in_plane_sigma, _UNKNOWN_IN_PLANE_SIGMA_RAD)
    normal = rotation[:, 2]
    return plane.tilt_covariance + in_plane_sigma**2 * np.outer(normal, normal)
