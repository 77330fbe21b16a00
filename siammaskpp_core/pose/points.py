"""Depth images, and the measured surface of an object in them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from siammaskpp_core.arrays import BoolArray, Float32Array, Float64Array, Mask
from siammaskpp_core.errors import UserError
from siammaskpp_core.pose.camera import CameraModel

Depth: TypeAlias = NDArray[np.uint16] | Float32Array
"""A depth image [H, W]: uint16 in mm or float32 in m (REP 118)."""

MAD_TO_SIGMA = 1.4826
"""Standard deviation of a normal distribution divided by its median absolute deviation."""
MAX_PIXELS = 10_000
"""Larger objects are sampled on a coarser grid: more pixels would cost time without adding accuracy."""
# The boundaries of colour and depth differ by a few pixels, so the mask's own boundary shows other depths.
_MASK_MARGIN_PX = 3.0


class DepthError(UserError):
    """A depth image cannot be used; the message says why and what to do."""


@dataclass(frozen=True)
class Surface:
    """The pixels of a mask without its boundary: rays [N, 3] with z = 1 and their depths [N].

    depth_m is z in m, NaN where nothing was measured. noise_m is the standard deviation of the noise that
    differs from pixel to pixel.
    """

    rays: Float64Array
    depth_m: Float64Array
    noise_m: float

    @property
    def is_measured(self) -> BoolArray:
        """True for the pixels that have a depth [N]."""
        return np.isfinite(self.depth_m)


def surface_of(mask: Mask, depth: Depth, camera: CameraModel) -> Surface:
    """Return the surface under `mask` [H, W] in a depth image of the same size.

    Raises :class:`DepthError` when the sizes differ.
    """
    if depth.shape != mask.shape:
        raise DepthError(
            f"the depth image has {_size(depth)} pixels, the colour image {_size(mask)}; use depth that is "
            "registered to the colour image"
        )
    x, y, width, height = cv2.boundingRect(mask)
    # With one pixel more on each side, the crop keeps the mask's boundary except where the image itself ends.
    left, top = max(x - 1, 0), max(y - 1, 0)
    crop = np.s_[top : y + height + 1, left : x + width + 1]
    metres = depth_in_metres(depth[crop])
    interior = _interior(mask[crop])
    step = max(1, math.ceil(math.sqrt(np.count_nonzero(interior) / MAX_PIXELS)))
    rows, columns = (indices * step for indices in np.nonzero(interior[::step, ::step]))
    rays = camera.rays(np.column_stack([columns + left, rows + top]))
    return Surface(rays, metres[rows, columns].astype(np.float64), _noise_m(metres, interior))


def depth_in_metres(depth: Depth) -> Float32Array:
    """Return a depth image [H, W] in m with NaN where nothing was measured (REP 117 and 118).

    In uint16 (mm), 0 means no measurement; in float32 (m), everything that is not positive and finite does.
    Raises :class:`DepthError` for other types.
    """
    if depth.dtype == np.uint16:
        metres = depth.astype(np.float32) / np.float32(1000)
    elif depth.dtype == np.float32:
        metres = depth.astype(np.float32, copy=True)
    else:
        raise DepthError(f"depth is uint16 in mm or float32 in m, not {depth.dtype}")
    metres[~(np.isfinite(metres) & (metres > 0))] = np.nan
    return metres


def _interior(mask: Mask) -> BoolArray:
    """Return `mask` without a margin at its boundary; thin objects keep their centre line."""
    if not mask.any():
        return np.zeros(mask.shape, np.bool_)
    distance = cv2.distanceTransform((mask > 0).astype(np.uint8), cv2.DIST_L2, 5)
    return distance > min(_MASK_MARGIN_PX, float(distance.max()) / 2)


def _noise_m(metres: Float32Array, interior: BoolArray) -> float:
    """Estimate the noise from differences between neighbours in a row; 0 where there are none."""
    differences = np.diff(metres, axis=1)[interior[:, 1:] & interior[:, :-1]]
    differences = differences[np.isfinite(differences)]
    if not differences.size:
        return 0.0
    deviations = np.abs(differences - np.median(differences))
    return float(np.median(deviations)) * MAD_TO_SIGMA / math.sqrt(2)


def _size(image: NDArray[np.generic]) -> str:
    return "x".join(map(str, reversed(image.shape)))
