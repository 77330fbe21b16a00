"""The part of a depth image that lies on an object."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from siammaskpp_core.arrays import BoolArray, Float32Array, Float64Array, Image
from siammaskpp_core.errors import UserError
from siammaskpp_core.pose.camera import Camera
from siammaskpp_core.pose.config import PoseConfig

Depth = NDArray[np.uint16] | Float32Array

# A normal distribution's standard deviation over its median absolute deviation.
MAD_TO_SIGMA = 1.4826


class DepthError(UserError):
    """A depth image that cannot be used; the text says why and what to do."""


@dataclass(frozen=True)
class Surface:
    """The pixels in the core of a mask, without its edge: rays [N, 3] with z = 1 and depths [N].

    depth_m is z, NaN where nothing was measured. noise_m is the part of its noise that differs from pixel to
    pixel, a standard deviation.
    """

    rays: Float64Array
    depth_m: Float64Array
    noise_m: float

    @property
    def is_measured(self) -> BoolArray:
        """Where there is a depth [N]."""
        return np.isfinite(self.depth_m)


def depth_in_metres(depth: Depth) -> Float32Array:
    """A depth image [H, W] in m, NaN where nothing was measured (REP 117 and 118).

    uint16 is in mm, 0 is no measurement; float32 is in m, NaN, infinities and what is not positive are none.
    """
    if depth.dtype == np.uint16:
        metres = depth.astype(np.float32) / np.float32(1000)
    elif depth.dtype == np.float32:
        metres = depth.astype(np.float32, copy=True)
    else:
        raise DepthError(f"depth is uint16 in mm or float32 in m, not {depth.dtype}")
    metres[~(np.isfinite(metres) & (metres > 0))] = np.nan
    return metres


def surface_of(mask: Image, depth: Depth, camera: Camera, config: PoseConfig) -> Surface:
    """The surface under `mask` [H, W] (not 0 on the object) in a depth image of the same size.

    Raises :class:`DepthError` when the sizes differ.
    """
    if depth.shape != mask.shape:
        raise DepthError(
            f"the depth image has {_size(depth)} pixels, the colour image {_size(mask)}; use depth that is "
            "registered to the colour image"
        )
    x, y, width, height = cv2.boundingRect(mask)
    # One pixel more, so that the mask's edge is an edge here too; the image's own edge is none.
    left, top = max(x - 1, 0), max(y - 1, 0)
    part = np.s_[top : y + height + 1, left : x + width + 1]
    metres = depth_in_metres(depth[part])
    core = _core(mask[part], config.mask_margin_px)
    step = max(1, math.ceil(math.sqrt(np.count_nonzero(core) / config.max_pixels)))
    rows, columns = (indices * step for indices in np.nonzero(core[::step, ::step]))
    rays = camera.rays(np.column_stack([columns + left, rows + top]))
    return Surface(rays, metres[rows, columns].astype(np.float64), _noise_m(metres, core))


def _core(mask: Image, margin_px: float) -> BoolArray:
    """`mask` without its edge; thin objects keep their middle."""
    if not mask.any():
        return np.zeros(mask.shape, np.bool_)
    distance = cv2.distanceTransform((mask > 0).astype(np.uint8), cv2.DIST_L2, 5)
    return distance > min(margin_px, float(distance.max()) / 2)


def _noise_m(metres: Float32Array, core: BoolArray) -> float:
    """From differences between neighbours in a row, in the core; 0 where there are none."""
    differences = np.diff(metres, axis=1)[core[:, 1:] & core[:, :-1]]
    differences = differences[np.isfinite(differences)]
    if not differences.size:
        return 0.0
    deviations = np.abs(differences - np.median(differences))
    return float(np.median(deviations)) * MAD_TO_SIGMA / math.sqrt(2)


def _size(picture: NDArray[np.generic]) -> str:
    return "x".join(map(str, reversed(picture.shape)))
