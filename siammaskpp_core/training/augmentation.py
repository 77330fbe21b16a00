"""Random geometry, composition and light for training crops.

A picture's border must never give the object away: where a crop reaches past its picture, another
picture is laid under it, and often only the object itself is kept, cut out by its mask.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from siammaskpp_core.tracking.boxes import mask_hull
from siammaskpp_core.tracking.crops import CropWindow, context_side
from siammaskpp_core.training.sources import Sample

Image = NDArray[np.uint8]
Array = NDArray[np.float64]
Rng = np.random.Generator

_PART_DRAWS, _PART_MIN_SIDE_PX = 4, 16


@dataclass
class View:
    """A crop of `size` pixels with the object's visible mask (None where unknown) and box in it."""

    image: Image
    mask: Image | None
    box_xywh: Array | None


@dataclass(frozen=True)
class Geometry:
    """How far a view is moved from the one a perfect tracker would cut."""

    shift_px: float
    scale: float
    rotation_deg: float
    aspect: float

    def matrix(self, sample: Sample, size: int, context: float, rng: Rng) -> Array:
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

    def __init__(self, matrix: Array, size: int, bend: NDArray[np.float32] | None = None) -> None:
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


def random_bend(size: int, strength_px: float, rng: Rng) -> NDArray[np.float32]:
    """A smooth field for :class:`Warp`: normal displacements at 5 x 5 knots, cubic between them."""
    knots = rng.normal(0, strength_px, (5, 5, 2)).astype(np.float32)
    return np.asarray(cv2.resize(knots, (size, size), interpolation=cv2.INTER_CUBIC), np.float32)


def render(
    sample: Sample, warp: Warp, background: Callable[[], Image], cutout: bool, rng: Rng
) -> View | None:
    """Warp the object (alone when `cutout`, else with its picture) onto a background [size, size, 3].

    `background` is not asked when the picture fills the crop. None when less than a third of the object
    is inside the crop.
    """
    matrix, size = warp.matrix, warp.size
    warped = warp(sample.image, cv2.BORDER_REPLICATE)
    cutout &= sample.mask is not None and not sample.is_part
    if sample.mask is None:
        mask, box = None, _warp_box(sample.box_xywh, matrix, size)
    else:
        soft = warp(sample.mask)
        mask = (soft > 127).astype(np.uint8) * 255
        box = mask_hull(mask)
        expected = np.count_nonzero(sample.mask) * abs(np.linalg.det(matrix[:, :2]))
        if np.count_nonzero(mask) < expected / 3:
            return None
    if box is None:
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
            return Sample(sample.image, np.asarray(mask_hull(mask)), mask, is_part=True)
    return sample


def mirror(view: View) -> View:
    """The view with left and right exchanged."""
    mask = None if view.mask is None else np.ascontiguousarray(view.mask[:, ::-1])
    box = view.box_xywh
    if box is not None:
        box = np.array([view.image.shape[1] - box[0] - box[2], *box[1:]])
    return View(np.ascontiguousarray(view.image[:, ::-1]), mask, box)


def _place(other: Sample, centre_xy: Array, zoom: float, size: int, rng: Rng) -> Warp:
    """Puts the middle of an object at `centre_xy` of a crop, at random mirrored."""
    middle = other.box_xywh[:2] + other.box_xywh[2:] / 2
    linear = np.diag([zoom * rng.choice([-1.0, 1.0]), zoom])
    return Warp(np.column_stack([linear, centre_xy - linear @ middle]), size)


def _lay_over(view: View, front: Image, alpha: Image) -> None:
    alpha = np.asarray(cv2.GaussianBlur(alpha, (0, 0), 0.7), np.uint8)
    view.image = blend(front, view.image, alpha)


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


def _warp_box(box_xywh: Array, matrix: Array, size: int) -> Array | None:
    """The box under a transform without rotation, cut to the crop; None when mostly outside."""
    x, y, width, height = box_xywh
    # Continuous coordinates are half a pixel above indices.
    low = matrix @ (x - 0.5, y - 0.5, 1) + 0.5
    high = matrix @ (x + width - 0.5, y + height - 0.5, 1) + 0.5
    area = np.prod(high - low)
    low, high = np.clip(low, 0, size), np.clip(high, 0, size)
    cut = np.prod(high - low)
    return np.concatenate([low, high - low]) if cut > 1 and cut >= area / 3 else None
