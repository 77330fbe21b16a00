"""Square crops around a target, and the transform from crop to image."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from siammaskpp_core.arrays import Float64Array, Image
from siammaskpp_core.network.config import SEARCH_SIZE, TEMPLATE_SIZE


def context_side(width: float, height: float, context: float = 0.5) -> float:
    """Return the side, in image pixels, of the square that becomes the template (SiamFC, section 2.4).

    It is `sqrt((w + p)(h + p))` with p = context * (w + h).
    """
    margin = context * (width + height)
    return float(np.sqrt((width + margin) * (height + margin)))


@dataclass(frozen=True)
class CropWindow:
    """A square of the image that is resized to `size` x `size` pixels.

    The centre and `side` are in image pixels; the centre of the crop's middle pixel is the square's centre.
    """

    center_x: float
    center_y: float
    side: float
    size: int

    @classmethod
    def template(cls, center_x: float, center_y: float, context_side_px: float) -> CropWindow:
        """Return the template's window (127x127)."""
        return cls(center_x, center_y, context_side_px, TEMPLATE_SIZE)

    @classmethod
    def search(cls, center_x: float, center_y: float, context_side_px: float) -> CropWindow:
        """Return the search region's window (255x255) at the template's scale."""
        return cls(center_x, center_y, context_side_px * SEARCH_SIZE / TEMPLATE_SIZE, SEARCH_SIZE)

    @property
    def scale(self) -> float:
        """Crop pixels per image pixel."""
        return self.size / self.side

    def image_from_crop(self) -> Float64Array:
        """Return the affine matrix [2, 3] from indices of crop pixels to indices of image pixels."""
        step = 1.0 / self.scale
        middle = (self.size - 1) / 2
        # A pixel's index is the continuous coordinate of its centre minus one half.
        return np.array(
            [
                [step, 0.0, self.center_x - 0.5 - middle * step],
                [0.0, step, self.center_y - 0.5 - middle * step],
            ]
        )

    def cut(self, image: Image, padding_bgr: tuple[float, ...], out: Image | None = None) -> Image:
        """Return the crop [size, size, 3], in `out` if given; pixels outside the image get `padding_bgr`."""
        return cv2.warpAffine(
            image,
            self.image_from_crop(),
            (self.size, self.size),
            dst=out,
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=padding_bgr,
        )


def mean_colour(image: Image) -> tuple[float, ...]:
    """Return the image's mean BGR colour, which pads crops outside the image."""
    return cv2.mean(image)[:3]
