"""How well boxes and masks agree with the truth: pure functions on arrays.

Boxes are (x, y, w, h) in pixels. A row of NaN means "absent" in the truth and "nothing found" in a
prediction: absent frames count nowhere, frames where nothing was found count as failed.
"""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from siammaskpp_core.tracking.boxes import overlap

Floats = NDArray[np.float64]
Mask = NDArray[np.uint8]

SUCCESS_THRESHOLDS: Floats = np.linspace(0, 1, 21)
NORMALISED_THRESHOLDS: Floats = np.linspace(0, 0.5, 51)
PRECISION_PX = 20.0
BOUNDARY_SHARE = 0.008
"""How far apart boundaries may be to match, as a share of the image's diagonal (DAVIS)."""


def overlaps(boxes: Floats, truth: Floats) -> Floats:
    """Intersection over union [M] of predicted and true boxes [N, 4], over the M frames with a truth."""
    present = np.isfinite(truth).all(axis=1)
    return overlap(np.nan_to_num(boxes[present]), truth[present])


def success_auc(overlap_values: Floats) -> float:
    """Area under the success curve (OTB: Wu, Lim and Yang, 2013).

    The mean over the 21 thresholds 0, 0.05 .. 1 of the share of frames whose overlap is greater than the
    threshold. As no overlap exceeds 1, the best possible value is 20/21.
    """
    return float((overlap_values[:, None] > SUCCESS_THRESHOLDS).mean())


def centre_errors(boxes: Floats, truth: Floats) -> Floats:
    """Distance (x, y) [M, 2] of the centres in pixels where a truth exists; inf if nothing was found."""
    present = np.isfinite(truth).all(axis=1)
    distance = (boxes[:, :2] + boxes[:, 2:] / 2 - truth[:, :2] - truth[:, 2:] / 2)[present]
    return np.where(np.isfinite(distance), np.abs(distance), np.inf)


def precision(boxes: Floats, truth: Floats) -> float:
    """Share of frames whose centres are at most 20 px apart (OTB)."""
    return float((np.linalg.norm(centre_errors(boxes, truth), axis=1) <= PRECISION_PX).mean())


def normalised_precision(boxes: Floats, truth: Floats) -> float:
    """Precision in sizes of the true box instead of pixels (TrackingNet: Mueller et al., 2018).

    The mean over 51 thresholds 0, 0.01 .. 0.5 of the share of frames with an error of at most the threshold.
    """
    sizes = truth[np.isfinite(truth).all(axis=1), 2:]
    errors = np.linalg.norm(centre_errors(boxes, truth) / sizes, axis=1)
    return float((errors[:, None] <= NORMALISED_THRESHOLDS).mean())


def region_similarity(mask: Mask, truth: Mask) -> float:
    """J (DAVIS: Perazzi et al., 2016): intersection over union of two masks [H, W]; 1 when both are empty."""
    found, wanted = mask > 0, truth > 0
    union = np.count_nonzero(found | wanted)
    return np.count_nonzero(found & wanted) / union if union else 1.0


def boundary_accuracy(mask: Mask, truth: Mask) -> float:
    """F (DAVIS): the F-measure of the masks' boundary pixels.

    A boundary pixel matches when a boundary pixel of the other mask [H, W] is at most 0.8 % of the diagonal
    away (rounded up to whole pixels).
    """
    found, wanted = boundary(mask), boundary(truth)
    if not found.any() or not wanted.any():
        return float(not found.any() and not wanted.any())
    disk = _disk(int(np.ceil(BOUNDARY_SHARE * np.hypot(*mask.shape))))
    share_right = np.count_nonzero(found & cv2.dilate(wanted, disk)) / np.count_nonzero(found)
    share_found = np.count_nonzero(wanted & cv2.dilate(found, disk)) / np.count_nonzero(wanted)
    total = share_right + share_found
    return 2 * share_right * share_found / total if total else 0.0


def boundary(mask: Mask) -> Mask:
    """Boundary pixels (1) of a mask [H, W]: those unlike their right, lower or lower right neighbour."""
    inside = (mask > 0).astype(np.uint8)
    padded = np.pad(inside, ((0, 1), (0, 1)), mode="edge")
    edges: Mask = (inside ^ padded[:-1, 1:]) | (inside ^ padded[1:, :-1]) | (inside ^ padded[1:, 1:])
    return edges


@cache
def _disk(radius: int) -> Mask:
    steps = np.arange(-radius, radius + 1)
    return (steps[:, None] ** 2 + steps**2 <= radius**2).astype(np.uint8)
