"""An engine that knows the truth: the target is where the colour is that the template had in its middle."""

from __future__ import annotations

import cv2
import numpy as np

from siammaskpp_core.network.config import NetworkConfig
from siammaskpp_core.network.protocol import SearchOutput
from siammaskpp_core.tracking.decoding import anchor_grid, encode

RATIOS = NetworkConfig().anchor_ratios
# Logits by how far a colour is from the target's: the same, alike, another.
SURE, DOUBTFUL, NOTHING = 4.0, -0.6, -6.0  # probabilities 0.98, 0.35, 0.002
MIN_PIXELS = 60


class ColourEngine:
    """Answers with the largest patch of the target's colour, or else of one alike (20 grey levels off)."""

    name = "colour"

    def __init__(self):
        self.searched = []  # how many crops in each call

    def encode_template(self, crops):
        return np.stack([crop[63, 63].astype(np.float32).reshape(3, 1, 1) for crop in crops])

    def search(self, crops, kernels):
        self.searched.append(len(crops))
        return [self._answer(crop, kernel.ravel()) for crop, kernel in zip(crops, kernels, strict=True)]

    def refine(self, outputs, cells):
        masks = []
        for output, (row, column) in zip(outputs, cells, strict=True):
            y, x = 127 + 64 + (row - 12) * 8, 127 + 64 + (column - 12) * 8
            masks.append(np.pad(output.mask[0], 64)[y - 63 : y + 64, x - 63 : x + 64])
        return np.array(masks, np.float32)

    def _answer(self, crop, colour):
        distance = np.abs(crop.astype(np.float32) - colour).max(axis=2)
        logit, patch = SURE, (distance <= 8).astype(np.uint8)
        if patch.sum() < MIN_PIXELS:
            logit, patch = DOUBTFUL, (distance <= 28).astype(np.uint8)
        if patch.sum() < MIN_PIXELS:
            return _response(None, NOTHING, patch)
        _, _, parts, _ = cv2.connectedComponentsWithStats(patch)
        x, y, width, height, _ = max(parts[1:], key=lambda part: part[4])
        return _response((x + width / 2 - 127.5, y + height / 2 - 127.5, width, height), logit, patch)


def _response(box, logit, patch):
    """The box (centre from the crop's, in crop pixels) at its nearest cell; nothing where it cannot lie."""
    cls = np.zeros((10, 25, 25), np.float32)
    cls[5:] = NOTHING
    loc = np.zeros((4, 5, 25, 25), np.float32)
    if box is not None and max(abs(box[0]), abs(box[1])) <= 100:
        row, column = (int(np.clip(round(value / 8) + 12, 0, 24)) for value in (box[1], box[0]))
        anchors = anchor_grid(RATIOS, 8.0)[:, 2, row, column]
        cls[7, row, column] = logit
        loc[:, 2, row, column] = encode(np.array(box, np.float32), anchors)
    return SearchOutput(cls, loc.reshape(20, 25, 25), patch[None].astype(np.float32))


def response(peaks: dict[tuple[int, int, int], float]) -> SearchOutput:
    """Zero offsets, and the given (anchor, row, column) logits of the target class."""
    cls = np.zeros((10, 25, 25), np.float32)
    cls[5:] = -6
    for (anchor, row, column), logit in peaks.items():
        cls[5 + anchor, row, column] = logit
    return SearchOutput(cls, np.zeros((20, 25, 25), np.float32))
