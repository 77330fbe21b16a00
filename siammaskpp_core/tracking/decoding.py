"""From the network's answer to the target's place: score, penalties and cosine window."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

import cv2
import numpy as np

from siammaskpp_core.arrays import Float32Array
from siammaskpp_core.network.config import STRIDE, NetworkConfig
from siammaskpp_core.tracking.anchors import anchor_grid, decode
from siammaskpp_core.tracking.config import TrackingConfig

if TYPE_CHECKING:
    from siammaskpp_core.engines.protocol import SearchOutput


class Candidate(NamedTuple):
    """Where one target was found.

    view: which of the target's search regions (0 unless several scales are searched); cell (row, column);
    center_xy and size_wh in the region's crop pixels, the centre from the crop's centre; score is the
    network's probability that this is the target; penalty (0..1] for the change of shape.
    """

    view: int
    cell: tuple[int, int]
    center_xy: Float32Array
    size_wh: Float32Array
    score: float
    penalty: float


class Decoder(Protocol):
    """Chooses the best place for a target in the answers for its search regions."""

    @property
    def scales(self) -> tuple[float, ...]:
        """Sides of the search regions, in sides of the usual one."""

    def best(
        self, outputs: Sequence[SearchOutput], target_wh: tuple[float, float], config: TrackingConfig
    ) -> Candidate:
        """The best candidate in one answer per scale.

        `target_wh` is the target's size in pixels of the crop of scale 1. Raises FloatingPointError when
        the network's answer is not finite.
        """


def make_decoder(network: NetworkConfig) -> Decoder:
    """The decoder for the network's kind of answers."""
    return AnchorDecoder(network) if network.has_boxes else ScaleDecoder(network)


class AnchorDecoder:
    """Decodes boxes from anchors (SiamRPN, section 4.3). Holds constants only."""

    scales = (1.0,)

    def __init__(self, network: NetworkConfig) -> None:
        cells = network.response_size
        self.anchors = anchor_grid(network.anchor_ratios, network.anchor_scale, cells)
        self.window = _cosine_window(cells)

    def best(
        self, outputs: Sequence[SearchOutput], target_wh: tuple[float, float], config: TrackingConfig
    ) -> Candidate:
        """See :class:`Decoder`."""
        (output,) = outputs
        assert output.loc is not None
        score = _probability(output.cls)
        boxes = decode(output.loc.reshape(self.anchors.shape), self.anchors)
        penalty = _change_penalty(boxes[2], boxes[3], target_wh, config)
        ranking = penalty * score * (1 - config.window_influence) + self.window * config.window_influence
        anchor, row, column = _argmax(ranking)
        return Candidate(
            view=0,
            cell=(row, column),
            center_xy=boxes[:2, anchor, row, column],
            size_wh=boxes[2:, anchor, row, column],
            score=float(score[anchor, row, column]),
            penalty=float(penalty[anchor, row, column]),
        )


class ScaleDecoder:
    """Searches at three scales with a network that only scores (SiamFC, section 3.1)."""

    STEP = 1.0375
    OTHER_SCALE_PENALTY = 0.9745
    UPSAMPLING = 16
    scales = (1 / STEP, 1.0, STEP)

    def __init__(self, network: NetworkConfig) -> None:
        cells = network.response_size
        # The response is upsampled about its centre, from whose cells the displacement is counted.
        self.side = (cells - 1) * self.UPSAMPLING + 1
        self.window = _cosine_window(self.side)

    def best(
        self, outputs: Sequence[SearchOutput], target_wh: tuple[float, float], config: TrackingConfig
    ) -> Candidate:
        """See :class:`Decoder`."""
        scores = [_probability(output.cls)[0] for output in outputs]
        fine = np.stack([self._upsample(score) for score in scores])
        penalties = [1.0 if scale == 1.0 else self.OTHER_SCALE_PENALTY for scale in self.scales]
        penalised = fine * np.array(penalties, np.float32)[:, None, None]
        ranking = penalised * (1 - config.window_influence) + self.window * config.window_influence
        view, y, x = _argmax(ranking)
        row, column = (round(i / self.UPSAMPLING) for i in (y, x))
        middle = self.side // 2
        center_xy = np.array([x - middle, y - middle], np.float32) * (STRIDE / self.UPSAMPLING)
        return Candidate(
            view=view,
            cell=(row, column),
            center_xy=center_xy,
            # A target that looks right in a wider region has grown as much as the region.
            size_wh=np.array(target_wh, np.float32),
            score=float(scores[view][row, column]),
            penalty=penalties[view],
        )

    def _upsample(self, score: Float32Array) -> Float32Array:
        """Bicubic, so that cell i comes to lie on pixel UPSAMPLING * i."""
        step = 1 / self.UPSAMPLING
        to_cells = np.array([[step, 0, 0], [0, step, 0]])
        return cv2.warpAffine(
            score,
            to_cells,
            (self.side, self.side),
            flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )


def _cosine_window(cells: int) -> Float32Array:
    hann = np.hanning(cells)
    return np.outer(hann, hann).astype(np.float32)


def _probability(cls: Float32Array) -> Float32Array:
    """[2A, R, R] logits to [A, R, R]: softmax over two classes is the logistic function of the difference."""
    anchors = len(cls) // 2
    return 1 / (1 + np.exp(cls[:anchors] - cls[anchors:]))


def _argmax(ranking: Float32Array) -> tuple[int, int, int]:
    if not np.isfinite(ranking).all():
        raise FloatingPointError("the network's answer is not finite")
    first, row, column = (int(i) for i in np.unravel_index(np.argmax(ranking), ranking.shape))
    return first, row, column


def _change_penalty(
    width: Float32Array, height: Float32Array, target_wh: tuple[float, float], config: TrackingConfig
) -> Float32Array:
    """`exp(-k (max(r, 1/r) max(s, 1/s) - 1))` for the change of ratio r and of padded size s."""
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
