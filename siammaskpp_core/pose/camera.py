"""A calibrated camera, and what one image tells without depth: the bearing of an object."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import ArrayLike

from siammaskpp_core.arrays import Float64Array
from siammaskpp_core.errors import UserError
from siammaskpp_core.tracking.boxes import RotatedBox

BOUNDARY_SIGMA_PX = 2.0
"""Assumed standard deviation of the boundary of a mask or box."""
# Numbers of coefficients of the distortion models in sensor_msgs/CameraInfo (distortion_models.hpp).
_COEFFICIENTS = {"plumb_bob": (4, 5), "rational_polynomial": (8, 12, 14), "equidistant": (4,)}
_FEWEST_COEFFICIENTS = 4
# Drivers and calibration tools have other names for the same models.
_OTHER_NAMES = {
    "fisheye": "equidistant",
    "kannala_brandt": "equidistant",
    "kannala_brandt4": "equidistant",
    "radtan": "plumb_bob",
    "radial_tangential": "plumb_bob",
    "brown_conrady": "plumb_bob",
    "rational": "rational_polynomial",
}
_UNDISTORTION = (cv2.TERM_CRITERIA_COUNT + cv2.TERM_CRITERIA_EPS, 30, 1e-9)
# A tilted or partly hidden object shows less than its full length and therefore seems farther away.
_FORESHORTENING_SIGMA = 0.1


class CameraError(UserError):
    """A calibration cannot be used; the message says why and what to do."""


@dataclass(frozen=True)
class CameraModel:
    """A pinhole camera with lens distortion for images of `width` x `height` pixels.

    `matrix` [3, 3] is K; `distortion` holds the coefficients D of the distortion model `model` and is empty
    for rectified images. Use :meth:`from_calibration` to make one.
    """

    width: int
    height: int
    matrix: Float64Array
    distortion: Float64Array
    model: str

    @classmethod
    def from_calibration(
        cls,
        size: tuple[int, int],
        matrix: ArrayLike,
        distortion: Sequence[float] = (),
        model: str = "plumb_bob",
        *,
        offset: tuple[int, int] = (0, 0),
        binning: tuple[int, int] = (1, 1),
    ) -> CameraModel:
        """Return the camera of images that cover `size` (width, height) pixels of the full, unbinned sensor.

        `matrix` [3, 3] is K and `distortion` D, both for the full sensor; zeros at the end of D do not count.
        `offset` is the images' corner on
        the sensor and `binning` says how many columns and rows of the sensor make one pixel (region of
        interest and binning of CameraInfo). Raises :class:`CameraError`.
        """
        k = np.array(matrix, np.float64).reshape(3, 3)
        d = np.array(distortion, np.float64).reshape(-1)
        if not (np.isfinite(k).all() and k[0, 0] > 0 and k[1, 1] > 0):
            raise CameraError(
                f"the camera is not calibrated: fx = {k[0, 0]:g}, fy = {k[1, 1]:g}; calibrate it and let its "
                "driver publish the result"
            )
        if d.any():
            d, model = _checked_distortion(d, model)
        else:
            d = np.zeros(0)
        # Pixel i of a binned axis covers the sensor's pixels [b i, b i + b): its centre is b i + (b - 1) / 2.
        for axis in (0, 1):
            step = max(binning[axis], 1)
            k[axis, 2] = (k[axis, 2] - offset[axis] - (step - 1) / 2) / step
            k[axis, :2] /= step
        width, height = (side // max(step, 1) for side, step in zip(size, binning, strict=True))
        return cls(width, height, k, d, model)

    def rays(self, pixels: ArrayLike) -> Float64Array:
        """Return the rays (x/z, y/z, 1) [N, 3] through `pixels` [N, 2] (column, row).

        Integers are pixel centres here. In the continuous pixel coordinates of boxes, centres lie half a
        pixel higher.
        """
        uv = np.asarray(pixels, np.float64).reshape(-1, 2)
        if not self.distortion.size or not len(uv):
            x_over_z = (uv - self.matrix[:2, 2]) / (self.matrix[0, 0], self.matrix[1, 1])
        elif self.model == "equidistant":
            x_over_z = cv2.fisheye.undistortPoints(uv[:, None], self.matrix, self.distortion)[:, 0]
        else:
            # undistortPoints itself stops after 5 iterations, which is too early for wide lenses.
            identity = np.eye(3)
            x_over_z = cv2.undistortPointsIter(
                uv[:, None], self.matrix, self.distortion, identity, identity, _UNDISTORTION
            )[:, 0]
        return np.column_stack([x_over_z, np.ones(len(uv))])

    @property
    def focal_px(self) -> float:
        """The focal length in pixels, as the mean over both axes."""
        return float(self.matrix[0, 0] + self.matrix[1, 1]) / 2


@dataclass(frozen=True)
class Bearing:
    """The direction of an object (a unit vector [3]) and the angle that its longer side subtends.

    `boundary_sigma_rad` is the standard deviation of the object's boundary as an angle.
    """

    direction: Float64Array
    angle_rad: float
    boundary_sigma_rad: float

    def position(self, size_m: float) -> tuple[Float64Array, Float64Array]:
        """Return position [3] in m and covariance [3, 3] of an object whose longer side measures `size_m`."""
        range_m = size_m / (2 * math.tan(self.angle_rad / 2))
        across = (range_m * self.boundary_sigma_rad) ** 2
        relative_sigma = self.boundary_sigma_rad / self.angle_rad
        along = range_m**2 * (2 * relative_sigma**2 + _FORESHORTENING_SIGMA**2)
        outer = np.outer(self.direction, self.direction)
        return self.direction * range_m, across * (np.eye(3) - outer) + along * outer


def bearing_of(box: RotatedBox, camera: CameraModel, boundary_sigma_px: float = BOUNDARY_SIGMA_PX) -> Bearing:
    """Return the bearing of the centre of a rotated box whose sides are known to `boundary_sigma_px`."""
    axis_rad = box.angle_rad + (math.pi / 2 if box.height > box.width else 0.0)
    half = np.array([math.cos(axis_rad), math.sin(axis_rad)]) * max(box.width, box.height) / 2
    center = np.array([box.center_x, box.center_y]) - 0.5  # from continuous coordinates to pixel centres
    rays = camera.rays([center, center - half, center + half])
    direction, first, last = rays / np.linalg.norm(rays, axis=1, keepdims=True)
    angle_rad = 2 * math.asin(min(float(np.linalg.norm(last - first)) / 2, 1.0))
    return Bearing(direction, angle_rad, boundary_sigma_px / camera.focal_px)


def _checked_distortion(d: Float64Array, model: str) -> tuple[Float64Array, str]:
    """Return D with as many coefficients as the model has, and the model's name in sensor_msgs.

    Drivers fill D with zeros up to the length of another model.
    """
    name = model.strip().lower().replace("-", "_").replace(" ", "_")
    name = _OTHER_NAMES.get(name, name)
    if name not in _COEFFICIENTS:
        raise CameraError(
            f"distortion model {model!r} is not known; known are {', '.join(_COEFFICIENTS)}. Track in "
            "rectified images instead"
        )
    used = np.trim_zeros(d, "b")
    count = next((count for count in _COEFFICIENTS[name] if count >= len(used)), None)
    if count is None or len(d) < _FEWEST_COEFFICIENTS or not np.isfinite(d).all():
        counts = " or ".join(map(str, _COEFFICIENTS[name]))
        raise CameraError(
            f"{model} has {counts} finite distortion coefficients, but D is {d.tolist()}; let the driver "
            "publish the name of the model to which D belongs, or calibrate the camera again"
        )
    return np.pad(used, (0, count - len(used))), name
