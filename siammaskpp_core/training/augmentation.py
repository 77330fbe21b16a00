"""Random light and quality of pictures."""

from __future__ import annotations

import cv2
import numpy as np

from siammaskpp_core.arrays import Float64Array, Image
from siammaskpp_core.data.sources.base import Sample
from siammaskpp_core.tracking.boxes import mask_bounding_box
from siammaskpp_core.training.views import Rng, View, Warp, blend, random_background


def change_light(image: Image, strength: float, rng: Rng) -> Image:
    """Random gain, offset, gamma and colour cast."""
    gains = np.exp(rng.normal(0, 0.12, 3) * strength) * np.exp(rng.normal(0, 0.25) * strength)
    gamma = np.exp(rng.normal(0, 0.25) * strength)
    offset = rng.normal(0, 15) * strength
    levels = np.linspace(0, 1, 256)[:, None] ** gamma * 255 * gains + offset
    table = np.clip(levels, 0, 255).astype(np.uint8).reshape(1, 256, 3)
    return cv2.LUT(image, table)


def lower_quality(image: Image, blur: float, rng: Rng) -> Image:
    """Random loss of resolution (small targets), blur with probability `blur` (motion or focus), noise."""
    size = image.shape[0]
    if rng.random() < 0.35:
        small = int(size * rng.uniform(0.25, 0.8))
        image = cv2.resize(image, (small, small), interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
        image = cv2.resize(image, (size, size), interpolation=cv2.INTER_LINEAR)  # type: ignore[assignment]
    if rng.random() < blur:
        image = _motion_blur(image, rng) if rng.random() < 0.6 else _focus_blur(image, rng)
    if rng.random() < 0.3:
        noise = rng.normal(0, rng.uniform(2, 10), image.shape[:2] + (1,)).astype(np.float32)
        image = np.clip(image + noise, 0, 255).astype(np.uint8)
    return image


def to_grey(image: Image) -> Image:
    """The picture without colour, still three channels."""
    return cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)


def _motion_blur(image: Image, rng: Rng) -> Image:
    length = int(rng.integers(3, 16))
    angle = rng.uniform(0, np.pi)
    kernel = np.zeros((length, length), np.float32)
    middle = (length - 1) / 2
    reach = middle * np.array([np.cos(angle), np.sin(angle)])
    start, end = np.round(middle - reach).astype(int), np.round(middle + reach).astype(int)
    cv2.line(kernel, start.tolist(), end.tolist(), 1.0)
    return cv2.filter2D(image, -1, kernel / kernel.sum())


def _focus_blur(image: Image, rng: Rng) -> Image:
    return cv2.GaussianBlur(image, (0, 0), rng.uniform(0.6, 2.5))


def paste_object(view: View, other: Sample, occlude: bool, rng: Rng) -> None:
    """Paste another object into `view`, beside or (`occlude`) partly over the target, in place.

    A paste that would hide more than half of the target is not made.
    """
    if other.mask is None or view.mask is None or view.box_xywh is None:
        return
    x, y, width, height = view.box_xywh
    own = np.sqrt(width * height)
    zoom = own / np.sqrt(other.box_xywh[2] * other.box_xywh[3]) * np.exp(rng.uniform(-0.5, 0.5))
    angle = rng.uniform(0, 2 * np.pi)
    reach = rng.uniform(0.4, 0.9) if occlude else rng.uniform(0.9, 2.2)
    centre = np.array([x + width / 2, y + height / 2])
    centre += reach * np.array([width, height]) * (np.cos(angle), np.sin(angle))
    warp = _place(other, centre, zoom, view.image.shape[0], rng)
    alpha = warp(other.mask)
    hides = alpha > 127
    visible = view.mask if not occlude else np.where(hides, 0, view.mask).astype(np.uint8)
    if np.count_nonzero(visible) < np.count_nonzero(view.mask) / 2:
        return
    if not occlude:
        alpha = np.where(view.mask > 0, 0, alpha).astype(np.uint8)
    _lay_over(view, warp(other.image), alpha)
    view.mask, view.box_xywh = visible, mask_bounding_box(visible)


def cover_object(view: View, other: Sample, rng: Rng) -> bool:
    """Hide the target of `view` behind another object, in place; False, and nothing, when that fails.

    At most a seventh of the target stays visible.
    """
    if other.mask is None or view.mask is None or view.box_xywh is None:
        return False
    size_wh = view.box_xywh[2:]
    centre = view.box_xywh[:2] + size_wh * rng.uniform(0.4, 0.6, 2)
    zoom = float(np.max(size_wh / other.box_xywh[2:])) * rng.uniform(1.1, 2.0)
    warp = _place(other, centre, zoom, view.image.shape[0], rng)
    alpha = warp(other.mask)
    if np.count_nonzero((view.mask > 0) & (alpha <= 127)) > np.count_nonzero(view.mask) / 7:
        return False
    _lay_over(view, warp(other.image), alpha)
    return True


def cover_with_board(view: View, picture: Image, rng: Rng) -> bool:
    """Hide the target of `view` behind a rectangle that shows a piece of `picture`, in place.

    False, and nothing, when the target has no box.
    """
    if view.box_xywh is None:
        return False
    size = view.image.shape[0]
    x, y, width, height = view.box_xywh
    margins = rng.uniform(0.0, 0.5, 4) * (width, height, width, height)
    left, top = (int(max(low, 0)) for low in (x - margins[0], y - margins[1]))
    right, bottom = x + width + margins[2], y + height + margins[3]
    alpha = np.zeros((size, size), np.uint8)
    alpha[top : int(np.ceil(bottom)), left : int(np.ceil(right))] = 255
    _lay_over(view, random_background(picture, size, rng), alpha)
    return True


def _place(other: Sample, centre_xy: Float64Array, zoom: float, size: int, rng: Rng) -> Warp:
    """Puts the middle of an object at `centre_xy` of a crop, at random mirrored."""
    middle = other.box_xywh[:2] + other.box_xywh[2:] / 2
    linear = np.diag([zoom * rng.choice([-1.0, 1.0]), zoom])
    return Warp(np.column_stack([linear, centre_xy - linear @ middle]), size)


def _lay_over(view: View, front: Image, alpha: Image) -> None:
    alpha = np.asarray(cv2.GaussianBlur(alpha, (0, 0), 0.7), np.uint8)
    view.image = blend(front, view.image, alpha)
