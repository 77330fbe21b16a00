"""From a mask in crop pixels to a mask, an upright box and a rotated box in the image."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from siammaskpp_core.network.config import MASK_SIZE, RESPONSE_SIZE, STRIDE
from siammaskpp_core.tracking.boxes import RotatedBox
from siammaskpp_core.tracking.crops import CropWindow
from siammaskpp_core.tracking.rotated_boxes import ellipse_box, min_area_box


class Region(NamedTuple):
    """A rectangle of whole pixels of the image."""

    left: int
    top: int
    right: int
    bottom: int


class Shape(NamedTuple):
    """The outline's upright box (x, y, w, h) and its rotated box, in image pixels."""

    box_xywh: NDArray[np.float64]
    rotated_box: RotatedBox


def paste_mask(
    probability: NDArray[np.float32],
    window: CropWindow,
    cell: tuple[int, int],
    image_shape: tuple[int, ...],
    threshold: float,
) -> tuple[NDArray[np.uint8], Region]:
    """The mask of a response cell as an image mask [H, W] (0 or 255) and the region that it may fill.

    `probability` [127, 127] covers the crop pixels around `cell` (row, column) of the response.
    """
    height, width = image_shape[:2]
    mask = np.zeros((height, width), np.uint8)
    step = 1 / window.scale
    middle = RESPONSE_SIZE // 2
    center_x = window.center_x + (cell[1] - middle) * STRIDE * step
    center_y = window.center_y + (cell[0] - middle) * STRIDE * step
    half = MASK_SIZE / 2 * step
    region = Region(
        max(int(np.floor(center_x - half)), 0),
        max(int(np.floor(center_y - half)), 0),
        min(int(np.ceil(center_x + half)), width),
        min(int(np.ceil(center_y + half)), height),
    )
    if region.right <= region.left or region.bottom <= region.top:
        return mask, Region(0, 0, 0, 0)
    # From indices of the region's pixels to indices of mask pixels.
    centre = (MASK_SIZE - 1) / 2
    to_mask = np.array(
        [
            [window.scale, 0, (region.left + 0.5 - center_x) * window.scale + centre],
            [0, window.scale, (region.top + 0.5 - center_y) * window.scale + centre],
        ]
    )
    size = (region.right - region.left, region.bottom - region.top)
    pasted = cv2.warpAffine(probability, to_mask, size, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    view = mask[region.top : region.bottom, region.left : region.right]
    np.multiply(pasted > threshold, 255, out=view, casting="unsafe")
    return mask, region


def outline(mask: NDArray[np.uint8], region: Region, rotated_box: str = "min_area") -> Shape | None:
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
