"""What can be told without depth: the direction, and the range of an object whose size is known."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from siammaskpp_core.arrays import Float64Array
from siammaskpp_core.pose.camera import Camera
from siammaskpp_core.tracking.boxes import RotatedBox

# The length that is seen is that of the object turned away by some angle, or partly hidden.
_FORESHORTENING = 0.1


@dataclass(frozen=True)
class Bearing:
    """The direction of an object, a unit vector [3], and the angle that its longer side covers."""

    direction: Float64Array
    angle_rad: float
    ray_angle_rad: float
    """The angle of the edge's uncertainty."""

    def position(self, size_m: float) -> tuple[Float64Array, Float64Array]:
        """Position [3] in m and covariance [3, 3] of an object whose longer side is `size_m` long."""
        range_m = size_m / (2 * math.tan(self.angle_rad / 2))
        across = (range_m * self.ray_angle_rad) ** 2
        along = range_m**2 * (2 * (self.ray_angle_rad / self.angle_rad) ** 2 + _FORESHORTENING**2)
        outer = np.outer(self.direction, self.direction)
        return self.direction * range_m, across * (np.eye(3) - outer) + along * outer


def bearing_of(box: RotatedBox, camera: Camera, edge_px: float) -> Bearing:
    """The bearing of the middle of a rotated box whose edge is known to `edge_px`."""
    turn = box.angle_rad + (math.pi / 2 if box.height > box.width else 0.0)
    half = np.array([math.cos(turn), math.sin(turn)]) * max(box.width, box.height) / 2
    middle = np.array([box.center_x, box.center_y]) - 0.5  # pixel centres are integers now
    rays = camera.rays([middle, middle - half, middle + half])
    direction, first, last = rays / np.linalg.norm(rays, axis=1, keepdims=True)
    angle_rad = 2 * math.asin(min(float(np.linalg.norm(last - first)) / 2, 1.0))
    return Bearing(direction, angle_rad, edge_px / camera.focal_px)
