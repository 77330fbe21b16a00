"""Random crops of an object: where it lies in them, and on what.

A picture's border must never give the object away: where a crop reaches past its picture, another
picture is laid under it, and often only the object itself is kept, cut out by its mask.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from siammaskpp_core.arrays import Float32Array, Float64Array, Image
from siammaskpp_core.data.sources.base import Sample
from siammaskpp_core.tracking.boxes import mask_bounding_box
from siammaskpp_core.tracking.crops import CropWindow, context_side

Rng = np.random.Generator

_PART_DRAWS, _PART_MIN_SIDE_PX = 4, 16


@dataclass
class View:
    """A crop with the object's visible mask (None where unknown) and box in it (None where not visible)."""

    image: Image
    mask: Image | None
    box_xywh: Float64Array | None


@dataclass(frozen=True)
class Geometry:
    """How far a view is moved from the one a perfect tracker would cut."""

    shift_px: float
    scale: float
    rotation_deg: float
    aspect: float

    def matrix(self, sample: Sample, size: int, context: float, rng: Rng) -> Float64Array:
        """A random affine matrix [2, 3] from picture to crop pixel indices."""
        x, y, width, height = sample.box_xywh
        side = context_side(width, height, context)
        window = (CropWindow.template if size == 127 else CropWindow.search)(
            x + width / 2, y + height / 2, side
        )
        to_crop = np.vstack([cv2.invertAffineTransform(window.image_from_crop()), [0, 0, 1]])
        # Boxes without a mask cannot follow a rotation.
        degrees = self.rotation_deg if sample.mask is not None else 0.0
        angle = np.deg2rad(rng.uniform(-degrees, degrees))
        zoom = np.exp(rng.uniform(-self.scale, self.scale))
        stretch = np.exp(rng.uniform(-self.aspect, self.aspect) / 2)
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        linear = zoom * turn @ np.diag([stretch, 1 / stretch])
        middle = np.full(2, (size - 1) / 2)
        shift = rng.uniform(-self.shift_px, self.shift_px, 2)
        about_middle = np.eye(3)
        about_middle[:2, :2] = linear
        about_middle[:2, 2] = middle - linear @ middle + shift
        return np.asarray((about_middle @ to_crop)[:2])


class Warp:
    """Pictures to crops of `size` pixels by an affine `matrix` [2, 3], and a `bend` in the crop.

    `bend` float32 [size, size, 2] says by how many pixels of the crop each of its pixels looks aside.
    """

    def __init__(self, matrix: Float64Array, size: int, bend: Float32Array | None = None) -> None:
        self.matrix, self.size, self.maps = matrix, size, None
        if bend is not None:
            to_picture = cv2.invertAffineTransform(matrix)
            grid = np.stack(np.meshgrid(*[np.arange(size, dtype=np.float32)] * 2), axis=-1) + bend
            self.maps = cv2.transform(grid, to_picture)

    def __call__(self, image: Image, border: int = cv2.BORDER_CONSTANT) -> Image:
        """The crop of `image`."""
        if self.maps is not None:
            crop = cv2.remap(image, self.maps, None, cv2.INTER_LINEAR, borderMode=border)  # type: ignore[call-overload]
        else:
            size = (self.size, self.size)
            crop = cv2.warpAffine(image, self.matrix, size, flags=cv2.INTER_LINEAR, borderMode=border)
        return np.asarray(crop, np.uint8)


def random_bend(size: int, strength_px: float, rng: Rng) -> Float32Array:
    """A smooth field for :class:`Warp`: normal displacements at 5 x 5 knots, cubic between them."""
    knots = rng.normal(0, strength_px, (5, 5, 2)).astype(np.float32)
    return np.asarray(cv2.resize(knots, (size, size), interpolation=cv2.INTER_CUBIC), np.float32)


