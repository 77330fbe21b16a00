"""Axis-aligned, rotated and fused boxes.

All boxes are in continuous pixel coordinates: the pixel in column c and row r covers [c, c+1) x [r, r+1),
so a mask whose pixels span columns 3..5 has x = 3 and width = 3.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import ArrayLike

from siammaskpp_core.arrays import Float32Array, Float64Array, Mask
from siammaskpp_core.errors import UserError
from siammaskpp_core.tracking.config import TrackingConfig


class BoxError(UserError):
    """A box that cannot be tracked; the message gives the reason."""


class Place(NamedTuple):
    """Centre and size of an axis-aligned box in image pixels."""

    center_x: float
    center_y: float
    width: float
    height: float

    @property
    def mean_side(self) -> float:
        """The root of the area."""
        return math.sqrt(self.width * self.height)

    @property
    def box_xywh(self) -> Float64Array:
        """The box as left, top, width, height, float64 [4]."""
        left, top = self.center_x - self.width / 2, self.center_y - self.height / 2
        return np.array([left, top, self.width, self.height])


@dataclass(frozen=True)
class RotatedBox:
    """A rectangle turned by `angle_rad` clockwise (x right, y down), in image pixels."""

    center_x: float
    center_y: float
    width: float
    height: float
    angle_rad: float

    @classmethod
    def axis_aligned(cls, box_xywh: Float64Array) -> RotatedBox:
        """Return the box left, top, width, height as a rectangle that is not turned."""
        x, y, width, height = box_xywh.tolist()
        return cls(x + width / 2, y + height / 2, width, height, 0.0)

    def described_near(self, angle_rad: float) -> RotatedBox:
        """Return the same rectangle with the angle, of the four that describe it, nearest to `angle_rad`.

        The new angle lies between -pi and pi.
        """
        turns = round((angle_rad - self.angle_rad) / (np.pi / 2))
        angle = math.remainder(self.angle_rad + turns * np.pi / 2, 2 * np.pi)
        sides = (self.height, self.width) if turns % 2 else (self.width, self.height)
        return RotatedBox(self.center_x, self.center_y, *sides, angle)

    def corners(self) -> Float32Array:
        """Return the four corners [4, 2] in pixels, in order around the box."""
        cos, sin = np.cos(self.angle_rad), np.sin(self.angle_rad)
        half = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * (self.width / 2, self.height / 2)
        turned = half @ np.array([[cos, sin], [-sin, cos]])
        return (turned + (self.center_x, self.center_y)).astype(np.float32)


def checked_box(box_xywh: ArrayLike, image_width: int, image_height: int) -> Float64Array:
    """Return `box_xywh` as float64 [4], cut to the image.

    Raises :class:`BoxError` when it is not four finite numbers, has no area, or lies outside the image.
    """
    try:
        box = np.asarray(box_xywh, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise BoxError(f"box {box_xywh!r} is not four numbers x, y, width, height") from error
    if box.shape != (4,):
        raise BoxError(f"box {box_xywh!r} is not four numbers x, y, width, height")
    x, y, width, height = box
    shown = f"box x={x:g} y={y:g} width={width:g} height={height:g}"
    if not np.isfinite(box).all():
        raise BoxError(f"{shown} has numbers that are not finite")
    if width <= 0 or height <= 0:
        raise BoxError(f"{shown} is empty: width and height must be positive")
    left, top = max(x, 0.0), max(y, 0.0)
    right, bottom = min(x + width, float(image_width)), min(y + height, float(image_height))
    if right <= left or bottom <= top:
        raise BoxError(f"{shown} lies outside the {image_width}x{image_height} image")
    if right - left < 2 or bottom - top < 2:
        raise BoxError(f"{shown} covers less than 2x2 pixels of the {image_width}x{image_height} image")
    return np.array([left, top, right - left, bottom - top])


def overlap(boxes_a: ArrayLike, boxes_b: ArrayLike) -> Float64Array:
    """Return the intersection over union of (x, y, w, h) boxes, broadcast over the leading axes.

    Empty boxes have overlap 0.
    """
    a, b = np.asarray(boxes_a, dtype=np.float64), np.asarray(boxes_b, dtype=np.float64)
    low = np.maximum(a[..., :2], b[..., :2])
    high = np.minimum(a[..., :2] + a[..., 2:], b[..., :2] + b[..., 2:])
    intersection = np.prod(np.clip(high - low, 0, None), axis=-1)
    union = np.prod(a[..., 2:], axis=-1) + np.prod(b[..., 2:], axis=-1) - intersection
    return np.divide(intersection, union, out=np.zeros_like(intersection), where=union > 0)


def mask_bounding_box(mask: Mask) -> Float64Array | None:
    """Return the axis-aligned bounding box (x, y, w, h) of the non-zero pixels; None when there are none."""
    x, y, width, height = cv2.boundingRect(mask)
    return np.array([x, y, width, height], dtype=np.float64) if width else None


# A box found in the first image must overlap the given box by this much before anything is learned from it.
_MIN_OVERLAP = 0.5
# A larger ratio of sides means that the box found is not around the object that was pointed at.
_MAX_SIDE_RATIO = 1.3


@dataclass(frozen=True)
class BoxFusion:
    """Weights by which the decoded box and the mask's bounding box become the reported box.

    People draw boxes around all that is visible or around a part, tightly or with a margin. The weights are
    learned from the image in which the box was drawn: the mask's weight is larger where the mask fits the
    given box better than the decoded box does.
    """

    mask_weight: float = 1.0
    """Weight of the mask's bounding box; the decoded box has the rest."""
    size_ratio: tuple[float, float] = (1.0, 1.0)
    """Factors of the fused box's width and height, applied about its centre."""
    decoded_ratio: tuple[float, float] = (1.0, 1.0)
    """Factors that made the decoded box as wide and high as the given one. They size search regions."""

    @classmethod
    def learned(
        cls,
        given: Float64Array,
        decoded: Float64Array,
        mask_box: Float64Array | None,
        config: TrackingConfig,
    ) -> BoxFusion:
        """Return the fusion that suits `given`, from the boxes found in the image in which it was drawn.

        All boxes are float64 [4] as x, y, width, height; `mask_box` is None when the mask is empty. The
        default weights are returned when neither box overlaps `given` well.
        """
        default = cls(config.mask_box_weight)
        mask_overlap = 0.0 if mask_box is None else float(overlap(mask_box, given))
        decoded_overlap = float(overlap(decoded, given))
        if max(mask_overlap, decoded_overlap) < _MIN_OVERLAP:
            return default
        weight = config.mask_box_weight + config.mask_box_gain * (mask_overlap - decoded_overlap)
        lowest = min(config.mask_box_weight_min, config.mask_box_weight)
        fusion = cls(float(np.clip(weight, lowest, 1)))
        ratio = _side_ratio(given, fusion.box(decoded, mask_box))
        width_ratio, height_ratio = (ratio**config.size_correction).tolist()
        decoded_width, decoded_height = _side_ratio(given, decoded).tolist()
        return cls(fusion.mask_weight, (width_ratio, height_ratio), (decoded_width, decoded_height))

    def box(self, decoded: Float64Array, mask_box: Float64Array | None) -> Float64Array:
        """Return the reported box, float64 [4]; it is the decoded one, resized, when there is no mask box."""
        box = decoded if mask_box is None else decoded + self.mask_weight * (mask_box - decoded)
        size = box[2:] * self.size_ratio
        return np.concatenate([box[:2] + (box[2:] - size) / 2, size])


def _side_ratio(given: Float64Array, found: Float64Array) -> Float64Array:
    """Return factors, float64 [2], that make the box `found` as wide and high as `given`, within limits."""
    return np.asarray(np.clip(given[2:] / found[2:], 1 / _MAX_SIDE_RATIO, _MAX_SIDE_RATIO))
