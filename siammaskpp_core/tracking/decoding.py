"""Decoding: anchor boxes, the best peak of the response, and the confidence that it is the target."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

import cv2
import numpy as np

from siammaskpp_core.arrays import Float32Array
from siammaskpp_core.network.config import RESPONSE_SIZE, STRIDE, NetworkConfig
from siammaskpp_core.tracking.config import TrackingConfig

if TYPE_CHECKING:
    from siammaskpp_core.network.protocol import SearchOutput


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


class Peak(NamedTuple):
    """A peak of the response: a box that may be the target's.

    `center_xy` and `size_wh`, float32 [2], are in pixels of the search crop; the centre is relative to the
    crop's centre.
    """

    scale_index: int
    """Index of the searched scale (:attr:`Decoder.scales`) in which the peak lies."""
    cell: tuple[int, int]
    """Row and column of the response."""
    center_xy: Float32Array
    size_wh: Float32Array
    probability: float
    """The network's uncalibrated probability that this is the target."""
    penalty: float
    """Factor in (0, 1] for the change of size and aspect ratio."""


MIN_PEAK_PROBABILITY = 0.05
"""A peak beside the best one has at least this probability."""
PEAK_SPACING = 0.4
"""Boxes of two peaks have centres at least this far apart, in sides of the better one."""


class Decoder(Protocol):
    """Finds the best peaks in the network's outputs for one target."""

    @property
    def scales(self) -> tuple[float, ...]:
        """Sides of the regions that are searched for a target, relative to its search region."""

    def peaks(
        self,
        outputs: Sequence[SearchOutput],
        target_wh: tuple[float, float],
        config: TrackingConfig,
        count: int = 1,
    ) -> list[Peak]:
        """Return one to `count` peaks, the best first. There is one output for each of :attr:`scales`.

        `target_wh` is the expected width and height in pixels of the crop of scale 1. Raises
        FloatingPointError when the network's output is not finite.
        """


def make_decoder(network: NetworkConfig) -> Decoder:
    """Return the decoder for a network with box regression, or for one that only scores."""
    return AnchorDecoder(network) if network.has_boxes else ScaleDecoder(network)


class AnchorDecoder:
    """Decodes boxes from anchors (SiamRPN, section 4.3). It holds constants only."""

    scales = (1.0,)

    def __init__(self, network: NetworkConfig) -> None:
        cells = network.response_size
        self.anchors = anchor_grid(network.anchor_ratios, network.anchor_scale, cells)
        self.window = _cosine_window(cells)

    def peaks(
        self,
        outputs: Sequence[SearchOutput],
        target_wh: tuple[float, float],
        config: TrackingConfig,
        count: int = 1,
    ) -> list[Peak]:
        """See :class:`Decoder`."""
        (output,) = outputs
        assert output.loc is not None
        probability = _probabilities(output.cls)
        boxes = decode(output.loc.reshape(self.anchors.shape), self.anchors)
        penalty = _shape_penalty(boxes[2], boxes[3], target_wh, config)
        ranking = (
            penalty * probability * (1 - config.window_influence) + self.window * config.window_influence
        )
        _check_finite(ranking)
        return [
            Peak(
                scale_index=0,
                cell=(row, column),
                center_xy=boxes[:2, anchor, row, column],
                size_wh=boxes[2:, anchor, row, column],
                probability=float(probability[anchor, row, column]),
                penalty=float(penalty[anchor, row, column]),
            )
            for anchor, row, column in _separate_peaks(ranking, probability, boxes, count)
        ]


class ScaleDecoder:
    """Searches at three scales with a network that only scores (SiamFC, section 3.1).

    It returns one peak: without boxes, there is no telling where one object ends and another begins.
    """

    STEP = 1.0375
    OTHER_SCALE_PENALTY = 0.9745
    UPSAMPLING = 16
    scales = (1 / STEP, 1.0, STEP)

    def __init__(self, network: NetworkConfig) -> None:
        cells = network.response_size
        # The response is upsampled about its centre cell, from which displacements are measured.
        self.side = (cells - 1) * self.UPSAMPLING + 1
        self.window = _cosine_window(self.side)

    def peaks(
        self,
        outputs: Sequence[SearchOutput],
        target_wh: tuple[float, float],
        config: TrackingConfig,
        count: int = 1,
    ) -> list[Peak]:
        """See :class:`Decoder`."""
        probabilities = [_probabilities(output.cls)[0] for output in outputs]
        fine = np.stack([self._upsample(response) for response in probabilities])
        penalties = [1.0 if scale == 1.0 else self.OTHER_SCALE_PENALTY for scale in self.scales]
        penalised = fine * np.array(penalties, np.float32)[:, None, None]
        ranking = penalised * (1 - config.window_influence) + self.window * config.window_influence
        _check_finite(ranking)
        scale_index, y, x = _argmax(ranking)
        row, column = (round(i / self.UPSAMPLING) for i in (y, x))
        center = self.side // 2
        center_xy = np.array([x - center, y - center], np.float32) * (STRIDE / self.UPSAMPLING)
        peak = Peak(
            scale_index=scale_index,
            cell=(row, column),
            center_xy=center_xy,
            # A target that fits best in a larger region has grown by as much as the region.
            size_wh=np.array(target_wh, np.float32),
            probability=float(probabilities[scale_index][row, column]),
            penalty=penalties[scale_index],
        )
        return [peak]

    def _upsample(self, response: Float32Array) -> Float32Array:
        """Upsample bicubically, so that cell i lies on pixel UPSAMPLING * i."""
        step = 1 / self.UPSAMPLING
        to_cells = np.array([[step, 0, 0], [0, step, 0]])
        return cv2.warpAffine(
            response,
            to_cells,
            (self.side, self.side),
            flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )


