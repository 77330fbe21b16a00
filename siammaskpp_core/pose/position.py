"""The position of an object: the centroid of its visible surface."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from siammaskpp_core.arrays import BoolArray, Float64Array
from siammaskpp_core.errors import UserError
from siammaskpp_core.pose.camera import CameraModel
from siammaskpp_core.pose.plane import Plane, fit_plane, frontal_plane
from siammaskpp_core.pose.points import MAD_TO_SIGMA, Surface

# With fewer pixels neither the median of the depth nor the plane is trustworthy.
_MIN_PIXELS = 30
# All pixels share the error of the camera's depth calibration; it is proportional to the range.
_DEPTH_BIAS_RATIO = 0.005
_INLIER_ROUNDS = 20
# A camera that rounds depths sees a flat surface without any deviation.
_MIN_GATE_RATIO = 0.01
# The noise is itself an estimate: residuals that exceed it by less than this are not taken for relief.
_NOISE_FACTOR = 1.25


class NoPose(UserError):
    """The object has no pose in this image; the message says why."""


@dataclass(frozen=True)
class Position:
    """The centroid of the visible surface [3] in m with covariance [3, 3], and the geometry behind it.

    `points` [N, 3] are the measured points on the object, none without depth. `plane` fits them, and relief_m
    is the standard deviation of the surface around that plane without the noise.
    """

    centroid_m: Float64Array
    covariance: Float64Array
    points: Float64Array
    plane: Plane
    relief_m: float


def position_of(surface: Surface, camera: CameraModel, boundary_sigma_px: float) -> Position:
    """Return the position of a surface whose measured pixels mostly show the object.

    `boundary_sigma_px` is the standard deviation of the object's boundary. Raises :class:`NoPose` when too
    few pixels have a depth.
    """
    measured = surface.is_measured
    count = np.count_nonzero(measured)
    if count < _MIN_PIXELS:
        raise NoPose(
            f"{count} of the object's {len(measured)} pixels have a depth, {_MIN_PIXELS} are needed: "
            "it is too small, too near, too far, or its surface gives no depth"
        )
    on_object = measured.copy()
    on_object[measured] = median_inliers(surface.depth_m[measured])
    rays, depth_m = surface.rays[on_object], surface.depth_m[on_object]
    plane = fit_plane(rays, depth_m) or frontal_plane(np.median(rays, axis=0), float(np.median(depth_m)))
    belongs = on_object | ~measured
    centroid_m = _centroid(surface.rays[belongs], _filled(surface, on_object, plane)[belongs])
    coverage = len(depth_m) / len(measured)
    # When half of the surface is missing, the variance of its centroid doubles.
    covariance = _covariance(centroid_m, plane, boundary_sigma_px / camera.focal_px) / coverage
    relief_m = math.sqrt(max(plane.residual_sigma_m**2 - (_NOISE_FACTOR * surface.noise_m) ** 2, 0.0))
    return Position(centroid_m, covariance, rays * depth_m[:, None], plane, relief_m)


def median_inliers(depth_m: Float64Array) -> BoolArray:
    """Return which depths [N] lie within three robust standard deviations of their median.

    Median and deviation are computed again from the inliers until these no longer change. A background or an
    occluder is left out by this, however far away it is.
    """
    kept: BoolArray = np.ones(len(depth_m), np.bool_)
    for _ in range(_INLIER_ROUNDS):
        median_m = float(np.median(depth_m[kept]))
        deviation = float(np.median(np.abs(depth_m[kept] - median_m)))
        gate = max(3 * MAD_TO_SIGMA * deviation, _MIN_GATE_RATIO * median_m)
        inliers = np.abs(depth_m - median_m) <= gate
        if (inliers == kept).all():
            break
        kept = inliers
    return kept


def _filled(surface: Surface, on_object: BoolArray, plane: Plane) -> Float64Array:
    """Return depths [N], holes filled from the plane: otherwise a missing half would shift the centroid."""
    nearest, farthest = (float(end(surface.depth_m[on_object])) for end in (np.min, np.max))
    extent = farthest - nearest
    filled = np.clip(plane.depth_m(surface.rays), max(nearest - extent, nearest / 2), farthest + extent)
    return np.where(on_object, surface.depth_m, filled)


def _centroid(rays: Float64Array, depth_m: Float64Array) -> Float64Array:
    """Return the median [3] of the surface along each axis, weighted by area.

    The area that one pixel shows of a plane grows with z^3. Without this weight the nearer half, which has
    more pixels, would pull the centroid towards the camera.
    """
    points = rays * depth_m[:, None]
    weights = depth_m**3
    return np.array([_weighted_median(axis, weights) for axis in points.T])


def _weighted_median(values: Float64Array, weights: Float64Array) -> float:
    order = np.argsort(values)
    cumulative = np.cumsum(weights[order])
    return float(np.interp(cumulative[-1] / 2, cumulative - weights[order] / 2, values[order]))


def _covariance(centroid_m: Float64Array, plane: Plane, boundary_sigma_rad: float) -> Float64Array:
    """Return the covariance [3, 3]: along the ray from the depth, across it from the mask's boundary."""
    along = centroid_m / np.linalg.norm(centroid_m)
    depth_variance = plane.depth_variance(centroid_m / centroid_m[2])
    depth_variance += (_DEPTH_BIAS_RATIO * centroid_m[2]) ** 2
    outer = np.outer(along, along)
    return (boundary_sigma_rad * centroid_m[2]) ** 2 * (np.eye(3) - outer) + depth_variance * outer
