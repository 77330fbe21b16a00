"""Frames with coloured squares on grey, and a tracker that finds them."""

from __future__ import annotations

import numpy as np
from colour_engine import ColourEngine

from siammaskpp_core.io.frame import Frame, number_name
from siammaskpp_core.tracking import LongTermTracker, Tracker

RED, BLUE = (40, 40, 230), (230, 60, 40)
RED_BOX, BLUE_BOX = (20.0, 30.0, 40.0, 40.0), (200.0, 120.0, 40.0, 40.0)
WIDTH, HEIGHT = 320, 240


def picture(number: int, without: tuple[int, int, int] | None = None) -> np.ndarray:
    """The red square moves right by 4 pixels in each frame, the blue one left by 3."""
    image = np.full((HEIGHT, WIDTH, 3), 90, np.uint8)
    for colour, box, shift in ((RED, RED_BOX, 4), (BLUE, BLUE_BOX, -3)):
        if colour != without:
            left, top, width, height = (int(value) for value in box)
            left += shift * number
            image[top : top + height, left : left + width] = colour
    return image


def frame(number: int, without: tuple[int, int, int] | None = None) -> Frame:
    return Frame(number, number * 40_000_000, picture(number, without), number_name(number))


def tracker() -> LongTermTracker:
    return LongTermTracker(Tracker(ColourEngine()))
