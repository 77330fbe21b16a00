"""A tracker without a network for tests of the node: it follows the pixels of one colour."""

from __future__ import annotations

import time
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from siammaskpp_core.tracking import LongTermConfig, RotatedBox, State, TrackResult
from siammaskpp_core.tracking.boxes import checked_box
from siammaskpp_core.tracking.long_term.state import Observation, TrackStatus, advance


class FakeTarget:
    def __init__(self, colour: NDArray[np.uint8]) -> None:
        self.colour = colour
        self.status = TrackStatus()

    @property
    def state(self) -> State:
        return self.status.state

    @property
    def is_seen(self) -> bool:
        return self.status.is_seen


class FakeTracker:
    """Finds its colour with confidence 0.9, or 0.05 when it is not in the image; a step takes `step_s`.

    A new target takes `init_s`, also when its box is refused. Boxes are checked, and cut to the image, as by
    the real tracker. An image whose top left pixel is pure blue makes the step fail.
    """

    engine_name = "fake"

    def __init__(self, step_s: float = 0.0, init_s: float = 0.0) -> None:
        self._step_s = step_s
        self._init_s = init_s
        self.timings: dict[str, float] = {}

    def init(self, image: NDArray[np.uint8], box_xywh: Sequence[float]) -> tuple[FakeTarget, TrackResult]:
        time.sleep(self._init_s)
        x, y, width, height = checked_box(box_xywh, image.shape[1], image.shape[0])
        colour = image[int(y + height / 2), int(x + width / 2)].copy()
        return FakeTarget(colour), _find(image, colour)

    def try_boxes(self, image: NDArray[np.uint8], boxes_xywh: Sequence[Sequence[float]]) -> list[TrackResult]:
        return [self.init(image, box)[1] for box in boxes_xywh]

    def step(
        self, image: NDArray[np.uint8], targets: list[FakeTarget], stamp_ns: int, config: LongTermConfig
    ) -> list[TrackResult]:
        start_s = time.monotonic()
        time.sleep(self._step_s)
        searched_s = time.monotonic()
        if (image[0, 0] == (255, 0, 0)).all():
            raise RuntimeError("the engine fell over")
        results = [_find(image, target.colour) for target in targets]
        for target, result in zip(targets, results, strict=True):
            observation = Observation(result.confidence, result.box_xywh.tolist())
            target.status = advance(target.status, observation, stamp_ns, config)
        done_s = time.monotonic()
        self.timings = {"search": (searched_s - start_s) * 1e3, "paste": (done_s - searched_s) * 1e3}
        return results


def _find(image: NDArray[np.uint8], colour: NDArray[np.uint8]) -> TrackResult:
    low, high = (np.clip(colour.astype(int) + step, 0, 255) for step in (-29, 29))
    mask = np.asarray(cv2.inRange(image, low, high), np.uint8)
    x, y, width, height = map(float, cv2.boundingRect(mask))
    if not width:
        return TrackResult(np.array([1.0, 2.0, 3.0, 4.0]), RotatedBox(2.5, 4.0, 3.0, 4.0, 0.0), 0.05, mask)
    rotated = RotatedBox(x + width / 2, y + height / 2, width, height, 0.0)
    return TrackResult(np.array([x, y, width, height]), rotated, 0.9, mask)
