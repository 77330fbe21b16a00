"""Images with 16 bits per channel as images with 8 bits."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from siammaskpp_core.arrays import Image

# A larger span is that of a camera with 16 bits.
_LARGEST_STRETCHED_SPAN = 2**14
# Noise is not made stronger than it is.
_SMALLEST_SPAN = 255.0
# Room on each side of the values of an image, relative to their span.
_MARGIN = 0.125
# The range changes when more values lie outside, or when the values fill less of it.
_MOST_OUTSIDE = 0.1
_LEAST_FILLED = 0.25
_PERCENTILES = (0.5, 99.5)
# About so many values of an image are looked at.
_SAMPLES = 20_000


class ValueRange:
    """The range of 16-bit values that is shown with 8 bits, for the images of one stream.

    Cameras with 10 to 14 bits, and thermal cameras, use a small part of the 16 bits, and do not say which.
    The range is taken from the first image. It stays until an image does not fit, so that a target looks the
    same in all images. Values with a span of more than 14 bits are divided by 256.

    Every method may be called from any thread.
    """

    def __init__(self) -> None:
        self._low, self._high = 0.0, -1.0  # empty: no image fits
        self._table = np.zeros(0, np.uint8)

    def to_8_bits(self, values: NDArray[np.uint16]) -> Image:
        """Return the image with 8 bits per channel; all channels have the same range."""
        table = self._table_for(values)
        return np.take(table, values)

    def _table_for(self, values: NDArray[np.uint16]) -> NDArray[np.uint8]:
        """Return the 8-bit value of every 16-bit value, after the range has changed if it has to."""
        step = max(round((values.shape[0] * values.shape[1] / _SAMPLES) ** 0.5), 1)
        samples = values[::step, ::step]
        low, high = (float(value) for value in np.percentile(samples, _PERCENTILES))
        outside = np.count_nonzero((samples < self._low) | (samples > self._high)) / samples.size
        # The smallest range cannot be filled better.
        is_filled = (
            high - low >= _LEAST_FILLED * (self._high - self._low) or self._high - self._low <= _SMALLEST_SPAN
        )
        if outside > _MOST_OUTSIDE or not is_filled:
            self._low, self._high = _range_of(low, high)
            self._table = _table(self._low, self._high)
        return self._table


def _range_of(low: float, high: float) -> tuple[float, float]:
    """Return the range in which values from `low` to `high` are shown."""
    span = high - low
    if span > _LARGEST_STRETCHED_SPAN:
        return 0.0, 65535.0
    room = max(_MARGIN * span, (_SMALLEST_SPAN - span) / 2)
    begin = max(low - room, 0.0)
    return begin, begin + span + 2 * room


def _table(low: float, high: float) -> NDArray[np.uint8]:
    values = np.arange(2**16)
    if high - low >= 65535.0:
        return (values >> 8).astype(np.uint8)
    return np.rint(np.clip((values - low) * (255 / (high - low)), 0, 255)).astype(np.uint8)
