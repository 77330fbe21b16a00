"""Pictures for people: results drawn over the image, and sheets of many pictures."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence

import cv2
import numpy as np

from siammaskpp_core.arrays import Image
from siammaskpp_core.tracking.tracker import TrackResult

Colour = tuple[int, int, int]

MASK_OPACITY = 0.4
GAP_PX = 4
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_GOLDEN_RATIO = 0.618


def target_colour(index: int) -> Colour:
    """The BGR colour of the target with this index: always the same, and unlike its neighbours'."""
    red, green, blue = colorsys.hsv_to_rgb((0.33 + index * _GOLDEN_RATIO) % 1, 0.85, 1.0)
    return round(blue * 255), round(green * 255), round(red * 255)


def draw_results(image: Image, results: Sequence[TrackResult], labels: Sequence[str] = ()) -> Image:
    """A copy of `image` [H, W, 3] BGR with each result's mask, outline, rotated box, label and score.

    Raises ValueError when there are labels, but not one for each result.
    """
    if labels and len(labels) != len(results):
        raise ValueError(f"{len(labels)} labels for {len(results)} results")
    canvas: Image = image.copy()
    thickness = _thickness(image)
    for index, result in enumerate(results):
        colour = target_colour(index)
        if result.mask is not None:
            _draw_mask(canvas, result.mask, colour)
        corners = result.rotated_box.corners()
        # OpenCV counts from pixel centres, in fractions of 1/16 here.
        fixed_point = np.rint((corners - 0.5) * 16).astype(np.int32)
        cv2.polylines(canvas, [fixed_point], True, colour, thickness, cv2.LINE_AA, shift=4)
        label = f"{labels[index]} {result.confidence:.2f}" if labels else f"{result.confidence:.2f}"
        left, top = result.box_xywh[0], corners[:, 1].min()
        draw_text(canvas, label, (left, top - 4 * thickness), colour)
    return canvas


def _thickness(canvas: Image) -> int:
    """Of lines in pixels, after the size of the picture."""
    return max(1, round(min(canvas.shape[:2]) / 240))


def _draw_mask(canvas: Image, mask: Image, colour: Colour) -> None:
    """Tint the mask's pixels and draw its outline, within its bounding box only."""
    x, y, width, height = cv2.boundingRect(mask)
    if width == 0:
        return
    region = canvas[y : y + height, x : x + width]
    part = mask[y : y + height, x : x + width]
    tinted = cv2.addWeighted(region, 1 - MASK_OPACITY, np.full_like(region, colour), MASK_OPACITY, 0)
    cv2.copyTo(tinted, part, region)
    draw_outline(canvas, part, colour, (x, y))


def draw_outline(canvas: Image, mask: Image, colour: Colour, offset: tuple[int, int] = (0, 0)) -> None:
    """Draw the outline of `mask` [H, W], 0 or 255, into `canvas`, `offset` (x, y) pixels from its corner."""
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE, offset=offset)
    cv2.drawContours(canvas, contours, -1, colour, _thickness(canvas))


def draw_text(canvas: Image, text: str, bottom_left: tuple[float, float], colour: Colour) -> None:
    """Draw text with a dark rim into `canvas`, moved into the picture where it would stick out."""
    thickness = _thickness(canvas)
    scale = 0.4 * thickness
    (width, height), _ = cv2.getTextSize(text, _FONT, scale, thickness)
    x = int(np.clip(bottom_left[0], 0, max(canvas.shape[1] - width, 0)))
    y = int(np.clip(bottom_left[1], height + 1, canvas.shape[0] - 1))
    cv2.putText(canvas, text, (x, y), _FONT, scale, (0, 0, 0), thickness + 2, cv2.LINE_AA)
    cv2.putText(canvas, text, (x, y), _FONT, scale, colour, thickness, cv2.LINE_AA)


def contact_sheet(images: Sequence[Image], columns: int) -> Image:
    """`images` (BGR) in rows of `columns` on grey, each in a cell as large as the largest of them.

    Raises ValueError without images or columns.
    """
    if not images or columns < 1:
        raise ValueError("a contact sheet needs at least one image and one column")
    height = max(image.shape[0] for image in images) + GAP_PX
    width = max(image.shape[1] for image in images) + GAP_PX
    rows = -(-len(images) // columns)
    sheet = np.full((rows * height + GAP_PX, columns * width + GAP_PX, 3), 64, np.uint8)
    for index, image in enumerate(images):
        top, left = index // columns * height + GAP_PX, index % columns * width + GAP_PX
        sheet[top : top + image.shape[0], left : left + image.shape[1]] = image
    return sheet
