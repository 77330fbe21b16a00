"""What the readers of the original data sets have in common."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from siammaskpp_core.arrays import BoolArray
from siammaskpp_core.data.preparation.index import ObjectIndex, Scene
from siammaskpp_core.errors import MissingPackageError, UserError

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile


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


def open_as_stored(picture: Path) -> ImageFile:
    """A picture whose header is read, by Pillow: it ignores EXIF orientation and keeps palettes.

    Raises OSError when there is no such picture, ImportError that says what to install.
    """
    try:
        from PIL import Image
    except ImportError as error:
        raise MissingPackageError(
            "data sets are read with Pillow: pip install 'siammaskpp[train]'"
        ) from error
    return Image.open(picture)


def stored_size(picture: Path) -> tuple[int, int]:
    """Height and width of a picture, as stored; OSError when there is no such picture."""
    with open_as_stored(picture) as opened:
        return opened.height, opened.width


def encode_mask(mask: BoolArray) -> tuple[bytes, tuple[float, ...]]:
    """COCO's compressed RLE of a mask [H, W], and the mask's hull x, y, w, h."""
    coded = coco_masks().encode(np.asfortranarray(mask, dtype=np.uint8))
    return coded["counts"], tuple(map(float, coco_masks().toBbox(coded)))


def coco_masks() -> ModuleType:
    """The module pycocotools.mask; ImportError says what to install."""
    try:
        from pycocotools import mask
    except ImportError as error:
        raise MissingPackageError(
            "masks of data sets need pycocotools: pip install 'siammaskpp[train]'"
        ) from error
    return mask
