"""The box of a clicked object, found by trying boxes with the tracker itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from siammaskpp_core.arrays import Float64Array
from siammaskpp_core.tracking.boxes import BoxError, checked_box, overlap
from siammaskpp_core.tracking.tracker import TrackResult

FIRST_SIDES = (0.2, 0.45, 0.9)
"""Sides of the first squares around the click, relative to the image's shorter side."""
ROUNDS = 2
# A part of an object agrees with its box as well as the whole does; the whole is meant more often.
_SIZE_EXPONENT = 0.25
_MIN_SIDE_PX = 4.0


def box_at(
    point_xy: tuple[float, float],
    image_shape: tuple[int, ...],
    try_boxes: Callable[[Sequence[Float64Array]], list[TrackResult]],
) -> Float64Array:
    """Return the box (x, y, w, h) of the object at `point_xy`, in continuous pixels.

    `try_boxes` returns the result of searching for the content of each box in the same image. Each result's
    box is tried in the next round, so that boxes of one object converge. The box is returned that agrees best
    with its own result. Raises :class:`BoxError` when the point is outside the image or no object is found.
    """
    height, width = image_shape[:2]
    x, y = point_xy
    if not (0 <= x < width and 0 <= y < height):
        raise BoxError(f"the click at x={x:g} y={y:g} lies outside the {width}x{height} image")
    sides = [fraction * min(height, width) for fraction in FIRST_SIDES]
    boxes = [checked_box((x - side / 2, y - side / 2, side, side), width, height) for side in sides]
    for _ in range(ROUNDS):
        results = try_boxes(boxes)
        agreements = [_agreement(result, box, point_xy) for result, box in zip(results, boxes, strict=True)]
        found = [_within(result.box_xywh, width, height) for result in results]
        best = found[int(np.argmax(agreements))]
        boxes = [box if new is None else new for new, box in zip(found, boxes, strict=True)]
    if max(agreements) <= 0 or best is None:
        raise BoxError(f"no object is found at x={x:g} y={y:g}; click on its middle, or draw a box")
    return best


def _agreement(result: TrackResult, box_xywh: Float64Array, point_xy: tuple[float, float]) -> float:
    """Return how well a result agrees with the box it was searched by; 0 when it is not at the point."""
    x, y = point_xy
    left, top, width, height = result.box_xywh
    if result.mask is not None:
        is_there = bool(result.mask[int(y), int(x)])
    else:
        is_there = left <= x < left + width and top <= y < top + height
    if not is_there:
        return 0.0
    side = float(np.sqrt(width * height))
    return result.confidence * float(overlap(result.box_xywh, box_xywh)) * side**_SIZE_EXPONENT


def _within(box_xywh: Float64Array, width: int, height: int) -> Float64Array | None:
    """Return the box cut to the image; None when too little is left to be tracked."""
    try:
        box = checked_box(box_xywh, width, height)
    except BoxError:
        return None
    return box if min(box[2:]) >= _MIN_SIDE_PX else None
