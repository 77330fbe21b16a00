"""From the network's response to the best anchor: score, penalties and cosine window."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from siammaskpp_core.network.config import RESPONSE_SIZE, NetworkConfig
from siammaskpp_core.tracking.anchors import anchor_grid, decode
from siammaskpp_core.tracking.config import TrackingConfig

Floats = NDArray[np.float32]


class Candidate(NamedTuple):
    """The chosen anchor of one search region.

    cell (row, column); center_xy and size_wh in crop pixels, the centre from the crop's centre; score is
    the network's probability that the anchor is the target; penalty (0..1] for the change of shape.
    """

    cell: tuple[int, int]
    center_xy: Floats
    size_wh: Floats
    score: float
    penalty: float


class Decoder:
    """Chooses one anchor per search region (SiamRPN, section 4.3). Holds constants only."""

    def __init__(self, network: NetworkConfig) -> None:
        self.anchors = anchor_grid(network.anchor_ratios, network.anchor_scale)
        hann = np.hanning(RESPONSE_SIZE)
        self.window = np.outer(hann, hann).astype(np.float32)

    def best(
        self, cls: Floats, loc: Floats, target_wh: tuple[float, float], config: TrackingConfig
    ) -> Candidate:
        """The best anchor for logits `cls` [2A, 25, 25] and offsets `loc` [4A, 25, 25].

        `target_wh` is the target's size in crop pixels, to which a change of size and ratio is measured.
        """
        anchors = self.anchors.shape[1]
        # Softmax over two classes is the logistic function of their difference.
        score = 1 / (1 + np.exp(cls[:anchors] - cls[anchors:]))
        boxes = decode(loc.reshape(4, anchors, RESPONSE_SIZE, RESPONSE_SIZE), self.anchors)
        penalty = _change_penalty(boxes[2], boxes[3], target_wh, config)
        ranking = penalty * score * (1 - config.window_influence) + self.window * config.window_influence
        if not np.isfinite(ranking).all():
            raise FloatingPointError("the network's answer is not finite")
        anchor, row, column = (int(i) for i in np.unravel_index(np.argmax(ranking), ranking.shape))
        return Candidate(
            cell=(row, column),
            center_xy=boxes[:2, anchor, row, column],
            size_wh=boxes[2:, anchor, row, column],
            score=float(score[anchor, row, column]),
            penalty=float(penalty[anchor, row, column]),
        )


def _change_penalty(
    width: Floats, height: Floats, target_wh: tuple[float, float], config: TrackingConfig
) -> Floats:
    """`exp(-k (max(r, 1/r) max(s, 1/s) - 1))` for the change of ratio r and of padded size s."""
    size = _padded_size(width, height, config.context)
    target_size = _padded_size(target_wh[0], target_wh[1], config.context)
    ratio_change = _at_least_one((width / height) * np.float32(target_wh[1] / target_wh[0]))
    size_change = _at_least_one(size / np.float32(target_size))
    return np.exp((1 - ratio_change * size_change) * np.float32(config.penalty_k))


def _padded_size(width: Floats | float, height: Floats | float, context: float) -> Floats:
    margin = (width + height) * np.float32(context)
    return np.sqrt((width + margin) * (height + margin))


def _at_least_one(ratio: Floats) -> Floats:
    return np.maximum(ratio, 1 / ratio)
