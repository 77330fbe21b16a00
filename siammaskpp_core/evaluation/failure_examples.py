"""Failure examples: pictures of the frames in which our tracker is worst, one sheet for each sequence."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from siammaskpp_core.arrays import Float64Array, Image, Mask
from siammaskpp_core.data.sequences import VideoSequence
from siammaskpp_core.io.drawing import contact_sheet, draw_outline, draw_results, draw_text
from siammaskpp_core.io.images import write_image
from siammaskpp_core.tracking import RotatedBox, TrackResult
from siammaskpp_core.tracking.boxes import overlap

FOLDER = "failure_examples"
EXAMPLES = 5
APART_FRAMES = 10
COLUMNS = 3
CELL_WIDTH_PX = 640
TRUTH_COLOUR = (255, 255, 255)


class FailureExamples:
    """Writes a sheet for each sequence into the new folder :data:`FOLDER` in `output`.

    Results are added frame by frame. Only those of one sequence are kept, at a kilobyte or two per frame;
    the few pictures that are drawn are read again. `sheets` holds the files by sequence.
    """

    def __init__(self, output: Path) -> None:
        self.sheets: dict[str, Path] = {}
        self._folder = output / FOLDER
        self._results: dict[int, _KeptResult] = {}
        self._folder.mkdir()

    def add(self, sequence: VideoSequence, index: int, result: TrackResult) -> None:
        """Keep the result of frame `index` of `sequence`; after the last frame, write the sheet.

        Raises OSError when the sheet cannot be written.
        """
        if index == 1:  # an earlier sequence may have been left out in its middle
            self._results.clear()
        png = None if result.mask is None else cv2.imencode(".png", result.mask)[1]
        self._results[index] = _KeptResult(replace(result, mask=None), png)
        if index < len(sequence.frames) - 1:
            return
        file = self._folder / f"{sequence.name}.jpg"
        write_image(file, self._sheet(sequence))
        self.sheets[sequence.name] = file
        self._results.clear()

    def _sheet(self, sequence: VideoSequence) -> Image:
        """Draw the first frame and the worst frames."""
        overlaps = np.full(len(sequence.frames), np.nan)
        for index, kept in self._results.items():
            if np.isfinite(sequence.boxes[index]).all():
                overlaps[index] = overlap(kept.result.box_xywh, sequence.boxes[index])
        cells = [_cell(sequence, 0, "frame 0, the box given", None)]
        for index in worst_frames(overlaps):
            caption = f"frame {index}, overlap {overlaps[index]:.2f}"
            cells.append(_cell(sequence, index, caption, self._results[index]))
        return contact_sheet(cells, COLUMNS)


class _KeptResult(NamedTuple):
    """The result for one frame without its mask, and the mask as the content of a PNG file."""

    result: TrackResult
    mask_png: Image | None


def worst_frames(overlaps: Float64Array, count: int = EXAMPLES, apart: int = APART_FRAMES) -> list[int]:
    """Return the `count` frames with the smallest overlaps [N], at least `apart` frames from each other.

    The worst frame is chosen first, the earliest of equal ones: there the target was lost. Frames without
    a ground truth (NaN) are never chosen, and a short sequence has fewer. The result is in order of time.
    """
    chosen: list[int] = []
    for index in np.argsort(overlaps, kind="stable"):
        if np.isnan(overlaps[index]) or len(chosen) == count:
            break
        if all(abs(index - other) >= apart for other in chosen):
            chosen.append(int(index))
    return sorted(chosen)


def _cell(sequence: VideoSequence, index: int, caption: str, kept: _KeptResult | None) -> Image:
    """Draw a frame with the ground truth in white, and the mask and the evaluated box of the result."""
    image = sequence.image(index)
    if kept is not None:
        mask = None if kept.mask_png is None else cv2.imdecode(kept.mask_png, cv2.IMREAD_UNCHANGED)
        x, y, width, height = map(float, kept.result.box_xywh)
        evaluated = RotatedBox(x + width / 2, y + height / 2, width, height, 0.0)
        shown = replace(kept.result, mask=mask, rotated_box=evaluated)
        image = draw_results(image, [shown], ["score"])
    draw_outline(image, _true_mask(sequence, index, image.shape), TRUTH_COLOUR)
    scale = min(CELL_WIDTH_PX / image.shape[1], 1.0)
    cell = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    draw_text(cell, caption, (4, cell.shape[0] - 6), TRUTH_COLOUR)  # the confidence is above the box
    return cell


def _true_mask(sequence: VideoSequence, index: int, shape: tuple[int, ...]) -> Mask:
    """Return the annotation; in the first frame, and without annotations, the pixels of the true box."""
    if sequence.annotations and index > 0:
        return sequence.mask(index)
    mask = np.zeros(shape[:2], np.uint8)
    left, top, width, height = sequence.boxes[index]
    right, bottom = np.rint((left + width, top + height)).astype(int).clip(0)
    left, top = np.rint((left, top)).astype(int).clip(0)
    mask[top:bottom, left:right] = 255
    return mask
