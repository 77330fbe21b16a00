"""What the simulated camera sees, drawn once: floor, walls and a person. numpy and OpenCV, no ROS."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

_SHIRT, _TROUSERS, _SKIN, _HAIR, _STRIPE, _SHOES = (
    (60, 60, 200),
    (110, 70, 40),
    (150, 180, 225),
    (30, 45, 70),
    (60, 210, 240),
    (40, 40, 40),
)


def _grain(rng: np.random.Generator, side: int, cell: int, strength: float) -> NDArray[np.float32]:
    """Noise of cells of `cell` pixels that can be laid side by side."""
    small = rng.standard_normal((side // cell, side // cell)).astype(np.float32)
    tiled = cv2.resize(np.tile(small, (3, 3)), (3 * side, 3 * side), interpolation=cv2.INTER_CUBIC)
    return np.asarray(strength * tiled[side : 2 * side, side : 2 * side], np.float32)


def floor(rng: np.random.Generator) -> NDArray[np.uint8]:
    """Planks of wood, 480x480, 8 m."""
    side = 480
    grain = _grain(rng, side, 60, 6) + _grain(rng, side, 12, 4) + _grain(rng, side, 4, 4)
    planks = np.repeat(rng.normal(0, 9, 16), side // 16)[:, None]
    colour = np.array([95, 130, 160], np.float32)
    texture = colour + (grain + planks)[:, :, None]
    texture[:: side // 16] -= 35
    return np.asarray(np.clip(cv2.GaussianBlur(texture, (0, 0), 1.0), 0, 255), np.uint8)


def wall(rng: np.random.Generator) -> NDArray[np.uint8]:
    """Plaster with pictures on it, 480x480, 8 m."""
    side = 480
    grain = _grain(rng, side, 80, 9) + _grain(rng, side, 16, 5) + _grain(rng, side, 4, 3)
    texture = np.array([185, 195, 190], np.float32) + grain[:, :, None]
    for left in range(20, side - 60, 80):  # heights are negative and wrap round: the floor is row 480
        top, width, height = int(rng.integers(345, 375)), int(rng.integers(30, 55)), int(rng.integers(35, 60))
        colour = rng.uniform((60, 60, 20), (220, 200, 110))  # never the person's red
        cv2.rectangle(texture, (left, top), (left + width, top + height), (50, 60, 70), -1)
        cv2.rectangle(texture, (left + 3, top + 3), (left + width - 3, top + height - 3), colour.tolist(), -1)
        cv2.circle(texture, (left + width // 2, top + height // 2), width // 5, (225, 230, 235), -1)
    texture[-6:] = (70, 80, 90)
    return np.asarray(np.clip(cv2.GaussianBlur(texture, (0, 0), 0.8), 0, 255), np.uint8)


def person(stride: float) -> NDArray[np.uint8]:
    """A person, 660x1700 pixels drawn small: BGRA, colours multiplied by alpha; `stride` in [-1, 1]."""
    picture = np.zeros((1700, 660, 4), np.uint8)

    def limb(
        start: tuple[float, float], end: tuple[float, float], width: int, colour: tuple[int, int, int]
    ) -> None:
        points = [(round(x), round(y)) for x, y in (start, end)]
        cv2.line(picture, points[0], points[1], (*colour, 255), width, cv2.LINE_AA)

    for side in (-1, 1):
        foot = (330 + 70 * side, 1640 - 70 * max(side * stride, 0))
        limb((330 + 65 * side, 900), foot, 130, _TROUSERS)
        limb(foot, (foot[0] + 25 * side, foot[1] + 10), 90, _SHOES)
        hand = (330 + 245 * side, 900 - 60 * max(-side * stride, 0))
        limb((330 + 180 * side, 420), hand, 95, _SHIRT)
        limb(hand, (hand[0], hand[1] + 30), 80, _SKIN)
    cv2.rectangle(picture, (170, 350), (490, 930), (*_SHIRT, 255), -1)
    cv2.rectangle(picture, (170, 480), (490, 545), (*_STRIPE, 255), -1)
    cv2.rectangle(picture, (170, 650), (490, 715), (*_STRIPE, 255), -1)
    limb((330, 300), (330, 360), 90, _SKIN)
    cv2.ellipse(picture, (330, 190), (105, 140), 0, 0, 360, (*_SKIN, 255), -1, cv2.LINE_AA)
    cv2.ellipse(picture, (330, 130), (112, 115), 0, 170, 370, (*_HAIR, 255), -1, cv2.LINE_AA)
    small = cv2.resize(picture, (165, 425), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.uint8)
