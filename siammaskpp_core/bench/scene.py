"""The synthetic video on which the benchmarks measure time."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np

from siammaskpp_core.arrays import Image

Box = tuple[float, float, float, float]
"""x, y, w, h in pixels"""

RADIUS_FRACTION = 0.15
"""Radius of the objects as a fraction of the shorter side of the image."""


def moving_objects(size: tuple[int, int], count: int) -> Iterator[tuple[Image, list[Box]]]:
    """Yield an endless video of `count` textured discs on a textured background, with their boxes.

    `size` is width and height in pixels; images are BGR.
    """
    width, height = size
    random = np.random.default_rng(0)
    coarse = random.integers(0, 160, (height // 16, width // 16, 3), dtype=np.uint8)
    background = cv2.resize(coarse, size, interpolation=cv2.INTER_CUBIC)
    radius = max(int(min(size) * RADIUS_FRACTION), 4)
    colours = [tuple(int(value) for value in random.integers(90, 256, 3)) for _ in range(count)]
    frame = 0
    while True:
        image: Image = background.copy()
        boxes: list[Box] = []
        for index, colour in enumerate(colours):
            angle = 2 * np.pi * (index / count + frame / 200)
            x = int(width / 2 + np.cos(angle) * (width / 2 - 1.5 * radius))
            y = int(height / 2 + np.sin(angle) * (height / 2 - 1.5 * radius))
            cv2.circle(image, (x, y), radius, colour, -1)
            cv2.circle(image, (x, y), radius // 2, colour[::-1], -1)
            boxes.append((x - radius, y - radius, 2 * radius + 1, 2 * radius + 1))
        yield image, boxes
        frame += 1
