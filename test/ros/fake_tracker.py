"""A tracker without a network, for tests of what is around it: it follows the pixels of one colour."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from siammaskpp_core.tracking import BoxError, RotatedBox, TrackResult


class FakeTarget:
    def __init__(self, colour: NDArray[np.uint8]) -> None:
        self.colour = colour


class FakeTracker:
    """Score 0.9 where the colour is seen, 0.05 where it is not; `step_s` is how long a step takes.

    An image whose top left pixel is pure blue makes the step fail.
    """

    def __init__(self, step_s: float = 0.0) -> None:
        self._step_s = step_s

    def init(self, image: NDArray[np.uint8], box_xywh: Sequence[float]) -> FakeTarget:
        x, y, width, height = box_xywh
        if not np.isfinite(box_xywh).all():
            raise BoxError("the box is not finite")
        if (
            width <= 0
            or height <= 0
            or x < 0
            or y < 0
            or x + width > image.shape[1]
            or y + height > image.shape[0]
        ):
            raise BoxError(f"the box {box_xywh} is empty or outside the image")
        return FakeTarget(image[int(y + height / 2), int(x + width / 2)].copy())

    def step(self, image: NDArray[np.uint8], targets: list[FakeTarget]) -> list[TrackResult]:
        time.sleep(self._step_s)
        if (image[0, 0] == (255, 0, 0)).all():
            raise RuntimeError("the engine fell over")
        return [_find(image, target.colour) for target in targets]


def _find(image: NDArray[np.uint8], colour: NDArray[np.uint8]) -> TrackResult:
    near = np.abs(image.astype(np.int16) - colour.astype(np.int16)).max(axis=2) < 30
    mask = near.astype(np.uint8) * 255
    if not near.any():
        return TrackResult(np.array([1.0, 2.0, 3.0, 4.0]), RotatedBox(2.5, 4.0, 3.0, 4.0, 0.0), 0.05, mask)
    rows, columns = np.nonzero(near)
    x, y = float(columns.min()), float(rows.min())
    width, height = float(columns.max() + 1 - x), float(rows.max() + 1 - y)
    rotated = RotatedBox(x + width / 2, y + height / 2, width, height, 0.0)
    return TrackResult(np.array([x, y, width, height]), rotated, 0.9, mask)
