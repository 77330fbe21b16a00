"""What the network should answer for a search region: labels of anchors, offsets, mask crops."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from siammaskpp_core.network.config import MASK_SIZE, RESPONSE_SIZE, SEARCH_SIZE, STRIDE
from siammaskpp_core.tracking.anchors import encode
from siammaskpp_core.tracking.boxes import overlap

POSITIVE, NEGATIVE, IGNORED = 1, 0, -1

Float = NDArray[np.float32]


class AnchorTargets(NamedTuple):
    """labels int8 [A, 25, 25] (1 target, 0 background, -1 not used), offsets float32 [4, A, 25, 25]."""

    labels: NDArray[np.int8]
    offsets: Float


def anchor_targets(
    box_xywh: NDArray[np.float64] | None,
    anchors: Float,
    positive_overlap: float = 0.6,
    negative_overlap: float = 0.3,
) -> AnchorTargets:
    """Labels and offsets of all `anchors` [4, A, 25, 25] for the target's box in the search crop.

    `box_xywh` is in crop pixels, None when the target is not there (a negative pair). As in Faster R-CNN
    and SiamRPN, anchors that overlap more than `positive_overlap` are the target, less than
    `negative_overlap` the background; the rest is ignored. The best anchor of a very long or small box
    counts as the target from `negative_overlap` on.
    """
    if box_xywh is None:
        return AnchorTargets(np.zeros(anchors.shape[1:], np.int8), np.zeros_like(anchors))
    centred = np.array([*(box_xywh[:2] + box_xywh[2:] / 2 - SEARCH_SIZE / 2), *box_xywh[2:]], np.float32)
    corners = np.concatenate([anchors[:2] - anchors[2:] / 2, anchors[2:]])
    own = np.array([*(centred[:2] - centred[2:] / 2), *centred[2:]])
    overlaps = overlap(np.moveaxis(corners, 0, -1), own)
    labels = np.full(overlaps.shape, IGNORED, np.int8)
    labels[overlaps < negative_overlap] = NEGATIVE
    best = float(overlaps.max())
    if best >= negative_overlap:
        labels[overlaps >= min(positive_overlap, 0.98 * best)] = POSITIVE
    offsets = encode(np.broadcast_to(centred[:, None, None, None], anchors.shape), anchors)
    return AnchorTargets(labels, offsets)


def positive_cells(labels: NDArray[np.int8], count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Up to `count` random (row, column) cells [N, 2] that have a positive anchor."""
    cells = np.argwhere((labels == POSITIVE).any(axis=0))
    if len(cells) > count:
        cells = cells[rng.choice(len(cells), count, replace=False)]
    return cells.astype(np.int64)


def mask_crop(mask: NDArray[np.uint8], row: int, column: int) -> NDArray[np.uint8]:
    """The 127x127 part of the search crop's `mask` [255, 255] that the response cell looks at, 0 or 1."""
    half = MASK_SIZE // 2
    centre = SEARCH_SIZE // 2
    y = centre + (row - RESPONSE_SIZE // 2) * STRIDE
    x = centre + (column - RESPONSE_SIZE // 2) * STRIDE
    crop = np.zeros((MASK_SIZE, MASK_SIZE), np.uint8)
    top, left = max(y - half, 0), max(x - half, 0)
    part = mask[top : y + half + 1, left : x + half + 1] > 0
    offset_y, offset_x = top - (y - half), left - (x - half)
    crop[offset_y : offset_y + part.shape[0], offset_x : offset_x + part.shape[1]] = part
    return crop
