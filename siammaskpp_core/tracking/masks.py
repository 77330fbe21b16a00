"""Masks: aligned with image edges, pasted into the image, enclosed by boxes, and put into one picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import reduce
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from siammaskpp_core.arrays import BoolArray, Float32Array, Float64Array, Image, Mask
from siammaskpp_core.network.config import MASK_SIZE, RESPONSE_SIZE, STRIDE
from siammaskpp_core.tracking.boxes import RotatedBox
from siammaskpp_core.tracking.crops import CropWindow


class PixelRect(NamedTuple):
    """A rectangle of whole pixels."""

    left: int
    top: int
    right: int
    bottom: int


class MaskOutline(NamedTuple):
    """Bounding box (x, y, w, h) and rotated box of a mask's largest connected part, in image pixels."""

    box_xywh: Float64Array
    rotated_box: RotatedBox
    fraction: float
    """Fraction of the mask's pixels that are in this part."""


def mask_window(window: CropWindow, cell: tuple[int, int]) -> CropWindow:
    """Return the square of the mask of a response cell (row, column) in a search region's `window`."""
    step, center_cell = 1 / window.scale, RESPONSE_SIZE // 2
    center_x = window.center_x + (cell[1] - center_cell) * STRIDE * step
    center_y = window.center_y + (cell[0] - center_cell) * STRIDE * step
    return CropWindow(center_x, center_y, MASK_SIZE * step, MASK_SIZE)


