"""The worst moments of each sequence as pictures: they show what to improve next."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from siammaskpp_core.arrays import Float64Array, Image
from siammaskpp_core.data.sequences import VideoSequence
from siammaskpp_core.io.drawing import contact_sheet, draw_outline, draw_results, draw_text
from siammaskpp_core.io.images import read_image
from siammaskpp_core.io.outputs import OutputError
from siammaskpp_core.tracking import RotatedBox, TrackResult
from siammaskpp_core.tracking.boxes import overlap

MOMENTS = 5
APART_FRAMES = 10
COLUMNS = 3
CELL_WIDTH = 640
TRUE_COLOUR = (255, 255, 255)


def worst_frames(overlaps: Float64Array, count: int = MOMENTS, apart: int = APART_FRAMES) -> list[int]:
    """The `count` frames of least overlap [N], at least `apart` frames from each other, in order of time.

    The worst goes first, of equal ones the earliest: that is where the target was lost. Frames without a
    truth (NaN) are never chosen. A short sequence has fewer.
    """
    chosen: list[int] = []
    for index in np.argsort(overlaps, kind="stable"):
        if np.isnan(overlaps[index]) or len(chosen) == count:
            break
        if all(abs(index - other) >= apart for other in chosen):
            chosen.append(int(index))
    return sorted(chosen)


class Answer(NamedTuple):
    """What the tracker said of a frame: its result without the mask, and the mask as a PNG file."""

    result: TrackResult
    mask_png: Image | None


class FailureExamples:
    """Draws a sheet of each sequence into the new `folder`, from answers that come frame by frame.

    Only one sequence's answers are kept, a kilobyte or two each; of the pictures, those that are drawn are
    read again. `sheets` are the files by sequence.
    """

    def __init__(self, folder: Path) -> None:
        self.sheets: dict[str, Path] = {}
        self._folder = folder
        self._answers: dict[int, Answer] = {}
        folder.mkdir()

    def add(self, sequence: VideoSequence, index: int, result: TrackResult) -> None:
        """The answer to frame `index` of `sequence`; after the last frame the sheet is written."""
        png = None if result.mask is None else cv2.imencode(".png", result.mask)[1]
        self._answers[index] = Answer(replace(result, mask=None), png)
        if index < len(sequence.frames) - 1:
            return
        file = self._folder / f"{sequence.name}.jpg"
        if not cv2.imwrite(str(file), self._sheet(sequence)):
            raise OutputError(f"{file}: cannot be written; check space and permissions")
        self.sheets[sequence.name] = file
        self._answers.clear()

    def _sheet(self, sequence: VideoSequence) -> Image:
        """The first frame and the worst ones."""
        overlaps = np.full(len(sequence.frames), np.nan)
        for index, answer in self._answers.items():
            if np.isfinite(sequence.boxes[index]).all():
                overlaps[index] = overlap(answer.result.box_xywh, sequence.boxes[index])
        cells = [_cell(sequence, 0, "frame 0, the box given", None)]
        for index in worst_frames(overlaps):
            caption = f"frame {index}, overlap {overlaps[index]:.2f}"
            cells.append(_cell(sequence, index, caption, self._answers[index]))
        return contact_sheet(cells, COLUMNS)


def _cell(sequence: VideoSequence, index: int, caption: str, answer: Answer | None) -> Image:
    """A frame with its truth in white, and with the answer: its mask and the upright box that counts."""
    image = read_image(sequence.frames[index])
    if answer is not None:
        mask = None if answer.mask_png is None else cv2.imdecode(answer.mask_png, cv2.IMREAD_UNCHANGED)
        x, y, width, height = map(float, answer.result.box_xywh)
        upright = RotatedBox(x + width / 2, y + height / 2, width, height, 0.0)
        shown = replace(answer.result, mask=mask, rotated_box=upright)
        image = draw_results(image, [shown], ["score"])
    draw_outline(image, _true_mask(sequence, index, image.shape), TRUE_COLOUR)
    scale = min(CELL_WIDTH / image.shape[1], 1.0)
    cell = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    draw_text(cell, caption, (4, cell.shape[0] - 6), TRUE_COLOUR)  # the score stands above the box
    return cell


def _true_mask(sequence: VideoSequence, index: int, shape: tuple[int, ...]) -> Image:
    """The annotation, or else, and in the first frame, the pixels in the true box."""
    if sequence.annotations and index > 0:
        return sequence.mask(index)
    mask = np.zeros(shape[:2], np.uint8)
    left, top, width, height = sequence.boxes[index]
    right, bottom = np.rint((left + width, top + height)).astype(int).clip(0)
    left, top = np.rint((left, top)).astype(int).clip(0)
    mask[top:bottom, left:right] = 255
    return mask
