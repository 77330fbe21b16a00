"""The common result of all readers of annotations, and COCO's encoding of masks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from types import ModuleType
from typing import NamedTuple

import numpy as np

from siammaskpp_core.arrays import BoolArray
from siammaskpp_core.data.preparation.index import ObjectIndex, Scene
from siammaskpp_core.errors import UserError, extra


class PreparationError(UserError):
    """A data set that cannot be prepared; the message names the file and the reason."""


class Part(NamedTuple):
    """The result of one job of a reader.

    left_out: number of instances that are not in the index, by reason. broken: a message for each picture
    that cannot be used. checked: number of pictures whose annotations were read.
    """

    objects: ObjectIndex
    left_out: Counter[str]
    broken: list[str]
    checked: int

    @classmethod
    def of(cls, scenes: Iterable[Scene], left_out: Counter[str], broken: list[str], checked: int) -> Part:
        """Build the part with the index of `scenes`."""
        return cls(ObjectIndex.of(scenes), left_out, broken, checked)


def encode_mask(mask: BoolArray) -> tuple[bytes, tuple[float, ...]]:
    """Return COCO's compressed RLE of a mask [H, W], and the mask's bounding box x, y, w, h in pixels."""
    coded = coco_masks().encode(np.asfortranarray(mask, dtype=np.uint8))
    return coded["counts"], tuple(map(float, coco_masks().toBbox(coded)))


def coco_masks() -> ModuleType:
    """Return the module pycocotools.mask; raises :class:`MissingPackageError` when it is not installed."""
    with extra("train", "for the masks of data sets"):
        from pycocotools import mask
    return mask
