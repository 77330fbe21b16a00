"""Run-length encoding of masks as COCO defines it."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from siammaskpp_core.arrays import Mask


def rle_counts(mask: Mask) -> list[int]:
    """Return the lengths of the runs of 0 and of 255 in turn, columns one after the other, first the 0s.

    This is COCO's uncompressed RLE, which pycocotools reads. `mask` is uint8 [H, W].
    """
    left, _, width, _ = cv2.boundingRect(mask)
    height = mask.shape[0]
    part = mask[:, left : left + width].ravel(order="F") > 0  # the columns around it are empty
    changes = np.flatnonzero(np.diff(part, prepend=False, append=False)) + left * height
    edges = np.concatenate([[0], changes, [mask.size]])
    counts = np.diff(edges).tolist()
    return counts if counts[-1] or len(counts) == 1 else counts[:-1]


def rle_mask(counts: Sequence[int], shape: tuple[int, int]) -> Mask:
    """Return the mask, uint8 [H, W] with 0 and 255, whose runs are `counts`; see :func:`rle_counts`."""
    values = np.zeros(len(counts), np.uint8)
    values[1::2] = 255
    return np.ascontiguousarray(np.repeat(values, counts).reshape(shape, order="F"))
