"""Harder versions of a sequence: small or dark pictures, skipped frames, noise."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import cv2
import numpy as np

from siammaskpp_core.arrays import Image, Mask
from siammaskpp_core.data.sequences import DatasetError, VideoSequence

Stress: TypeAlias = Literal["small", "skip", "dark"]

SMALL_SCALE = 0.4
SKIP_STEP = 3
DARK_GAIN = 0.35
DARK_BLUR_SIGMA_PX = 2.0


@dataclass(frozen=True)
class StressedSequence(VideoSequence):
    """A sequence whose pictures and masks are changed when they are read; :func:`stressed` makes it.

    Frames and boxes are those of the harder version already.
    """

    stress: Stress | None = None
    noise_seed: int | None = None

    def image(self, index: int) -> Image:
        """See :class:`VideoSequence`."""
        image = super().image(index)
        if self.stress == "small":
            image = shrink(image)
        elif self.stress == "dark":
            image = darken(image)
        if self.noise_seed is None:
            return image
        seeds = (self.noise_seed, zlib.crc32(self.name.encode()), index)
        return add_noise(image, np.random.default_rng(seeds))

    def mask(self, index: int) -> Mask:
        """See :class:`VideoSequence`."""
        mask = super().mask(index)
        return shrink_mask(mask) if self.stress == "small" else mask


def stressed(
    sequence: VideoSequence, stress: Stress | None = None, noise_seed: int | None = None
) -> StressedSequence:
    """Return a harder version of `sequence` under the same name; None leaves out the stress or the noise.

    Raises :class:`DatasetError` when ``skip`` leaves fewer than two frames with the object.
    """
    harder = StressedSequence(**vars(sequence), stress=stress, noise_seed=noise_seed)
    if stress == "small":
        return replace(harder, boxes=sequence.boxes * SMALL_SCALE)
    if stress == "skip":
        kept = slice(None, None, SKIP_STEP)
        boxes = sequence.boxes[kept]
        present = np.count_nonzero(np.isfinite(boxes).all(axis=1))
        if present < 2:
            raise DatasetError(
                f"{sequence.name}: the object must be in two frames at least; of every third frame, it is in "
                f"{present}"
            )
        frames, annotations = sequence.frames[kept], sequence.annotations[kept]
        return replace(harder, frames=frames, boxes=boxes, annotations=annotations)
    return harder


def shrink(image: Image) -> Image:
    """Return `image` at 0.4 of its size; each pixel is the mean of the area that it covers."""
    return cv2.resize(image, None, fx=SMALL_SCALE, fy=SMALL_SCALE, interpolation=cv2.INTER_AREA)  # type: ignore[return-value]


def shrink_mask(mask: Mask) -> Mask:
    """Return `mask` at 0.4 of its size; each pixel is the one at its centre."""
    # INTER_NEAREST takes the upper left pixel of the area instead, which moves the mask by half a pixel.
    return cv2.resize(mask, None, fx=SMALL_SCALE, fy=SMALL_SCALE, interpolation=cv2.INTER_NEAREST_EXACT)  # type: ignore[return-value]


def darken(image: Image) -> Image:
    """Return `image` at 0.35 of its brightness, blurred by a Gaussian with a sigma of 2 pixels."""
    dark = cv2.convertScaleAbs(image, alpha=DARK_GAIN)
    return cv2.GaussianBlur(dark, (0, 0), DARK_BLUR_SIGMA_PX)  # type: ignore[return-value]


def add_noise(image: Image, rng: np.random.Generator) -> Image:
    """Return `image` with -1, 0 or 1 added to each value, all equally likely, cut to 0..255."""
    noise = rng.integers(-1, 2, image.shape, dtype=np.int16)
    return np.clip(image + noise, 0, 255).astype(np.uint8)
