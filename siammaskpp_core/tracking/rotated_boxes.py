"""Rotated boxes around the contour of a mask.

A contour, int32 [N, 1, 2], runs through the centres of the border pixels in pixel indices: half a pixel
inside the mask's edge, and half a pixel less than in continuous coordinates.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from siammaskpp_core.arrays import BoolArray, Float64Array, Image
from siammaskpp_core.tracking.boxes import RotatedBox

Contour = NDArray[np.int32]

MIN_SIDE_COVERAGE = 0.2
"""Fraction of each side of an ellipse box that must lie on the mask (alpha of Chen and Tsotsos)."""


def min_area_box(contour: Contour) -> RotatedBox:
    """Return the smallest rectangle around the contour (SiamMask)."""
    (x, y), (width, height), degrees = cv2.minAreaRect(contour)
    return RotatedBox(x + 0.5, y + 0.5, width + 1, height + 1, float(np.deg2rad(degrees)))


def ellipse_box(contour: Contour, mask: Image) -> RotatedBox:
    """Return the refined box of SiamMask_E (Chen and Tsotsos, 2019, arXiv 1907.03892).

    The box has the angle of the ellipse fitted to the contour, and bounds the contour points inside the
    ellipse's own box, which leaves protruding parts out. The left and right sides, then the top and bottom,
    move inwards until :data:`MIN_SIDE_COVERAGE` of each lies on `mask` [H, W]. The reference implementation
    moves them in steps of 2 % of the box; here a step is one pixel. The smallest rectangle is returned where
    no ellipse fits: with fewer than 5 points, or when the ellipse would be thinner than a pixel.
    """
    ellipse = _fitted_ellipse(contour)
    if ellipse is None:
        return min_area_box(contour)
    centre, size, angle = ellipse
    axes = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    points = (contour.reshape(-1, 2) + 0.5 - centre) @ axes
    points = points[(np.abs(points) <= size / 2).all(axis=1)]
    if not len(points):
        return min_area_box(contour)
    low, high = points.min(axis=0) - 0.5, points.max(axis=0) + 0.5
    inside = _straightened(mask, axes, centre + axes @ low, high - low)
    left, right = _margins(inside.mean(axis=0))
    top, bottom = _margins(inside[:, left : inside.shape[1] - right].mean(axis=1))
    low, high = low + (left, top), high - (right, bottom)
    center_x, center_y = centre + axes @ (low + high) / 2
    width, height = high - low
    return RotatedBox(float(center_x), float(center_y), float(width), float(height), angle)


def _fitted_ellipse(contour: Contour) -> tuple[Float64Array, Float64Array, float] | None:
    """Return centre, lengths of the two axes and the angle of the first (rad); None where no ellipse fits."""
    if len(contour) < 5:
        return None
    centre, size, degrees = cv2.fitEllipse(contour)
    if not np.isfinite([*centre, *size, degrees]).all() or min(size) < 1:
        return None
    return np.array(centre) + 0.5, np.array(size), float(np.deg2rad(degrees))


def _straightened(mask: Image, axes: Float64Array, corner: Float64Array, size: Float64Array) -> BoolArray:
    """Return the part of `mask` in a rotated box, sampled along its `axes` (columns) from its `corner`."""
    first = corner + axes @ (0.5, 0.5) - 0.5
    width, height = (max(round(float(side)), 1) for side in size)
    flags = cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(mask, np.column_stack([axes, first]), (width, height), flags=flags) > 0


def _margins(coverage: Float64Array) -> tuple[int, int]:
    """Return how many lines at the start and the end are covered too little; (0, 0) when all are."""
    covered = np.flatnonzero(coverage >= MIN_SIDE_COVERAGE)
    return (int(covered[0]), len(coverage) - 1 - int(covered[-1])) if len(covered) else (0, 0)
