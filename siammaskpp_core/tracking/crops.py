"""Square crops around a target, and the way back from crop to image."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from siammaskpp_core.arrays import Float64Array, Image
from siammaskpp_core.network.config import SEARCH_SIZE, TEMPLATE_SIZE


def context_side(width: float, height: float, context: float = 0.5) -> float:
    """Side, in image pixels, of the square that becomes the template (SiamFC, section 2.4).

    `sqrt((w + p)(h + p))` with p = context * (w + h).
    """
    margin = context * (width + height)
    return float(np.sqrt((width + margin) * (height + margin)))


@dataclass(frozen=True)
class CropWindow:
    """A square of the image, resized to `size` x `size` pixels. Its middle pixel is the square's centre."""

    center_x: float
    center_y: float
    side: float
    size: int

    @classmethod
    def template(cls, center_x: float, center_y: float, context_side_px: float) -> CropWindow:
        """The template's window (127x127)."""
        return cls(center_x, center_y, context_side_px, TEMPLATE_SIZE)

    @classmethod
    def search(cls, center_x: float, center_y: float, context_side_px: float) -> CropWindow:
        """The search region's window (255x255) at the template's scale."""
        return cls(center_x, center_y, context_side_px * SEARCH_SIZE / TEMPLATE_SIZE, SEARCH_SIZE)

    @property
    def scale(self) -> float:
        """Crop pixels per image pixel."""
        return self.size / self.side

    def image_from_crop(self) -> Float64Array:
        """Affine matrix [2, 3] from indices of crop pixels to indices of image pixels."""
        step = 1.0 / self.scale
        middle = (self.size - 1) / 2
        # The index of a pixel's centre is its continuous coordinate less one half.
        return np.array(
            [
                [step, 0.0, self.center_x - 0.5 - middle * step],
                [0.0, step, self.center_y - 0.5 - middle * step],
            ]
        )

    def cut(self, image: Image, padding_bgr: tuple[float, ...], out: Image | None = None) -> Image:
        """The crop [size, size, 3]; pixels outside the image get `padding_bgr`. Written to `out` if given."""
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
    """The image's mean BGR colour, with which crops are padded."""
    return cv2.mean(image)[:3]
