"""Anchor boxes of the response's cells (SiamRPN, section 3.2), relative to the search crop's centre."""

from __future__ import annotations

import numpy as np

from siammaskpp_core.arrays import Float32Array
from siammaskpp_core.network.config import RESPONSE_SIZE, STRIDE

MAX_LOG_RATIO = float(np.log(1000 / 16))


def anchor_sizes(ratios: tuple[float, ...], scale: float) -> Float32Array:
    """Return width and height [A, 2] of the anchors in crop pixels; `ratios` are height / width.

    They are rounded down to whole pixels before scaling, as in the reference implementation.
    """
    widths = np.floor(np.sqrt(STRIDE * STRIDE / np.asarray(ratios)))
    heights = np.floor(widths * np.asarray(ratios))
    return (np.stack([widths, heights], axis=1) * scale).astype(np.float32)


def cell_offsets(cells: int = RESPONSE_SIZE) -> Float32Array:
    """Return the distances [cells] of the response's rows or columns from the crop's centre (crop pixels)."""
    return ((np.arange(cells) - cells // 2) * STRIDE).astype(np.float32)


def anchor_grid(ratios: tuple[float, ...], scale: float, cells: int = RESPONSE_SIZE) -> Float32Array:
    """Return anchors [4, A, cells, cells] as centre x, centre y, width, height.

    The unit is crop pixels; centres are relative to the crop's centre.
    """
    sizes = anchor_sizes(ratios, scale)
    grid = np.empty((4, len(sizes), cells, cells), np.float32)
    grid[0] = cell_offsets(cells)[None, None, :]
    grid[1] = cell_offsets(cells)[None, :, None]
    grid[2:] = sizes.T[:, :, None, None]
    return grid


def encode(boxes: Float32Array, anchors: Float32Array) -> Float32Array:
    """Return the normalised offsets (dx, dy, dw, dh) from anchors to boxes, both (cx, cy, w, h) on axis 0."""
    centres = (boxes[:2] - anchors[:2]) / anchors[2:]
    return np.concatenate([centres, np.log(boxes[2:] / anchors[2:])])


def decode(offsets: Float32Array, anchors: Float32Array) -> Float32Array:
    """Return boxes (cx, cy, w, h) on axis 0 from normalised offsets; this inverts :func:`encode`.

    Sides are limited to 1/62 to 62 times the anchor's, as in torchvision's detectors, because the output of
    an untrained network would overflow the exponential.
    """
    centres = offsets[:2] * anchors[2:] + anchors[:2]
    sizes = np.exp(np.clip(offsets[2:], -MAX_LOG_RATIO, MAX_LOG_RATIO)) * anchors[2:]
    return np.concatenate([centres, sizes])
