"""Metrics of boxes and masks against the ground truth, as pure functions on arrays.

Boxes are x, y, w, h in pixels. A row of NaN means "absent" in the ground truth, and such a frame is not
counted; in a prediction it means "nothing found", and such a frame counts as failed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np

from siammaskpp_core.arrays import BoolArray, Float64Array, Mask
from siammaskpp_core.tracking.boxes import overlap

SUCCESS_THRESHOLDS: Float64Array = np.linspace(0, 1, 21)
PRECISION_THRESHOLDS_PX: Float64Array = np.arange(51.0)
NORMALISED_THRESHOLDS: Float64Array = np.linspace(0, 0.5, 51)
PRECISION_PX = 20
BOUNDARY_TOLERANCE = 0.008
"""Largest distance of matching boundary pixels as a fraction of the image's diagonal (DAVIS)."""


@dataclass(frozen=True)
class Curves:
    """Fractions of the frames that meet each of the thresholds above.

    success [21]: the overlap is greater than the threshold (OTB: Wu, Lim and Yang, 2013). precision [51]: the
    distance of the centres in pixels is at most the threshold (OTB). normalised_precision [51]: the distance
    divided by the width and height of the true box is at most the threshold (TrackingNet: Mueller et al.,
    2018).
    """

    success: Float64Array
    precision: Float64Array
    normalised_precision: Float64Array

    def values(self) -> dict[str, float]:
        """Return the values that are reported; the best possible AUC is 20/21, as no overlap exceeds 1."""
        return {
            "auc": float(self.success.mean()),
            "precision": float(self.precision[PRECISION_PX]),
            "normalised_precision": float(self.normalised_precision.mean()),
        }


def curves(boxes: Float64Array, truth: Float64Array) -> Curves:
    """Return the curves of predicted boxes [N, 4] over the frames that have a true box [N, 4]."""
    sizes = truth[_present(truth), 2:]
    errors = centre_errors(boxes, truth)
    return Curves(
        success_curve(overlaps(boxes, truth)),
        _fractions_within(errors, PRECISION_THRESHOLDS_PX),
        _fractions_within(errors / sizes, NORMALISED_THRESHOLDS),
    )


def mean_curves(several: Sequence[Curves]) -> Curves:
    """Return the mean of the curves of several sequences; its values are the means of their values."""
    return Curves(
        np.mean([one.success for one in several], axis=0),
        np.mean([one.precision for one in several], axis=0),
        np.mean([one.normalised_precision for one in several], axis=0),
    )


def overlaps(boxes: Float64Array, truth: Float64Array) -> Float64Array:
    """Return the intersection over union [M] of boxes [N, 4] in the M frames that have a true box."""
    present = _present(truth)
    return overlap(np.nan_to_num(boxes[present]), truth[present])


def success_curve(overlap_values: Float64Array) -> Float64Array:
    """Return the fraction [21] of frames whose overlap is greater than each threshold."""
    return (overlap_values[:, None] > SUCCESS_THRESHOLDS).mean(axis=0)


def centre_errors(boxes: Float64Array, truth: Float64Array) -> Float64Array:
    """Return the distance (x, y) [M, 2] of the centres in pixels in the M frames that have a true box.

    The distance is infinite where nothing was found.
    """
    distance = (boxes[:, :2] + boxes[:, 2:] / 2 - truth[:, :2] - truth[:, 2:] / 2)[_present(truth)]
    return np.where(np.isfinite(distance), np.abs(distance), np.inf)


def _present(truth: Float64Array) -> BoolArray:
    return np.asarray(np.isfinite(truth).all(axis=1))


def _fractions_within(errors: Float64Array, thresholds: Float64Array) -> Float64Array:
    """Return the fraction [T] of frames whose error (x, y) [M, 2] is at most each threshold long."""
    return (np.linalg.norm(errors, axis=1)[:, None] <= thresholds).mean(axis=0)


def region_similarity(mask: Mask, truth: Mask) -> float:
    """Return J, the intersection over union of two masks [H, W]; 1 when both are empty.

    Source: Perazzi et al., 2016 (DAVIS).
    """
    found, wanted = mask > 0, truth > 0
    union = np.count_nonzero(found | wanted)
    return np.count_nonzero(found & wanted) / union if union else 1.0


def boundary_accuracy(mask: Mask, truth: Mask) -> float:
    """Return F, the F-measure of the boundary pixels of two masks [H, W].

    A boundary pixel matches when a boundary pixel of the other mask is at most 0.8 % of the diagonal away,
    rounded up to whole pixels. Source: Perazzi et al., 2016 (DAVIS).
    """
    found, wanted = boundary(mask), boundary(truth)
    if not found.any() or not wanted.any():
        return float(not found.any() and not wanted.any())
    disk = _disk(int(np.ceil(BOUNDARY_TOLERANCE * np.hypot(*mask.shape))))
    precision = np.count_nonzero(found & cv2.dilate(wanted, disk)) / np.count_nonzero(found)
    recall = np.count_nonzero(wanted & cv2.dilate(found, disk)) / np.count_nonzero(wanted)
    total = precision + recall
    return 2 * precision * recall / total if total else 0.0


def boundary(mask: Mask) -> Mask:
    """Return 1 where a pixel of a mask [H, W] differs from its right, lower or lower right neighbour."""
    inside = (mask > 0).astype(np.uint8)
    padded = np.pad(inside, ((0, 1), (0, 1)), mode="edge")
    edges: Mask = (inside ^ padded[:-1, 1:]) | (inside ^ padded[1:, :-1]) | (inside ^ padded[1:, 1:])
    return edges


@cache
def _disk(radius: int) -> Mask:
    steps = np.arange(-radius, radius + 1)
    return (steps[:, None] ** 2 + steps**2 <= radius**2).astype(np.uint8)