def paste_mask(
    probability: Float32Array, window: CropWindow, image_shape: tuple[int, ...], threshold: float
) -> tuple[Mask, PixelRect]:
    """Return the image's mask [H, W], 0 or 255, and the rectangle outside which it is empty.

    `probability`, float32 [127, 127], covers `window` (:func:`mask_window`). A pixel belongs to the mask when
    its interpolated probability is above `threshold`.
    """
    height, width = image_shape[:2]
    mask = np.zeros((height, width), np.uint8)
    step = 1 / window.scale
    x, y = window.center_x - window.side / 2, window.center_y - window.side / 2
    extent = _extent_above(probability, threshold)
    left, top = max(math.floor(x + extent.left * step), 0), max(math.floor(y + extent.top * step), 0)
    right = min(math.ceil(x + extent.right * step), width)
    bottom = min(math.ceil(y + extent.bottom * step), height)
    if right <= left or bottom <= top:
        return mask, PixelRect(0, 0, 0, 0)
    # Affine map from pixel indices of the rectangle to pixel indices of the mask.
    to_mask = np.array(
        [
            [window.scale, 0, (left + 0.5 - x) * window.scale - 0.5],
            [0, window.scale, (top + 0.5 - y) * window.scale - 0.5],
        ]
    )
    size = (right - left, bottom - top)
    pasted = cv2.warpAffine(probability, to_mask, size, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    # inRange includes its lower bound; cv2.compare with a number rejects an image of a single pixel.
    above = float(np.nextafter(np.float32(threshold), np.float32(1)))
    cv2.inRange(pasted, above, math.inf, dst=mask[top:bottom, left:right])
    return mask, PixelRect(left, top, right, bottom)


def _extent_above(probability: Float32Array, threshold: float) -> PixelRect:
    """Return the rectangle of mask pixels in which interpolated probabilities can exceed the threshold.

    It has a margin of two pixels: one for the reach of linear interpolation, one for rounding.
    """
    x, y, width, height = cv2.boundingRect(cv2.compare(probability, threshold, cv2.CMP_GT))
    if not width:
        return PixelRect(0, 0, 0, 0)
    right, bottom = min(x + width + 2, MASK_SIZE), min(y + height + 2, MASK_SIZE)
    return PixelRect(max(x - 2, 0), max(y - 2, 0), right, bottom)


def outline(mask: Mask, filled: PixelRect, rotated_box: str = "min_area") -> MaskOutline | None:
    """Keep only the largest connected part of `mask`, and return its outline; None when the mask is empty.

    Mask, box and rotated box then tell of the same pixels. The mask is empty outside `filled`. `rotated_box`
    is "min_area" or "ellipse"; see :func:`min_area_box` and :func:`ellipse_box`.
    """
    part = mask[filled.top : filled.bottom, filled.left : filled.right]
    if not part.size:
        return None
    corner = (filled.left, filled.top)
    contours, _ = cv2.findContours(part, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE, offset=corner)
    if not contours:
        return None
    contour, *others = sorted(contours, key=cv2.contourArea, reverse=True)
    fraction = 1.0
    if others:
        pixels = cv2.countNonZero(part)
        for other in others:
            cv2.drawContours(mask, [other], -1, 0, cv2.FILLED)
        fraction = cv2.countNonZero(part) / pixels
    box = np.array(cv2.boundingRect(contour), dtype=np.float64)
    rotated = ellipse_box(contour, mask) if rotated_box == "ellipse" else min_area_box(contour)
    return MaskOutline(box, rotated, fraction)


def separate_masks(masks: Sequence[Mask | None], confidences: Sequence[float]) -> None:
    """Take pixels that several masks [H, W] share from all but the most confident one, in place."""
    order = sorted(range(len(masks)), key=lambda index: -confidences[index])
    for rank, index in enumerate(order):
        mask = masks[index]
        for other in (masks[better] for better in order[:rank]):
            if mask is not None and other is not None:
                cv2.subtract(mask, other, dst=mask)


class LabelledMask(NamedTuple):
    """The mask of one target, None where it has none, with its value in a label picture."""

    value: int
    confidence: float
    mask: Mask | None


def union_mask(shape: tuple[int, ...], masks: Sequence[Mask | None]) -> Mask:
    """Return the union of all masks, [H, W]; the mask itself if there is only one."""
    known = [mask for mask in masks if mask is not None]
    return reduce(cv2.bitwise_or, known) if known else np.zeros(shape, np.uint8)


def label_picture(shape: tuple[int, ...], labelled: Sequence[LabelledMask]) -> NDArray[np.uint8]:
    """Return a picture, uint8 [H, W], in which each mask has its value; 0 elsewhere.

    Where masks overlap, the one with the higher confidence wins.
    """
    picture = np.zeros(shape, np.uint8)
    for value, _, mask in sorted(labelled, key=lambda item: item.confidence):
        if mask is not None:
            cv2.copyTo(np.full(shape, value, np.uint8), mask, picture)
    return picture


# Regularisation of the guided filter: variance of colours, each 0 to 1, below which an area counts as smooth.
_SMOOTH = 3e-4


def guided_filter(probability: Float32Array, guide_bgr: Image, radius: int) -> Float32Array:
    """Return `probability` [H, W] filtered so that its edges follow those of `guide_bgr`, uint8 [H, W, 3].

    In each square of 2 * `radius` + 1 pixels the probabilities are approximated by a linear function of the
    three colours; each pixel gets the mean over the squares that contain it. The result is float32 and may
    lie slightly outside 0 to 1. Source: He, Sun and Tang, Guided Image Filtering, 2013, equations 19 to 21.
    """
    size = (2 * radius + 1, 2 * radius + 1)

    def mean(plane: Float32Array) -> Float32Array:
        return cv2.blur(plane, size, borderType=cv2.BORDER_REFLECT)

    colours = [channel * np.float32(1 / 255) for channel in cv2.split(guide_bgr)]
    means, mean_probability = [mean(colour) for colour in colours], mean(probability)

    def covariance(first: int, second: int) -> Float32Array:
        return mean(colours[first] * colours[second]) - means[first] * means[second]

    bb, gg, rr = (covariance(channel, channel) + np.float32(_SMOOTH) for channel in range(3))
    bg, br, gr = covariance(0, 1), covariance(0, 2), covariance(1, 2)
    b, g, r = (
        mean(colour * probability) - colour_mean * mean_probability
        for colour, colour_mean in zip(colours, means, strict=True)
    )
    # Cofactors, which invert the covariance matrix [[bb, bg, br], [bg, gg, gr], [br, gr, rr]].
    in_bb, in_bg, in_br = gg * rr - gr * gr, br * gr - bg * rr, bg * gr - br * gg
    in_gg, in_gr, in_rr = bb * rr - br * br, bg * br - bb * gr, bb * gg - bg * bg
    inverse = 1 / (bb * in_bb + bg * in_bg + br * in_br)
    slopes = [
        (in_bb * b + in_bg * g + in_br * r) * inverse,
        (in_bg * b + in_gg * g + in_gr * r) * inverse,
        (in_br * b + in_gr * g + in_rr * r) * inverse,
    ]
    offset = mean_probability
    for slope, colour_mean in zip(slopes, means, strict=True):
        offset = offset - slope * colour_mean
    result = mean(offset)
    for slope, colour in zip(slopes, colours, strict=True):
        result += mean(slope) * colour
    return result


Contour = NDArray[np.int32]

MIN_SIDE_COVERAGE = 0.2
"""Fraction of each side of an ellipse box that must lie on the mask (alpha of Chen and Tsotsos)."""


def min_area_box(contour: Contour) -> RotatedBox:
    """Return the smallest rectangle around the contour (SiamMask).

    A contour, int32 [N, 1, 2], runs through the centres of the border pixels in pixel indices: half a pixel
    inside the mask's edge, and half a pixel less than in continuous coordinates.
    """
    (x, y), (width, height), degrees = cv2.minAreaRect(contour)
    return RotatedBox(x + 0.5, y + 0.5, width + 1, height + 1, float(np.deg2rad(degrees)))


def ellipse_box(contour: Contour, mask: Mask) -> RotatedBox:
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
    center, size, angle = ellipse
    axes = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    points = (contour.reshape(-1, 2) + 0.5 - center) @ axes
    points = points[(np.abs(points) <= size / 2).all(axis=1)]
    if not len(points):
        return min_area_box(contour)
    low, high = points.min(axis=0) - 0.5, points.max(axis=0) + 0.5
    inside = _straightened(mask, axes, center + axes @ low, high - low)
    left, right = _margins(inside.mean(axis=0))
    top, bottom = _margins(inside[:, left : inside.shape[1] - right].mean(axis=1))
    low, high = low + (left, top), high - (right, bottom)
    center_x, center_y = center + axes @ (low + high) / 2
    width, height = high - low
    return RotatedBox(float(center_x), float(center_y), float(width), float(height), angle)


def _fitted_ellipse(contour: Contour) -> tuple[Float64Array, Float64Array, float] | None:
    """Return centre, lengths of the two axes and the angle of the first (rad); None where no ellipse fits."""
    if len(contour) < 5:
        return None
    center, size, degrees = cv2.fitEllipse(contour)
    if not np.isfinite([*center, *size, degrees]).all() or min(size) < 1:
        return None
    return np.array(center) + 0.5, np.array(size), float(np.deg2rad(degrees))


def _straightened(mask: Mask, axes: Float64Array, corner: Float64Array, size: Float64Array) -> BoolArray:
    """Return the part of `mask` in a rotated box, sampled along its `axes` (columns) from its `corner`."""
    first = corner + axes @ (0.5, 0.5) - 0.5
    width, height = (max(round(float(side)), 1) for side in size)
    flags = cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(mask, np.column_stack([axes, first]), (width, height), flags=flags) > 0


def _margins(coverage: Float64Array) -> tuple[int, int]:
    """Return how many lines at the start and the end are covered too little; (0, 0) when all are."""
    covered = np.flatnonzero(coverage >= MIN_SIDE_COVERAGE)
    return (int(covered[0]), len(coverage) - 1 - int(covered[-1])) if len(covered) else (0, 0)
