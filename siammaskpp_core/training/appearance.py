"""Random light and quality of pictures."""

from __future__ import annotations

import cv2
import numpy as np

from siammaskpp_core.training.views import Image, Rng


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
