"""Anchors of the response's cells (SiamRPN, section 3.2), relative to the search crop's centre."""

from __future__ import annotations

import numpy as np

from siammaskpp_core.arrays import Float32Array
from siammaskpp_core.network.config import RESPONSE_SIZE, STRIDE

MAX_LOG_RATIO = float(np.log(1000 / 16))


def anchor_sizes(ratios: tuple[float, ...], scale: float) -> Float32Array:
    """Width and height [A, 2] of the anchors in crop pixels; `ratios` are height / width.

    Rounded down to whole strides before scaling, as the published networks were trained.
    """
    widths = np.floor(np.sqrt(STRIDE * STRIDE / np.asarray(ratios)))
    heights = np.floor(widths * np.asarray(ratios))
    return (np.stack([widths, heights], axis=1) * scale).astype(np.float32)


def cell_offsets(cells: int = RESPONSE_SIZE) -> Float32Array:
    """Distance of the response's rows (or columns) from the crop's centre, in crop pixels."""
    return ((np.arange(cells) - cells // 2) * STRIDE).astype(np.float32)


def anchor_grid(ratios: tuple[float, ...], scale: float, cells: int = RESPONSE_SIZE) -> Float32Array:
    """Anchors [4, A, cells, cells] as (centre x, centre y, width, height) in crop pixels from the centre."""
    sizes = anchor_sizes(ratios, scale)
    grid = np.empty((4, len(sizes), cells, cells), np.float32)
    grid[0] = cell_offsets(cells)[None, None, :]
    grid[1] = cell_offsets(cells)[None, :, None]
    grid[2:] = sizes.T[:, :, None, None]
    return grid


def encode(boxes: Float32Array, anchors: Float32Array) -> Float32Array:
    """Normalised offsets (dx, dy, dw, dh) that turn anchors into boxes; both (cx, cy, w, h) on axis 0."""
    centres = (boxes[:2] - anchors[:2]) / anchors[2:]
    return np.concatenate([centres, np.log(boxes[2:] / anchors[2:])])


def decode(offsets: Float32Array, anchors: Float32Array) -> Float32Array:
    """Boxes (cx, cy, w, h) on axis 0 from normalised offsets; the inverse of :func:`encode`.

    Sides are between 1/62 and 62 times the anchor's, as in torchvision's detectors: untrained networks
    answer numbers whose exponential overflows.
    """
    centres = offsets[:2] * anchors[2:] + anchors[:2]
    sizes = np.exp(np.clip(offsets[2:], -MAX_LOG_RATIO, MAX_LOG_RATIO)) * anchors[2:]
    return np.concatenate([centres, sizes])
