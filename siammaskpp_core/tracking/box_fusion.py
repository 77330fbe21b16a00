"""Box fusion: the reported box is made of the decoded box and the mask's bounding box."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from siammaskpp_core.arrays import Float64Array
from siammaskpp_core.tracking.boxes import overlap
from siammaskpp_core.tracking.config import TrackingConfig

# A box found in the first image must overlap the given box by this much before anything is learned from it.
_MIN_OVERLAP = 0.5
# A larger ratio of sides means that the box found is not around the object that was pointed at.
_MAX_SIDE_RATIO = 1.3


@dataclass(frozen=True)
class BoxFusion:
    """Weights by which the decoded box and the mask's bounding box become the reported box.

    People draw boxes around all that is visible or around a part, tightly or with a margin. The weights are
    learned from the image in which the box was drawn: the mask's weight is larger where the mask fits the
    given box better than the decoded box does.
    """

    mask_weight: float = 1.0
    """Weight of the mask's bounding box; the decoded box has the rest."""
    size_ratio: tuple[float, float] = (1.0, 1.0)
    """Factors of the fused box's width and height, applied about its centre."""

    @classmethod
    def learned(
        cls,
        given: Float64Array,
        decoded: Float64Array,
        mask_box: Float64Array | None,
        config: TrackingConfig,
    ) -> BoxFusion:
        """Return the fusion that suits `given`, from the boxes found in the image in which it was drawn.

        All boxes are float64 [4] as x, y, width, height; `mask_box` is None when the mask is empty. The
        default weights are returned when neither box overlaps `given` well.
        """
        default = cls(config.mask_box_weight)
        mask_overlap = 0.0 if mask_box is None else float(overlap(mask_box, given))
        decoded_overlap = float(overlap(decoded, given))
        if max(mask_overlap, decoded_overlap) < _MIN_OVERLAP:
            return default
        weight = config.mask_box_weight + config.mask_box_gain * (mask_overlap - decoded_overlap)
        lowest = min(config.mask_box_weight_min, config.mask_box_weight)
        fusion = cls(float(np.clip(weight, lowest, 1)))
        ratio = np.clip(given[2:] / fusion.box(decoded, mask_box)[2:], 1 / _MAX_SIDE_RATIO, _MAX_SIDE_RATIO)
        width_ratio, height_ratio = (ratio**config.size_correction).tolist()
        return cls(fusion.mask_weight, (width_ratio, height_ratio))

    def box(self, decoded: Float64Array, mask_box: Float64Array | None) -> Float64Array:
        """Return the reported box, float64 [4]; it is the decoded one, resized, when there is no mask box."""
        box = decoded if mask_box is None else decoded + self.mask_weight * (mask_box - decoded)
        size = box[2:] * self.size_ratio
        return np.concatenate([box[:2] + (box[2:] - size) / 2, size])
