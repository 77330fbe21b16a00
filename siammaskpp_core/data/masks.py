"""Which pixels of an annotation belong to which object.

An annotation is a picture [H, W], or [H, W, 3] in BGR, whose background is black. Its values, or colours,
stand for objects in one of these ways:

- Values up to :data:`MAX_NUMBER` are numbers of objects. The largest value of the type, which is 255 for 8
  bits, then marks pixels that belong to no object.
- Other grey values are one object, as the 255 of DAVIS 2016 and smoothed edges.
- Each colour is an object (DAVIS 2017); a single colour is one object.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import cv2
import numpy as np

from siammaskpp_core.arrays import Image, Mask
from siammaskpp_core.errors import UserError

Colour: TypeAlias = tuple[int, ...]
"""The value (v,) or the colour (b, g, r) of an object."""

MAX_NUMBER = 63
"""Largest number of an object in a grey annotation, and largest number of colours in a coloured one."""


class DatasetError(UserError):
    """Data that cannot be used; the message names the file and the reason."""


def object_colours(annotations: Sequence[Image]) -> list[Colour | None]:
    """Return the values or colours of the objects in the annotations of a video; None for all but black.

    The objects of the first annotation come first. Raises :class:`DatasetError` for more colours than objects
    can have, as smoothed or compressed edges do.
    """
    if all(annotation.ndim == 2 for annotation in annotations):
        numbers = sorted(set[int]().union(*map(object_numbers, annotations)))
        return [(number,) for number in numbers] or [None]
    known: list[int] = [0]
    for annotation in map(_coloured, annotations):
        packed = annotation.astype(np.int64) @ (1 << 32, 1 << 16, 1)
        known += np.unique(packed[~np.isin(packed, known)]).tolist()
        if len(known) > MAX_NUMBER + 1:
            raise DatasetError(
                f"more than {MAX_NUMBER} colours: each object needs one colour, without smoothed edges; "
                "save the annotations as PNG"
            )
    colours = [(code >> 32, code >> 16 & 0xFFFF, code & 0xFFFF) for code in known[1:]]
    return list(colours) if len(colours) > 1 else [None]


def object_numbers(annotation: Image) -> set[int]:
    """Return the numbers of the objects in a grey annotation; empty when its values are no numbers."""
    values = set(np.flatnonzero(np.bincount(annotation.ravel())).tolist())
    values -= {0, int(np.iinfo(annotation.dtype).max)}
    return values if max(values, default=0) <= MAX_NUMBER else set()


def object_mask(annotation: Image, colour: Colour | None) -> Mask:
    """Return the mask [H, W], 0 or 255, of the object with a value or colour; None: of all but black."""
    if colour is not None and len(colour) > 1:
        return cv2.inRange(_coloured(annotation), colour, colour)  # type: ignore[no-any-return]
    grey = annotation if annotation.ndim == 2 else annotation.max(axis=2)
    is_object = grey > 0 if colour is None else grey == colour[0]
    return np.where(is_object, 255, 0).astype(np.uint8)


def only_mask(annotation: Image) -> Mask:
    """Return the mask [H, W], 0 or 255, of a picture with one object, whose pixels may be 1, 255 or coloured.

    Smoothed edges are cut at half of the largest value. Raises :class:`DatasetError` when the values are the
    numbers of several objects.
    """
    grey = annotation if annotation.ndim == 2 else annotation.max(axis=2)
    numbers = object_numbers(grey)
    if len(numbers) > 1:
        raise DatasetError(f"holds several objects (values {', '.join(map(str, sorted(numbers)))})")
    return np.where(grey > grey.max() / 2, 255, 0).astype(np.uint8)


def _coloured(annotation: Image) -> Image:
    return annotation if annotation.ndim == 3 else np.repeat(annotation[..., None], 3, axis=2)
