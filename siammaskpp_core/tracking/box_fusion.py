"""How a target's box was drawn, learned from the image in which it was drawn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from siammaskpp_core.arrays import Float64Array
from siammaskpp_core.tracking.boxes import overlap
from siammaskpp_core.tracking.config import TrackingConfig

_TRUSTED_OVERLAP = 0.5
"""What is found in the first image must overlap the given box by this, or nothing is learned from it."""
_LARGEST_RATIO = 1.3
"""Of sides: beyond it, what is found is not what is in the box."""


@dataclass(frozen=True)
class BoxFusion:
    """How the reported box is made of the decoded box and the mask's upright one.

    Boxes are drawn around all that is visible or around a part, tightly or with a margin. Where the mask
    fits the given box better than the decoded box does, it has the larger share.
    """

    mask_box_weight: float = 1.0
    size_ratio: tuple[float, float] = (1.0, 1.0)
    """By which width and height are multiplied, about the centre."""

    @classmethod
    def learned(
        cls, given: Float64Array, decoded: Float64Array, mask_box: Float64Array | None, config: TrackingConfig
    ) -> BoxFusion:
        """From the boxes (x, y, w, h) found around the target in the image in which `given` was drawn."""
        plain = cls(config.mask_box_weight)
        by_mask = 0.0 if mask_box is None else float(overlap(mask_box, given))
        by_decoding = float(overlap(decoded, given))
        if max(by_mask, by_decoding) < _TRUSTED_OVERLAP:
            return plain
        share = config.mask_box_weight + config.mask_box_gain * (by_mask - by_decoding)
        fit = cls(float(np.clip(share, min(config.mask_box_weight_min, config.mask_box_weight), 1)))
        found = fit.box(decoded, mask_box)
        ratio = np.clip(given[2:] / found[2:], 1 / _LARGEST_RATIO, _LARGEST_RATIO) ** config.size_correction
        return cls(fit.mask_box_weight, (float(ratio[0]), float(ratio[1])))

    def box(self, decoded: Float64Array, mask_box: Float64Array | None) -> Float64Array:
        """The box to report, float64 [4]; the decoded one is all there is where the mask is empty."""
        box = decoded if mask_box is None else decoded + self.mask_box_weight * (mask_box - decoded)
        size = box[2:] * self.size_ratio
        return np.concatenate([box[:2] + (box[2:] - size) / 2, size])