def render(
    sample: Sample, warp: Warp, background: Callable[[], Image], cutout: bool, rng: Rng
) -> View | None:
    """Warp the object (alone when `cutout`, else with its picture) onto a background [size, size, 3].

    `background` is not asked when the picture fills the crop. None when less than a third of the object,
    but some of it, is inside the crop, or when none is and it has no mask.
    """
    matrix, size = warp.matrix, warp.size
    warped = warp(sample.image, cv2.BORDER_REPLICATE)
    cutout &= sample.mask is not None and not sample.in_place
    if sample.mask is None:
        mask, box = None, _warp_box(sample.box_xywh, matrix, size)
    else:
        soft = warp(sample.mask)
        mask = (soft > 127).astype(np.uint8) * 255
        box = mask_bounding_box(mask)
        expected = np.count_nonzero(sample.mask) * abs(np.linalg.det(matrix[:, :2]))
        if box is not None and np.count_nonzero(mask) < expected / 3:
            return None
    if mask is None and box is None:
        return None
    if cutout:
        alpha = cv2.GaussianBlur(soft, (0, 0), rng.uniform(0.5, 1.5))
    else:
        alpha = warp(np.full(sample.image.shape[:2], 255, np.uint8))
    return View(warped if alpha.min() == 255 else blend(warped, background(), alpha), mask, box)


def blend(front: Image, back: Image, alpha: Image) -> Image:
    """`front` over `back` by `alpha` (uint8 [H, W], 255 = front)."""
    weight = alpha[..., None].astype(np.uint16)
    mixed = front * weight + back * (255 - weight)
    return ((mixed + 127) // 255).astype(np.uint8)


def random_background(picture: Image, size: int, rng: Rng) -> Image:
    """A random square of `picture`, resized to [size, size, 3]."""
    height, width = picture.shape[:2]
    side = int(min(height, width) * rng.uniform(0.4, 1.0))
    top = int(rng.integers(0, height - side + 1))
    left = int(rng.integers(0, width - side + 1))
    square = picture[top : top + side, left : left + side]
    if rng.random() < 0.5:
        square = square[:, ::-1]
    return cv2.resize(np.ascontiguousarray(square), (size, size))


def random_part(sample: Sample, rng: Rng) -> Sample:
    """A part of the object, at random; the object itself when it is too small or too thin for one.

    The part is what a box of 25 to 70 % of the object's width and height shows of it, at least half of
    that box.
    """
    if sample.mask is None:
        return sample
    x, y, width, height = sample.box_xywh
    for _ in range(_PART_DRAWS):
        part_wh = np.array([width, height]) * rng.uniform(0.25, 0.7, 2)
        left, top = np.rint((x, y) + rng.random(2) * ((width, height) - part_wh)).astype(int)
        columns, rows = np.rint(part_wh).astype(int)
        if min(rows, columns) < _PART_MIN_SIDE_PX or not 0.4 < rows / columns < 2.5:
            continue
        window = slice(top, top + rows), slice(left, left + columns)
        if np.count_nonzero(sample.mask[window]) >= rows * columns / 2:
            mask = np.zeros_like(sample.mask)
            mask[window] = sample.mask[window]
            return Sample(sample.image, np.asarray(mask_bounding_box(mask)), mask, in_place=True)
    return sample


def moved_to(sample: Sample, box_xywh: Float64Array) -> Sample:
    """The object, its picture seen around the middle of another box. It must have a mask."""
    size_wh = sample.box_xywh[2:]
    corner = box_xywh[:2] + (box_xywh[2:] - size_wh) / 2
    return sample._replace(box_xywh=np.concatenate([corner, size_wh]), in_place=True)


def mirror(view: View) -> View:
    """The view with left and right exchanged."""
    mask = None if view.mask is None else np.ascontiguousarray(view.mask[:, ::-1])
    box = view.box_xywh
    if box is not None:
        box = np.array([view.image.shape[1] - box[0] - box[2], *box[1:]])
    return View(np.ascontiguousarray(view.image[:, ::-1]), mask, box)


def _warp_box(box_xywh: Float64Array, matrix: Float64Array, size: int) -> Float64Array | None:
    """The box under a transform without rotation, cut to the crop; None when mostly outside."""
    x, y, width, height = box_xywh
    # Continuous coordinates are half a pixel above indices.
    low = matrix @ (x - 0.5, y - 0.5, 1) + 0.5
    high = matrix @ (x + width - 0.5, y + height - 0.5, 1) + 0.5
    area = np.prod(high - low)
    low, high = np.clip(low, 0, size), np.clip(high, 0, size)
    cut = np.prod(high - low)
    return np.concatenate([low, high - low]) if cut > 1 and cut >= area / 3 else None
