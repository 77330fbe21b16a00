"""What the readers of the original data sets have in common."""

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
    """What one job read.

    left_out: how many views are not in the index, by reason; checked: how many pictures' annotations were
    read; broken: those of them that cannot be used, with the reason.
    """

    objects: ObjectIndex
    left_out: Counter[str]
    broken: list[str]
    checked: int

    @classmethod
    def of(cls, scenes: Iterable[Scene], left_out: Counter[str], broken: list[str], checked: int) -> Part:
        """The part with the index of `scenes`."""
        return cls(ObjectIndex.of(scenes), left_out, broken, checked)


def encode_mask(mask: BoolArray) -> tuple[bytes, tuple[float, ...]]:
    """COCO's compressed RLE of a mask [H, W], and the mask's hull x, y, w, h."""
    coded = coco_masks().encode(np.asfortranarray(mask, dtype=np.uint8))
    return coded["counts"], tuple(map(float, coco_masks().toBbox(coded)))


def coco_masks() -> ModuleType:
    """The module pycocotools.mask; MissingPackageError says what to install."""
    with extra("train", "for the masks of data sets"):
        from pycocotools import mask
    return mask
