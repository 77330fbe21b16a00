"""Run-length encoding of masks as COCO defines it."""

from __future__ import annotations

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
