"""Random crops of an object: geometric augmentation and the background behind the object.

The border of an image must not reveal where the object is. A crop that reaches past its image is
therefore filled with another image, and often only the object itself is kept, cut out by its mask.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from siammaskpp_core.arrays import Float32Array, Float64Array, Image, Mask
from siammaskpp_core.data.sources.base import Sample
from siammaskpp_core.network.config import TEMPLATE_SIZE
from siammaskpp_core.tracking.boxes import mask_bounding_box
from siammaskpp_core.tracking.crops import CropWindow, context_side

Rng = np.random.Generator

_PART_DRAWS, _PART_MIN_SIDE_PX = 4, 16


@dataclass
class Crop:
    """A crop of an image with the target's annotation in crop pixels.

    `image` uint8 BGR [S, S, 3]; `mask` uint8 [S, S] of the visible part, 0 or 255, None where the data has
    boxes only; `box_xywh` in px, None where the target is not visible.
    """

    image: Image
    mask: Mask | None
    box_xywh: Float64Array | None


@dataclass(frozen=True)
class CropJitter:
    """Largest random deviations from the crop that a perfect tracker would cut.

    `scale` and `aspect_ratio` are natural logarithms; the shift is in pixels of the crop.
    """

    shift_px: float
    scale: float
    rotation_deg: float
    aspect_ratio: float

    def random_matrix(self, sample: Sample, size: int, context: float, rng: Rng) -> Float64Array:
        """Draw an affine matrix [2, 3] from the image's pixel indices to those of a crop [size, size]."""
        x, y, width, height = sample.box_xywh
        side = context_side(width, height, context)
        window = (CropWindow.template if size == TEMPLATE_SIZE else CropWindow.search)(
            x + width / 2, y + height / 2, side
        )
        to_crop = np.vstack([cv2.invertAffineTransform(window.image_from_crop()), [0, 0, 1]])
        # A box without a mask cannot follow a rotation.
        degrees = self.rotation_deg if sample.mask is not None else 0.0
        angle = np.deg2rad(rng.uniform(-degrees, degrees))
        zoom = np.exp(rng.uniform(-self.scale, self.scale))
        stretch = np.exp(rng.uniform(-self.aspect_ratio, self.aspect_ratio) / 2)
        rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        linear = zoom * rotation @ np.diag([stretch, 1 / stretch])
        centre = np.full(2, (size - 1) / 2)
        shift = rng.uniform(-self.shift_px, self.shift_px, 2)
        about_centre = np.eye(3)
        about_centre[:2, :2] = linear
        about_centre[:2, 2] = centre - linear @ centre + shift
        return np.asarray((about_centre @ to_crop)[:2])


class Warp:
    """Warps images to crops of `size` pixels by an affine `matrix` [2, 3] and an elastic deformation.

    `displacement_px` float32 [size, size, 2] is (dx, dy) in crop pixels: crop pixel p shows what the affine
    crop shows at p + displacement.
    """

    def __init__(self, matrix: Float64Array, size: int, displacement_px: Float32Array | None = None) -> None:
        self.matrix, self.size, self.maps = matrix, size, None
        if displacement_px is not None:
            to_image = cv2.invertAffineTransform(matrix)
            pixels = np.stack(np.meshgrid(*[np.arange(size, dtype=np.float32)] * 2), axis=-1)
            self.maps = cv2.transform(pixels + displacement_px, to_image)

    def __call__(self, image: Image, border: int = cv2.BORDER_CONSTANT) -> Image:
        """The crop [size, size, ...] of `image`; `border` is OpenCV's mode for pixels outside the image."""
        if self.maps is not None:
            crop = cv2.remap(image, self.maps, None, cv2.INTER_LINEAR, borderMode=border)  # type: ignore[call-overload]
        else:
            size = (self.size, self.size)
            crop = cv2.warpAffine(image, self.matrix, size, flags=cv2.INTER_LINEAR, borderMode=border)
        return np.asarray(crop, np.uint8)


