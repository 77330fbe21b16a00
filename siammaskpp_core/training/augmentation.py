"""Augmentation of crops: photometric jitter, image quality, pasted distractors and occluders."""

from __future__ import annotations

import cv2
import numpy as np

from siammaskpp_core.arrays import Float64Array, Image, Mask
from siammaskpp_core.data.sources.base import Sample
from siammaskpp_core.tracking.boxes import mask_bounding_box
from siammaskpp_core.training.random_crops import Crop, Rng, Warp, blend, random_background


def photometric_jitter(image: Image, strength: float, rng: Rng) -> Image:
    """Change gain, offset, gamma and colour cast of a BGR image at random, scaled by `strength`."""
    gains = np.exp(rng.normal(0, 0.12, 3) * strength) * np.exp(rng.normal(0, 0.25) * strength)
    gamma = np.exp(rng.normal(0, 0.25) * strength)
    offset = rng.normal(0, 15) * strength
    levels = np.linspace(0, 1, 256)[:, None] ** gamma * 255 * gains + offset
    table = np.clip(levels, 0, 255).astype(np.uint8).reshape(1, 256, 3)
    return cv2.LUT(image, table)


def degrade_quality(image: Image, blur_probability: float, rng: Rng) -> Image:
    """Make a square image worse: each at random, lower its resolution, blur it and add noise.

    A low resolution is that of a small target. The image is blurred, by motion or defocus, with the
    probability `blur_probability`.
    """
    size = image.shape[0]
    if rng.random() < 0.35:
        small = int(size * rng.uniform(0.25, 0.8))
        image = cv2.resize(image, (small, small), interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
        image = cv2.resize(image, (size, size), interpolation=cv2.INTER_LINEAR)  # type: ignore[assignment]
    if rng.random() < blur_probability:
        image = _motion_blur(image, rng) if rng.random() < 0.6 else _focus_blur(image, rng)
    if rng.random() < 0.3:
        noise = rng.normal(0, rng.uniform(2, 10), image.shape[:2] + (1,)).astype(np.float32)
        image = np.clip(image + noise, 0, 255).astype(np.uint8)
    return image


def lower_resolution(image: Image, factor: float, compress_it: bool, rng: Rng) -> Image:
    """Show a square image at the resolution of a picture that is smaller by `factor`, if wanted compressed.

    This is what the tracker sees of a small target, whose crop is enlarged.
    """
    size = image.shape[0]
    small = max(round(size * factor * np.exp(rng.uniform(-0.1, 0.1))), 4)
    reduced = np.asarray(cv2.resize(image, (small, small), interpolation=cv2.INTER_AREA), np.uint8)
    if compress_it:
        reduced = compress(reduced, rng)
    return np.asarray(cv2.resize(reduced, (size, size), interpolation=cv2.INTER_LINEAR), np.uint8)


def compress(image: Image, rng: Rng) -> Image:
    """The image with the artefacts of strong JPEG compression."""
    quality = int(rng.integers(10, 50))
    _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)


def darken(image: Image, rng: Rng) -> Image:
    """The image with 20 to 60 % of its light, and with the noise of a sensor."""
    dark = image * np.float32(rng.uniform(0.2, 0.6)) + rng.normal(0, 3, image.shape).astype(np.float32)
    return np.clip(dark, 0, 255).astype(np.uint8)


def to_grayscale(image: Image) -> Image:
    """The image in grayscale, with three equal channels."""
    return cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)


def _motion_blur(image: Image, rng: Rng) -> Image:
    length = int(rng.integers(3, 16))
    angle = rng.uniform(0, np.pi)
    kernel = np.zeros((length, length), np.float32)
    centre = (length - 1) / 2
    offset = centre * np.array([np.cos(angle), np.sin(angle)])
    start, end = np.round(centre - offset).astype(int), np.round(centre + offset).astype(int)
    cv2.line(kernel, start.tolist(), end.tolist(), 1.0)
    return cv2.filter2D(image, -1, kernel / kernel.sum())


def _focus_blur(image: Image, rng: Rng) -> Image:
    return cv2.GaussianBlur(image, (0, 0), rng.uniform(0.6, 2.5))