def _cosine_window(cells: int) -> Float32Array:
    hann = np.hanning(cells)
    return np.outer(hann, hann).astype(np.float32)


def _probabilities(cls: Float32Array) -> Float32Array:
    """Return probabilities [A, R, R] of logits [2A, R, R].

    The softmax over two classes is the logistic function of their difference.
    """
    anchors = len(cls) // 2
    return 1 / (1 + np.exp(cls[:anchors] - cls[anchors:]))


def _check_finite(ranking: Float32Array) -> None:
    if not np.isfinite(ranking).all():
        raise FloatingPointError("the network's output is not finite")


def _argmax(ranking: Float32Array) -> tuple[int, int, int]:
    first, row, column = (int(i) for i in np.unravel_index(np.argmax(ranking), ranking.shape))
    return first, row, column


def _separate_peaks(
    ranking: Float32Array, probability: Float32Array, boxes: Float32Array, count: int
) -> Iterator[tuple[int, int, int]]:
    """Yield anchor, row and column of up to `count` peaks of `ranking` [A, R, R], the best first.

    After each peak, the cells around it and those whose `boxes` [4, A, R, R] lie on the same object leave the
    competition: an object answers in many cells.
    """
    best = _argmax(ranking)
    yield best
    if count == 1:
        return
    anchors = ranking.argmax(axis=0)
    rows, columns = np.indices(anchors.shape)
    remaining = np.take_along_axis(ranking, anchors[None], axis=0)[0]
    centers = boxes[:2, anchors, rows, columns]
    for _ in range(count - 1):
        anchor, row, column = best
        center, size = boxes[:, anchor, row, column].reshape(2, 2, 1, 1)
        is_same = (np.abs(centers - center) < PEAK_SPACING * size).all(axis=0)
        remaining[is_same] = 0
        remaining[max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2] = 0
        row, column = (int(i) for i in np.unravel_index(remaining.argmax(), remaining.shape))
        best = int(anchors[row, column]), row, column
        if not remaining[row, column] > 0 or probability[best] < MIN_PEAK_PROBABILITY:
            return
        yield best


def _shape_penalty(
    width: Float32Array, height: Float32Array, target_wh: tuple[float, float], config: TrackingConfig
) -> Float32Array:
    """Return `exp(-k (max(r, 1/r) max(s, 1/s) - 1))` for the change of aspect ratio r and padded size s."""
    size = _padded_size(width, height, config.context)
    target_size = _padded_size(target_wh[0], target_wh[1], config.context)
    ratio_change = _at_least_one((width / height) * np.float32(target_wh[1] / target_wh[0]))
    size_change = _at_least_one(size / np.float32(target_size))
    return np.exp((1 - ratio_change * size_change) * np.float32(config.penalty_k))


def _padded_size(width: Float32Array | float, height: Float32Array | float, context: float) -> Float32Array:
    margin = (width + height) * np.float32(context)
    return np.sqrt((width + margin) * (height + margin))


def _at_least_one(ratio: Float32Array) -> Float32Array:
    return np.maximum(ratio, 1 / ratio)


def logit(probability: float) -> float:
    """Return the natural logarithm of the odds, limited to +-20.8 so that it is finite for 0 and 1."""
    limited = min(max(probability, 1e-9), 1 - 1e-9)
    return math.log(limited / (1 - limited))


def calibrated(probability: float, config: TrackingConfig) -> float:
    """Return the confidence, 0 to 1, of a single candidate to which the network gives `probability`."""
    log_odds = config.confidence_slope * logit(probability) + config.confidence_offset
    return 1 / (1 + math.exp(-log_odds))
