"""What stands beside a target and what hides it: other objects, boards."""

from __future__ import annotations

import cv2
import numpy as np

from siammaskpp_core.tracking.boxes import mask_hull
from siammaskpp_core.training.sources import Sample
from siammaskpp_core.training.views import Array, Image, Rng, View, Warp, blend, random_background


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
    view.mask, view.box_xywh = visible, mask_hull(visible)


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


def _place(other: Sample, centre_xy: Array, zoom: float, size: int, rng: Rng) -> Warp:
    """Puts the middle of an object at `centre_xy` of a crop, at random mirrored."""
    middle = other.box_xywh[:2] + other.box_xywh[2:] / 2
    linear = np.diag([zoom * rng.choice([-1.0, 1.0]), zoom])
    return Warp(np.column_stack([linear, centre_xy - linear @ middle]), size)


def _lay_over(view: View, front: Image, alpha: Image) -> None:
    alpha = np.asarray(cv2.GaussianBlur(alpha, (0, 0), 0.7), np.uint8)
    view.image = blend(front, view.image, alpha)