def copy_paste(crop: Crop, other: Sample, occlude: bool, rng: Rng) -> None:
    """Paste another object into `crop`, in place: beside the target or, with `occlude`, partly over it.

    Nothing is pasted when one of the two has no mask or when more than half of the target would be hidden.
    """
    if other.mask is None or crop.mask is None or crop.box_xywh is None:
        return
    x, y, width, height = crop.box_xywh
    target_size = np.sqrt(width * height)
    zoom = target_size / np.sqrt(other.box_xywh[2] * other.box_xywh[3]) * np.exp(rng.uniform(-0.5, 0.5))
    angle = rng.uniform(0, 2 * np.pi)
    distance = rng.uniform(0.4, 0.9) if occlude else rng.uniform(0.9, 2.2)
    centre = np.array([x + width / 2, y + height / 2])
    centre += distance * np.array([width, height]) * (np.cos(angle), np.sin(angle))
    warp = _placement(other, centre, zoom, crop.image.shape[0], rng)
    alpha = warp(other.mask)
    visible = crop.mask if not occlude else np.where(alpha > 127, 0, crop.mask).astype(np.uint8)
    if np.count_nonzero(visible) < np.count_nonzero(crop.mask) / 2:
        return
    if not occlude:
        alpha = np.where(crop.mask > 0, 0, alpha).astype(np.uint8)
    _composite(crop, warp(other.image), alpha)
    crop.mask, crop.box_xywh = visible, mask_bounding_box(visible)


def occlude_with_object(crop: Crop, other: Sample, rng: Rng) -> bool:
    """Hide the target of `crop` behind another object, in place; at most a seventh of it stays visible.

    A target without a mask is its box. Returns False and changes nothing when more would be visible, when the
    target has no box, or the other object no mask.
    """
    if other.mask is None or crop.box_xywh is None:
        return False
    mask = _box_mask(crop) if crop.mask is None else crop.mask
    size_wh = crop.box_xywh[2:]
    centre = crop.box_xywh[:2] + size_wh * rng.uniform(0.4, 0.6, 2)
    zoom = float(np.max(size_wh / other.box_xywh[2:])) * rng.uniform(1.1, 2.0)
    warp = _placement(other, centre, zoom, crop.image.shape[0], rng)
    alpha = warp(other.mask)
    if np.count_nonzero((mask > 0) & (alpha <= 127)) > np.count_nonzero(mask) / 7:
        return False
    _composite(crop, warp(other.image), alpha)
    return True


def occlude_with_rectangle(crop: Crop, image: Image, rng: Rng) -> bool:
    """Hide the target of `crop` behind a rectangle that shows a part of `image`, in place.

    Returns False and changes nothing when the target has no box.
    """
    if crop.box_xywh is None:
        return False
    size = crop.image.shape[0]
    x, y, width, height = crop.box_xywh
    margins = rng.uniform(0.0, 0.5, 4) * (width, height, width, height)
    left, top = (int(max(low, 0)) for low in (x - margins[0], y - margins[1]))
    right, bottom = x + width + margins[2], y + height + margins[3]
    alpha = np.zeros((size, size), np.uint8)
    alpha[top : int(np.ceil(bottom)), left : int(np.ceil(right))] = 255
    _composite(crop, random_background(image, size, rng), alpha)
    return True


def _placement(other: Sample, centre_xy: Float64Array, zoom: float, size: int, rng: Rng) -> Warp:
    """The warp that puts the centre of an object at `centre_xy` (px) of a crop, flipped at random."""
    object_centre = other.box_xywh[:2] + other.box_xywh[2:] / 2
    linear = np.diag([zoom * rng.choice([-1.0, 1.0]), zoom])
    return Warp(np.column_stack([linear, centre_xy - linear @ object_centre]), size)


def _box_mask(crop: Crop) -> Mask:
    """Return a mask of the pixels in the box of a crop."""
    assert crop.box_xywh is not None
    low, high = crop.box_xywh[:2], crop.box_xywh[:2] + crop.box_xywh[2:]
    (left, top), (right, bottom) = np.floor(low).astype(int).clip(0), np.ceil(high).astype(int)
    mask = np.zeros(crop.image.shape[:2], np.uint8)
    mask[top:bottom, left:right] = 255
    return mask


def _composite(crop: Crop, front: Image, alpha: Image) -> None:
    alpha = np.asarray(cv2.GaussianBlur(alpha, (0, 0), 0.7), np.uint8)
    crop.image = blend(front, crop.image, alpha)
