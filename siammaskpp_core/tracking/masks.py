"""From a mask in crop pixels to a mask, an upright box and a rotated box in the image."""

from __future__ import annotations

import math
from typing import NamedTuple

import cv2
import numpy as np

from siammaskpp_core.arrays import Float32Array, Float64Array, Image
from siammaskpp_core.network.config import MASK_SIZE, RESPONSE_SIZE, STRIDE
from siammaskpp_core.tracking.boxes import RotatedBox
from siammaskpp_core.tracking.crops import CropWindow
from siammaskpp_core.tracking.rotated_boxes import ellipse_box, min_area_box


class Region(NamedTuple):
    """A rectangle of whole pixels."""

    left: int
    top: int
    right: int
    bottom: int


class Shape(NamedTuple):
    """The outline's upright box (x, y, w, h) and its rotated box, in image pixels."""

    box_xywh: Float64Array
    rotated_box: RotatedBox


def mask_window(window: CropWindow, cell: tuple[int, int]) -> CropWindow:
    """The square that a response cell's (row, column) mask covers, in a search region's `window`."""
    step, middle = 1 / window.scale, RESPONSE_SIZE // 2
    center_x = window.center_x + (cell[1] - middle) * STRIDE * step
    center_y = window.center_y + (cell[0] - middle) * STRIDE * step
    return CropWindow(center_x, center_y, MASK_SIZE * step, MASK_SIZE)


def paste_mask(
    probability: Float32Array, window: CropWindow, image_shape: tuple[int, ...], threshold: float
) -> tuple[Image, Region]:
    """A mask as an image mask [H, W] (0 or 255) and the region that it may fill.

    `probability` [127, 127] covers `window` (:func:`mask_window`).
    """
    height, width = image_shape[:2]
    mask = np.zeros((height, width), np.uint8)
    step = 1 / window.scale
    x, y = window.center_x - window.side / 2, window.center_y - window.side / 2
    inside = _touched(probability, threshold)
    left, top = max(math.floor(x + inside.left * step), 0), max(math.floor(y + inside.top * step), 0)
    right = min(math.ceil(x + inside.right * step), width)
    bottom = min(math.ceil(y + inside.bottom * step), height)
    if right <= left or bottom <= top:
        return mask, Region(0, 0, 0, 0)
    # From indices of the region's pixels to indices of mask pixels.
    to_mask = np.array(
        [
            [window.scale, 0, (left + 0.5 - x) * window.scale - 0.5],
            [0, window.scale, (top + 0.5 - y) * window.scale - 0.5],
        ]
    )
    size = (right - left, bottom - top)
    pasted = cv2.warpAffine(probability, to_mask, size, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    # Above the threshold; cv2.compare with a number takes no picture of a single pixel.
    above = float(np.nextafter(np.float32(threshold), np.float32(1)))
    cv2.inRange(pasted, above, math.inf, dst=mask[top:bottom, left:right])
    return mask, Region(left, top, right, bottom)


def _touched(probability: Float32Array, threshold: float) -> Region:
    """Where interpolated probabilities can be above the threshold, in pixels of the mask.

    Interpolation reaches one pixel beyond those above the threshold; one more is for its rounding.
    """
    x, y, width, height = cv2.boundingRect(cv2.compare(probability, threshold, cv2.CMP_GT))
    if not width:
        return Region(0, 0, 0, 0)
    right, bottom = min(x + width + 2, MASK_SIZE), min(y + height + 2, MASK_SIZE)
    return Region(max(x - 2, 0), max(y - 2, 0), right, bottom)


def outline(mask: Image, region: Region, rotated_box: str = "min_area") -> Shape | None:
    """The shape of the largest connected part of `mask` within `region`; None when it is empty.

    `rotated_box` is "min_area" or "ellipse"; see :mod:`~siammaskpp_core.tracking.rotated_boxes`.
    """
    part = mask[region.top : region.bottom, region.left : region.right]
    if not part.size:
        return None
    corner = (region.left, region.top)
    contours, _ = cv2.findContours(part, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE, offset=corner)
    if not contours:
        return None
    contour = max(contours, key=cv2.contourArea)
    box = np.array(cv2.boundingRect(contour), dtype=np.float64)
    rotated = ellipse_box(contour, mask) if rotated_box == "ellipse" else min_area_box(contour)
    return Shape(box, rotated)


# Variance of colours (each in 0..1) below which a picture is smooth: nothing to be guided by.
_SMOOTH = 3e-4


def guided(probability: Float32Array, guide_bgr: Image, radius: int) -> Float32Array:
    """`probability` [H, W] as a smooth function of the picture `guide_bgr` uint8 [H, W, 3] beneath it.

    In each square of 2 * `radius` + 1 pixels the answer is the linear function of the three colours that
    comes nearest to the probabilities; a pixel gets the mean of its squares' (He, Sun and Tang, Guided Image
    Filtering, 2013, equations 19 to 21). Values can lie slightly outside of 0..1.
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
        mean(colour * probability) - its_mean * mean_probability
        for colour, its_mean in zip(colours, means, strict=True)
    )
    # Cofactors of the covariances [[bb, bg, br], [bg, gg, gr], [br, gr, rr]], to invert them.
    in_bb, in_bg, in_br = gg * rr - gr * gr, br * gr - bg * rr, bg * gr - br * gg
    in_gg, in_gr, in_rr = bb * rr - br * br, bg * br - bb * gr, bb * gg - bg * bg
    inverse = 1 / (bb * in_bb + bg * in_bg + br * in_br)
    slopes = [
        (in_bb * b + in_bg * g + in_br * r) * inverse,
        (in_bg * b + in_gg * g + in_gr * r) * inverse,
        (in_br * b + in_gr * g + in_rr * r) * inverse,
    ]
    offset = mean_probability
    for slope, its_mean in zip(slopes, means, strict=True):
        offset = offset - slope * its_mean
    result = mean(offset)
    for slope, colour in zip(slopes, colours, strict=True):
        result += mean(slope) * colour
    return result
