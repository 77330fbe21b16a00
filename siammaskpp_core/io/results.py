"""Results as rows of a CSV table and as siammaskpp/TrackedObject messages.

This module only names the fields that it reads and writes. It needs neither the tracker nor ROS: messages
may be those of a node or those of a bag.
"""

from __future__ import annotations

import csv
import math
from typing import Any, NamedTuple, Protocol, TextIO

import numpy as np

from siammaskpp_core.arrays import Float32Array, Float64Array, Mask
from siammaskpp_core.io.stamps import seconds_text


class RotatedRectangle(Protocol):
    """The fields of :class:`siammaskpp_core.tracking.RotatedBox`, in pixels."""

    @property
    def center_x(self) -> float:
        """Centre, to the right of the image's left edge."""

    @property
    def center_y(self) -> float:
        """Centre, below the image's top edge."""

    @property
    def width(self) -> float:
        """Side along the direction `angle_rad`."""

    @property
    def height(self) -> float:
        """Side at a right angle to `width`."""

    @property
    def angle_rad(self) -> float:
        """Clockwise angle from the image's x axis."""

    def corners(self) -> Float32Array:
        """Return the four corners [4, 2] in order around the rectangle."""


class Result(Protocol):
    """The fields of :class:`siammaskpp_core.tracking.TrackResult`."""

    @property
    def box_xywh(self) -> Float64Array:
        """Axis-aligned box [4]: left, top, width, height in pixels."""

    @property
    def rotated_box(self) -> RotatedRectangle:
        """Rotated box around the mask."""

    @property
    def confidence(self) -> float:
        """Calibrated probability, 0 to 1, that this is the target."""

    @property
    def mask(self) -> Mask | None:
        """Mask, uint8 [H, W] with 0 or 255; None for a network without masks."""


PLACE_COLUMNS = (
    *("x", "y", "width", "height"),
    *("center_x", "center_y", "rotated_width", "rotated_height", "angle_rad"),
)
COLUMNS = ("stamp_s", "frame", "id", "label", "state", "confidence", *PLACE_COLUMNS)
"""Columns of a table of results, which ``siammaskpp track --help`` describes."""


class Row(NamedTuple):
    """One target in one image, as a row of the table.

    `frame` is the number of the image in its source, from 0; where images come from a topic, it counts those
    that were tracked. `state` is the name of a track state, such as LOST.
    `place` holds the :data:`PLACE_COLUMNS`; it is None while the target is not seen.
    """

    stamp_ns: int
    frame: int
    id: str
    label: str
    state: str
    confidence: float
    place: tuple[float, ...] | None


def place_of(result: Result) -> tuple[float, ...]:
    """Return box and rotated box of a result as the :data:`PLACE_COLUMNS` of a row."""
    rotated = result.rotated_box
    sides = (rotated.width, rotated.height, rotated.angle_rad)
    return (*map(float, result.box_xywh), rotated.center_x, rotated.center_y, *sides)


class TableWriter:
    """Writes rows of results to a text file, which must have been opened with ``newline=""``."""

    def __init__(self, file: TextIO) -> None:
        self._writer = csv.writer(file)
        self._writer.writerow(COLUMNS)

    def write(self, row: Row) -> None:
        """Append one row. Lengths in pixels get two decimals, confidence and angle four."""
        place = [""] * len(PLACE_COLUMNS)
        if row.place is not None:
            *pixels, angle_rad = row.place
            place = [*(f"{value:.2f}" for value in pixels), f"{angle_rad:.4f}"]
        stamp_s, confidence = seconds_text(row.stamp_ns), f"{_or_zero(row.confidence):.4f}"
        self._writer.writerow([stamp_s, row.frame, row.id, row.label, row.state, confidence, *place])


def fill_tracked_object(item: Any, result: Result, state: int, mask_value: int) -> None:
    """Fill an empty siammaskpp/TrackedObject, all but its id and label.

    `mask_value` is 0 while the target is not seen; box and rotated box are left zero then. The messages
    inside `item` are filled, not replaced, because making one takes longer than all of this.
    """
    item.state = state
    item.score = _or_zero(float(result.confidence))
    item.mask_value = mask_value
    if not mask_value:
        return
    box, rotated, source = item.box, item.rotated_box, result.rotated_box
    box.x, box.y, box.width, box.height = map(float, result.box_xywh)
    rotated.center_x, rotated.center_y = float(source.center_x), float(source.center_y)
    rotated.width, rotated.height = float(source.width), float(source.height)
    rotated.angle = float(source.angle_rad)
    rotated.corners = np.asarray(source.corners(), np.float64).reshape(8)


def _or_zero(confidence: float) -> float:
    """Return 0 for a confidence that is NaN, as after a network's output that is not finite."""
    return 0.0 if math.isnan(confidence) else confidence
