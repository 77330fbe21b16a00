"""Draw results over an image, and put many images on one sheet."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from siammaskpp_core.arrays import Image, Mask
from siammaskpp_core.io.results import Result

Colour = tuple[int, int, int]
"""Blue, green, red, each 0 to 255."""

MASK_OPACITY = 0.4
GAP_PX = 4
"""Space between the images of a contact sheet."""
_GREY = 64
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_GOLDEN_RATIO = 0.618


def target_colour(index: int) -> Colour:
    """Return the colour of the target with this index. It never changes and differs from its neighbours'."""
    red, green, blue = colorsys.hsv_to_rgb((0.33 + index * _GOLDEN_RATIO) % 1, 0.85, 1.0)
    return round(blue * 255), round(green * 255), round(red * 255)


def draw_results(
    image: Image,
    results: Sequence[Result],
    labels: Sequence[str] = (),
    colours: Sequence[int] | None = None,
) -> Image:
    """Return a copy of `image` with the mask, rotated box, label and confidence of each result.

    `colours` holds an index of each result for :func:`target_colour`, by default its position.
    Raises ValueError when there are labels, but not one for each result.
    """
    if labels and len(labels) != len(results):
        raise ValueError(f"{len(labels)} labels for {len(results)} results")
    canvas: Image = image.copy()
    thickness = _thickness(image)
    for index, result in enumerate(results):
        colour = target_colour(index if colours is None else colours[index])
        if result.mask is not None:
            _draw_mask(canvas, result.mask, colour)
        corners = result.rotated_box.corners()
        # polylines takes 1/16 px from the centre of the first pixel; boxes count from its corner.
        fixed_point = np.rint((corners - 0.5) * 16).astype(np.int32)
        cv2.polylines(canvas, [fixed_point], True, colour, thickness, cv2.LINE_AA, shift=4)
        label = f"{labels[index]} {result.confidence:.2f}" if labels else f"{result.confidence:.2f}"
        left, top = result.box_xywh[0], corners[:, 1].min()
        draw_text(canvas, label, (left, top - 4 * thickness), colour)
    return canvas


class DrawnTarget(NamedTuple):
    """A target as :func:`draw_targets` shows it."""

    title: str
    state: str
    """Name of the track state."""
    result: Result | None
    """None while the target is not seen."""
    colour_index: int
    """Index of the target for :func:`target_colour`."""


_USUAL_STATE = "TRACKING"
_HIDDEN_STATE = "LOST"


def draw_targets(image: Image, targets: Sequence[DrawnTarget]) -> Image:
    """Return a copy of `image` with mask, rotated box, title, state and confidence of each target.

    The state TRACKING, which is usual, is not written. Targets that are not seen are listed in the upper left
    corner.
    """
    seen = [(target, target.result) for target in targets if target.result is not None]
    titles = [
        target.title if target.state == _USUAL_STATE else f"{target.title} {target.state}"
        for target, _ in seen
    ]
    canvas = draw_results(
        image, [result for _, result in seen], titles, [target.colour_index for target, _ in seen]
    )
    step = line_height(canvas)
    hidden = [target for target in targets if target.result is None]
    for line, target in enumerate(hidden, start=1):
        note = "" if target.state == _HIDDEN_STATE else ", not seen"
        text = f"{target.title} {target.state}{note}"
        draw_text(canvas, text, (step / 2, line * step), target_colour(target.colour_index))
    return canvas


def _draw_mask(canvas: Image, mask: Mask, colour: Colour) -> None:
    """Tint the pixels of `mask` in `canvas` and draw its outline; only its bounding box is computed."""
    x, y, width, height = cv2.boundingRect(mask)
    if width == 0:
        return
    region = canvas[y : y + height, x : x + width]
    part = mask[y : y + height, x : x + width]
    tinted = cv2.addWeighted(region, 1 - MASK_OPACITY, np.full_like(region, colour), MASK_OPACITY, 0)
    cv2.copyTo(tinted, part, region)
    draw_outline(canvas, part, colour, (x, y))


def draw_outline(canvas: Image, mask: Mask, colour: Colour, offset_xy: tuple[int, int] = (0, 0)) -> None:
    """Draw the outline of `mask` into `canvas`, `offset_xy` pixels from the upper left corner."""
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE, offset=offset_xy)
    cv2.drawContours(canvas, contours, -1, colour, _thickness(canvas))


def draw_text(canvas: Image, text: str, bottom_left_xy: tuple[float, float], colour: Colour) -> None:
    """Draw text with a dark rim into `canvas`; text that would leave the image is moved inside."""
    thickness = _thickness(canvas)
    scale = 0.4 * thickness
    width, height = _text_size(text, canvas)
    x = int(np.clip(bottom_left_xy[0], 0, max(canvas.shape[1] - width, 0)))
    y = int(np.clip(bottom_left_xy[1], height + 1, canvas.shape[0] - 1))
    cv2.putText(canvas, text, (x, y), _FONT, scale, (0, 0, 0), thickness + 2, cv2.LINE_AA)
    cv2.putText(canvas, text, (x, y), _FONT, scale, colour, thickness, cv2.LINE_AA)


def _text_size(text: str, canvas: Image) -> tuple[int, int]:
    """Return width and height in pixels of a text as :func:`draw_text` writes it."""
    thickness = _thickness(canvas)
    width, height = cv2.getTextSize(text, _FONT, 0.4 * thickness, thickness)[0]
    return int(width), int(height)


def line_height(canvas: Image) -> int:
    """Return the distance in pixels of lines of text drawn by :func:`draw_text`."""
    return round(1.8 * _text_size("X", canvas)[1])


def _thickness(canvas: Image) -> int:
    """Return the thickness of lines in pixels, which grows with the image."""
    return max(1, round(min(canvas.shape[:2]) / 240))


def contact_sheet(images: Sequence[Image], columns: int) -> Image:
    """Return `images` in rows of `columns` on a grey sheet; every cell is as large as the largest image.

    Raises ValueError without images or columns.
    """
    if not images or columns < 1:
        raise ValueError("a contact sheet needs at least one image and one column")
    height = max(image.shape[0] for image in images) + GAP_PX
    width = max(image.shape[1] for image in images) + GAP_PX
    rows = -(-len(images) // columns)
    sheet = np.full((rows * height + GAP_PX, columns * width + GAP_PX, 3), _GREY, np.uint8)
    for index, image in enumerate(images):
        top, left = index // columns * height + GAP_PX, index % columns * width + GAP_PX
        sheet[top : top + image.shape[0], left : left + image.shape[1]] = image
    return sheet
