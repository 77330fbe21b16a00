"""Where the visible surface of an object is."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from siammaskpp_core.arrays import BoolArray, Float64Array
from siammaskpp_core.errors import UserError
from siammaskpp_core.pose.camera import Camera
from siammaskpp_core.pose.config import PoseConfig
from siammaskpp_core.pose.plane import Plane, fit_plane, frontal_plane
from siammaskpp_core.pose.points import MAD_TO_SIGMA, Surface

_ROUNDS = 20
# A flat surface seen by a camera that rounds depths has no deviation at all.
_LEAST_GATE = 0.01
# The noise itself is an estimate: what little exceeds it is no relief.
_NOISE_FACTOR = 1.25


class NoPose(UserError):
    """An object whose position cannot be told; the text says why."""


@dataclass(frozen=True)
class Position:
    """The middle of the visible surface [3] in m, with covariance [3, 3], and what it was found by.

    `points` [N, 3] are those on the object, none without depth; `plane` fits them, and relief_m is the
    standard deviation of the surface around it, without the noise.
    """

    middle_m: Float64Array
    covariance: Float64Array
    points: Float64Array
    plane: Plane
    relief_m: float


def position_of(surface: Surface, camera: Camera, edge_px: float, config: PoseConfig) -> Position:
    """The position of a surface whose measured pixels mostly show the object, its edge known to `edge_px`.

    Raises :class:`NoPose` when fewer than min_pixels have a depth on it.
    """
    measured = surface.is_measured
    count = np.count_nonzero(measured)
    if count < config.min_pixels:
        raise NoPose(
            f"{count} of the object's {len(measured)} pixels have a depth, {config.min_pixels} are needed: "
            "it is too small, too near, too far, or its surface gives no depth"
        )
    on_object = measured.copy()
    on_object[measured] = near_the_median(surface.depth_m[measured])
    rays, depth_m = surface.rays[on_object], surface.depth_m[on_object]
    middle_ray, middle_m = np.median(rays, axis=0), float(np.median(depth_m))
    plane = fit_plane(rays, depth_m) or frontal_plane(middle_ray, middle_m)
    belongs = on_object | ~measured
    middle = _middle(surface.rays[belongs], _filled(surface, on_object, plane)[belongs])
    share = len(depth_m) / len(measured)
    # With half the surface missing, its middle is half as certain.
    covariance = _covariance(middle, plane, config.depth_bias, edge_px / camera.focal_px) / share
    relief_m = math.sqrt(max(plane.spread_m**2 - (_NOISE_FACTOR * surface.noise_m) ** 2, 0.0))
    return Position(middle, covariance, rays * depth_m[:, None], plane, relief_m)


def near_the_median(depth_m: Float64Array) -> BoolArray:
    """Which depths [N] lie around their median: three robust standard deviations, found anew until it holds.

    What lies behind or before the object is left out, and how far off that is does not matter.
    """
    kept: BoolArray = np.ones(len(depth_m), np.bool_)
    for _ in range(_ROUNDS):
        middle = float(np.median(depth_m[kept]))
        deviation = float(np.median(np.abs(depth_m[kept] - middle)))
        gate = max(3 * MAD_TO_SIGMA * deviation, _LEAST_GATE * middle)
        now = np.abs(depth_m - middle) <= gate
        if (now == kept).all():
            break
        kept = now
    return kept


def _filled(surface: Surface, on_object: BoolArray, plane: Plane) -> Float64Array:
    """Depths [N] with the holes closed by the plane, or an object of which half is missing would be off."""
    nearest, farthest = (float(end(surface.depth_m[on_object])) for end in (np.min, np.max))
    extent = farthest - nearest
    closed = np.clip(plane.depth_m(surface.rays), max(nearest - extent, nearest / 2), farthest + extent)
    return np.where(on_object, surface.depth_m, closed)


def _middle(rays: Float64Array, depth_m: Float64Array) -> Float64Array:
    """The median of the surface along each axis.

    A pixel's share of a plane grows with z^3: without that the nearer half, which has more pixels, would
    pull the middle towards the camera.
    """
    points = rays * depth_m[:, None]
    weights = depth_m**3
    return np.array([_weighted_median(axis, weights) for axis in points.T])


def _weighted_median(values: Float64Array, weights: Float64Array) -> float:
    order = np.argsort(values)
    shares = np.cumsum(weights[order])
    return float(np.interp(shares[-1] / 2, shares - weights[order] / 2, values[order]))


def _covariance(middle: Float64Array, plane: Plane, depth_bias: float, edge_rad: float) -> Float64Array:
    """[3, 3]: along the ray what the depth leaves open, across it what the mask's edge does."""
    along = middle / np.linalg.norm(middle)
    depth_variance = plane.depth_variance(middle / middle[2]) + (depth_bias * middle[2]) ** 2
    outer = np.outer(along, along)
    return (edge_rad * middle[2]) ** 2 * (np.eye(3) - outer) + depth_variance * outer
