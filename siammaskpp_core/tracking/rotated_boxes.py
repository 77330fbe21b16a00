"""Rotated boxes around the contour of a mask.

A contour [N, 1, 2] runs through the centres of the border pixels, in pixel indices: half a pixel inside
their edges and half a pixel off continuous coordinates.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from siammaskpp_core.arrays import BoolArray, Float64Array, Image
from siammaskpp_core.tracking.boxes import RotatedBox

Contour = NDArray[np.int32]

SIDE_SHARE = 0.2
"""The share of an ellipse box's sides that is to lie on the mask (Chen and Tsotsos' alpha)."""


def min_area_box(contour: Contour) -> RotatedBox:
    """The smallest rectangle around the contour (SiamMask)."""
    (x, y), (width, height), degrees = cv2.minAreaRect(contour)
    return RotatedBox(x + 0.5, y + 0.5, width + 1, height + 1, float(np.deg2rad(degrees)))


def ellipse_box(contour: Contour, mask: Image) -> RotatedBox:
    """The box of SiamMask_E (Chen and Tsotsos, 2019, arXiv 1907.03892), refinement included.

    It is as turned as the ellipse that fits the contour best, and bounds those points of the contour that
    lie in the ellipse's own box: what sticks out far is left out. Then the left and right side, and after
    them the others, move inwards until :data:`SIDE_SHARE` of each lies on `mask` [H, W]; the published code
    moves them in steps of 2 % of the box, here they are whole pixels. The smallest rectangle is taken where
    no ellipse fits: with fewer than 5 points, or when it would be thinner than a pixel.
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
    """Centre, lengths of the two axes and the angle of the first; None where none fits."""
    if len(contour) < 5:
        return None
    centre, size, degrees = cv2.fitEllipse(contour)
    if not np.isfinite([*centre, *size, degrees]).all() or min(size) < 1:
        return None
    return np.array(centre) + 0.5, np.array(size), float(np.deg2rad(degrees))


def _straightened(mask: Image, axes: Float64Array, corner: Float64Array, size: Float64Array) -> BoolArray:
    """The part of `mask` in a rotated box, pixel by pixel along its `axes` (columns) from its `corner`."""
    first = corner + axes @ (0.5, 0.5) - 0.5
    width, height = (max(round(float(side)), 1) for side in size)
    flags = cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(mask, np.column_stack([axes, first]), (width, height), flags=flags) > 0


def _margins(shares: Float64Array) -> tuple[int, int]:
    """How many lines before the first and after the last have less than their share; 0 if all have less."""
    enough = np.flatnonzero(shares >= SIDE_SHARE)
    return (int(enough[0]), len(shares) - 1 - int(enough[-1])) if len(enough) else (0, 0)
