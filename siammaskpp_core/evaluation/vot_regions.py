"""Regions as VOT draws them.

A polygon's corners are centres of pixels: with (0, 0) the first pixel's centre, one from (10, 10) to
(19, 19) is ten pixels wide. Rectangles x, y, w, h cover the pixels x to x + w - 1, as ours do.
"""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from siammaskpp_core.tracking import RotatedBox

Floats = NDArray[np.float64]


def polygon_box(corners: Floats) -> Floats:
    """The upright box (x, y, w, h in pixels) from which to track what a polygon [4, 2] surrounds.

    The hull of the polygon shrunk about the mean of its corners to the area of the rotated rectangle, as all
    published Siamese trackers begin on VOT (SiamFC and those after it).
    """
    low, high = corners.min(axis=0), corners.max(axis=0)
    sides = np.linalg.norm(np.diff(corners[:3], axis=0), axis=1)
    hull_area = np.prod(high - low)
    shrink = np.sqrt(np.prod(sides) / hull_area) if hull_area > 0 else 1.0
    size = shrink * (high - low) + 1
    return np.concatenate([corners.mean(axis=0) + 0.5 - size / 2, size])


def rotated_polygon(box: RotatedBox) -> Floats:
    """The corners [4, 2] of a rotated box; one thinner than a pixel becomes a line."""
    drawn = replace(
        box,
        center_x=box.center_x - 0.5,
        center_y=box.center_y - 0.5,
        width=max(box.width - 1, 0.0),
        height=max(box.height - 1, 0.0),
    )
    return drawn.corners().astype(np.float64)


def mask_polygon(mask: NDArray[np.uint8]) -> Floats | None:
    """The corners [4, 2] of the smallest rotated rectangle around all of a mask [H, W]; None when empty."""
    pixels = cv2.findNonZero(mask)
    return None if pixels is None else cv2.boxPoints(cv2.minAreaRect(pixels)).astype(np.float64)
