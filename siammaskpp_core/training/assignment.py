"""Training targets of a search crop: anchor labels, box offsets and mask crops."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from siammaskpp_core.arrays import AnyArray, Float32Array, Float64Array, IntArray, Mask
from siammaskpp_core.network.config import MASK_SIZE, RESPONSE_SIZE, SEARCH_SIZE, STRIDE
from siammaskpp_core.tracking.boxes import overlap
from siammaskpp_core.tracking.decoding import encode

POSITIVE, NEGATIVE, IGNORED = 1, 0, -1
CENTRE_RADIUS_PX = 16.0
"""Without boxes (SiamFC), cells up to this far from the target's centre are positive."""
SAMPLED_ANCHORS, SAMPLED_POSITIVES, SAMPLED_NEGATIVE_PAIR = 64, 16, 16


class AnchorTargets(NamedTuple):
    """labels int8 [A, R, R] (1 positive, 0 negative, -1 ignored) and offsets float32 [4, A, R, R]."""

    labels: NDArray[np.int8]
    offsets: Float32Array


def search_targets(
    box_xywh: Float64Array | None,
    anchors: Float32Array,
    has_boxes: bool,
    sampled: bool,
    rng: np.random.Generator,
) -> AnchorTargets:
    """The targets of one search crop, from :func:`anchor_targets` or, without boxes, :func:`centre_targets`.

    With `sampled` only the anchors that :func:`sample_anchors` draws keep their labels.
    """
    labels, offsets = (anchor_targets if has_boxes else centre_targets)(box_xywh, anchors)
    if sampled:
        labels = sample_anchors(labels, box_xywh is None, rng)
    return AnchorTargets(labels, offsets)


def anchor_targets(
    box_xywh: Float64Array | None,
    anchors: Float32Array,
    positive_overlap: float = 0.6,
    negative_overlap: float = 0.3,
) -> AnchorTargets:
    """Labels and offsets of all `anchors` [4, A, R, R] for the target's box in the search crop.

    `box_xywh` is in crop pixels; it is None in a negative pair, which does not show the target. As in
    Faster R-CNN and SiamRPN, anchors with an IoU of at least `positive_overlap` are positive, those below
    `negative_overlap` are negative, and the others are ignored. If no anchor reaches `positive_overlap`, as
    for a very long or small box, the best one is positive when it reaches `negative_overlap`.
    """
    if box_xywh is None:
        return AnchorTargets(np.zeros(anchors.shape[1:], np.int8), np.zeros_like(anchors))
    centred = _centred(box_xywh)
    corners = np.concatenate([anchors[:2] - anchors[2:] / 2, anchors[2:]])
    target = np.array([*(centred[:2] - centred[2:] / 2), *centred[2:]])
    overlaps = overlap(np.moveaxis(corners, 0, -1), target)
    labels = np.full(overlaps.shape, IGNORED, np.int8)
    labels[overlaps < negative_overlap] = NEGATIVE
    best = float(overlaps.max())
    if best >= negative_overlap:
        labels[overlaps >= min(positive_overlap, 0.98 * best)] = POSITIVE
    offsets = encode(np.broadcast_to(centred[:, None, None, None], anchors.shape), anchors)
    return AnchorTargets(labels, offsets)


def centre_targets(box_xywh: Float64Array | None, anchors: Float32Array) -> AnchorTargets:
    """Labels for a network without boxes (SiamFC, section 2.2): cells near the box's centre are positive.

    The arguments are those of :func:`anchor_targets`; all offsets are zero.
    """
    labels = np.zeros(anchors.shape[1:], np.int8)
    if box_xywh is not None:
        x, y = _centred(box_xywh)[:2]
        labels[np.hypot(anchors[0] - x, anchors[1] - y) <= CENTRE_RADIUS_PX] = POSITIVE
    return AnchorTargets(labels, np.zeros_like(anchors))


def sample_anchors(
    labels: NDArray[np.int8], negative_pair: bool, rng: np.random.Generator
) -> NDArray[np.int8]:
    """Keep a random sample of `labels` [A, R, R] and ignore the rest, as the reference implementation does.

    The sample has 64 anchors with at most 16 positives; in a negative pair it has 16 anchors of the central
    7x7 cells.
    """
    candidates, count = labels == NEGATIVE, SAMPLED_ANCHORS
    kept = np.full_like(labels, IGNORED)
    if negative_pair:
        central, count = np.zeros_like(candidates), SAMPLED_NEGATIVE_PAIR
        centre = labels.shape[-1] // 2
        central[:, centre - 3 : centre + 4, centre - 3 : centre + 4] = True
        candidates &= central
    positives = _choose(np.flatnonzero(labels == POSITIVE), SAMPLED_POSITIVES, rng)
    kept.flat[positives] = POSITIVE
    kept.flat[_choose(np.flatnonzero(candidates), count - len(positives), rng)] = NEGATIVE
    return kept


def positive_cells(labels: NDArray[np.int8], count: int, rng: np.random.Generator) -> IntArray:
    """Up to `count` random (row, column) cells [N, 2] that have a positive anchor."""
    cells = np.argwhere((labels == POSITIVE).any(axis=0))
    return _choose(cells, count, rng).astype(np.int64)


def mask_crop(mask: Mask, row: int, column: int) -> NDArray[np.uint8]:
    """The window [127, 127] of the search crop's `mask` [255, 255] around a response cell, 0 or 1."""
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


def _centred(box_xywh: Float64Array) -> Float32Array:
    """The box as (centre x, centre y, width, height), relative to the search crop's centre."""
    return np.array([*(box_xywh[:2] + box_xywh[2:] / 2 - SEARCH_SIZE / 2), *box_xywh[2:]], np.float32)


def _choose(items: AnyArray, count: int, rng: np.random.Generator) -> AnyArray:
    """A random choice of `count` items without replacement, or all items when there are no more."""
    return items[rng.choice(len(items), count, replace=False)] if len(items) > count else items