def random_elastic_field(size: int, sigma_px: float, rng: Rng) -> Float32Array:
    """Draw a smooth displacement field [size, size, 2] for :class:`Warp`.

    The displacements at 5 x 5 knots are normal with standard deviation `sigma_px`, cubic between them.
    """
    knots = rng.normal(0, sigma_px, (5, 5, 2)).astype(np.float32)
    return np.asarray(cv2.resize(knots, (size, size), interpolation=cv2.INTER_CUBIC), np.float32)


def render(
    sample: Sample, warp: Warp, background: Callable[[], Image], cut_out: bool, rng: Rng
) -> Crop | None:
    """Warp the object onto a background [size, size, 3]: alone if `cut_out`, else with its image around it.

    `background` is called only when the warped image does not fill the crop. Returns None when a part of
    the object, but less than a third, is inside the crop, and when an object without a mask is outside.
    """
    matrix, size = warp.matrix, warp.size
    warped = warp(sample.image, cv2.BORDER_REPLICATE)
    cut_out &= sample.mask is not None and not sample.in_place
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
    if cut_out:
        alpha = cv2.GaussianBlur(soft, (0, 0), rng.uniform(0.5, 1.5))
    else:
        alpha = warp(np.full(sample.image.shape[:2], 255, np.uint8))
    return Crop(warped if alpha.min() == 255 else blend(warped, background(), alpha), mask, box)


def blend(front: Image, back: Image, alpha: Image) -> Image:
    """Alpha blending of `front` over `back`, BGR [H, W, 3]; `alpha` uint8 [H, W], 255 shows `front`."""
    weight = alpha[..., None].astype(np.uint16)
    mixed = front * weight + back * (255 - weight)
    return ((mixed + 127) // 255).astype(np.uint8)


def random_background(image: Image, size: int, rng: Rng) -> Image:
    """A random square of `image`, flipped at random and resized to [size, size, 3]."""
    height, width = image.shape[:2]
    side = int(min(height, width) * rng.uniform(0.4, 1.0))
    top = int(rng.integers(0, height - side + 1))
    left = int(rng.integers(0, width - side + 1))
    square = image[top : top + side, left : left + side]
    if rng.random() < 0.5:
        square = square[:, ::-1]
    return cv2.resize(np.ascontiguousarray(square), (size, size))


def random_part(sample: Sample, rng: Rng) -> Sample:
    """A random part of the object, or the whole object when it is too small or too thin.

    The part is what lies inside a box of 25 to 70 % of the object's width and height; it fills at least
    half of that box.
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


def centred_on(sample: Sample, box_xywh: Float64Array) -> Sample:
    """`sample`, which has a mask, with crops centred on `box_xywh` instead of on the object.

    The size of the crops still follows the object.
    """
    size_wh = sample.box_xywh[2:]
    corner = box_xywh[:2] + (box_xywh[2:] - size_wh) / 2
    return sample._replace(box_xywh=np.concatenate([corner, size_wh]), in_place=True)


def flip(crop: Crop) -> Crop:
    """The crop flipped horizontally, with its mask and box."""
    mask = None if crop.mask is None else np.ascontiguousarray(crop.mask[:, ::-1])
    box = crop.box_xywh
    if box is not None:
        box = np.array([crop.image.shape[1] - box[0] - box[2], *box[1:]])
    return Crop(np.ascontiguousarray(crop.image[:, ::-1]), mask, box)


def _warp_box(box_xywh: Float64Array, matrix: Float64Array, size: int) -> Float64Array | None:
    """The box after a transform without rotation, clipped to the crop; None if less than a third is left."""
    x, y, width, height = box_xywh
    # The matrix maps pixel indices; continuous coordinates are half a pixel larger.
    low = matrix @ (x - 0.5, y - 0.5, 1) + 0.5
    high = matrix @ (x + width - 0.5, y + height - 0.5, 1) + 0.5
    area = np.prod(high - low)
    low, high = np.clip(low, 0, size), np.clip(high, 0, size)
    cut = np.prod(high - low)
    return np.concatenate([low, high - low]) if cut > 1 and cut >= area / 3 else None
