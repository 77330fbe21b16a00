"""A calibrated camera: from pixels to rays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import ArrayLike

from siammaskpp_core.arrays import Float64Array
from siammaskpp_core.errors import UserError

# Distortion models of sensor_msgs/CameraInfo (distortion_models.hpp) and how many coefficients each has.
_COEFFICIENTS = {"plumb_bob": (4, 5), "rational_polynomial": (8, 12, 14), "equidistant": (4,)}
_UNDISTORTION = (cv2.TERM_CRITERIA_COUNT + cv2.TERM_CRITERIA_EPS, 30, 1e-9)


class CameraError(UserError):
    """A calibration that cannot be used; the text says why and what to do."""


@dataclass(frozen=True)
class Camera:
    """The pinhole camera of images of `width` x `height` pixels.

    `matrix` [3, 3] is K; `distortion` holds the coefficients D of the model `model`, none for rectified
    images. Made by :meth:`from_calibration`.
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
    ) -> Camera:
        """The camera of images of `size` (width, height) in pixels of the full, unbinned sensor.

        `offset` is the images' corner on the sensor and `binning` how many columns and rows make a pixel
        (region of interest and binning of CameraInfo). Raises :class:`CameraError`.
        """
        k = np.array(matrix, np.float64).reshape(3, 3)
        d = np.array(distortion, np.float64).reshape(-1)
        if not (np.isfinite(k).all() and k[0, 0] > 0 and k[1, 1] > 0):
            raise CameraError(
                f"the camera is not calibrated: fx = {k[0, 0]:g}, fy = {k[1, 1]:g}; calibrate it and let its "
                "driver publish the result"
            )
        if d.any():
            _check_distortion(d, model)
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
        """Rays (x/z, y/z, 1) [N, 3] through `pixels` [N, 2] (column, row); integers are pixel centres.

        Continuous pixel coordinates, those of boxes, are half a pixel more.
        """
        uv = np.asarray(pixels, np.float64).reshape(-1, 2)
        if not self.distortion.size or not len(uv):
            x_over_z = (uv - self.matrix[:2, 2]) / (self.matrix[0, 0], self.matrix[1, 1])
        elif self.model == "equidistant":
            x_over_z = cv2.fisheye.undistortPoints(uv[:, None], self.matrix, self.distortion)[:, 0]
        else:
            # undistortPoints itself stops after 5 iterations, too early for wide lenses.
            same = np.eye(3)
            x_over_z = cv2.undistortPointsIter(
                uv[:, None], self.matrix, self.distortion, same, same, _UNDISTORTION
            )[:, 0]
        return np.column_stack([x_over_z, np.ones(len(uv))])

    @property
    def focal_px(self) -> float:
        """The focal length in pixels, mean of both axes."""
        return float(self.matrix[0, 0] + self.matrix[1, 1]) / 2


def _check_distortion(d: Float64Array, model: str) -> None:
    if model not in _COEFFICIENTS:
        raise CameraError(
            f"distortion model {model!r} is not known; known are {', '.join(_COEFFICIENTS)}. Track in "
            "rectified images instead"
        )
    if len(d) not in _COEFFICIENTS[model] or not np.isfinite(d).all():
        counts = " or ".join(map(str, _COEFFICIENTS[model]))
        raise CameraError(
            f"{model} has {counts} finite distortion coefficients, but {d.tolist()} came; calibrate "
            "the camera anew"
        )
