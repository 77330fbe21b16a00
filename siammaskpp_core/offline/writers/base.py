"""What all writers share: their type, the recording they write about, and pictures of data sets."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import cv2
import numpy as np

from siammaskpp_core.arrays import Mask
from siammaskpp_core.config import ConfigError
from siammaskpp_core.io.frame import Frame
from siammaskpp_core.io.images import MediaError, decode, write_image
from siammaskpp_core.offline.results import FrameResult, TargetResult

Writer: TypeAlias = Callable[[FrameResult], None]
"""Takes the frames of a recording in order, each with the results of all targets."""


@dataclass(frozen=True)
class Recording:
    """The recording whose results are written."""

    name: str
    """Name of a sequence made from it; file and folder names may contain it."""
    fps: float | None = None
    """Frames per second; None when the source does not say."""
    classes: tuple[str, ...] = ()
    """Labels that get the first class numbers of a data set, in this order; others follow as they appear."""


def mask_of(target: TargetResult, format: str) -> Mask | None:
    """Return the mask of a target that is seen, None for another.

    Raises :class:`ConfigError` for a network without masks.
    """
    if target.found.mask is None:
        raise ConfigError(f"{format}: this network has no masks")
    return target.mask


def file_name(text: str) -> str:
    """Return `text`, such as an id that somebody has typed, as the name of a file or folder."""
    return re.sub(r"[^\w. -]", "_", text).strip(". ") or "_"


def save_picture(frame: Frame, folder: Path, suffixes: Collection[str] = (".jpg", ".png")) -> str:
    """Write the image of `frame` to `folder` and return its file name, FRAME with one of `suffixes`.

    A source picture of such a format whose stored pixels are those that were tracked is copied as it is; any
    other image is written in the first of the formats, JPEG with quality 95.
    """
    data = _source_data(frame, suffixes)
    if data is not None:
        assert frame.file is not None
        name = f"{frame.name}{frame.file.suffix.lower()}"
        (folder / name).write_bytes(data)
        return name
    name = f"{frame.name}{next(iter(suffixes))}"
    write_image(folder / name, frame.image)
    return name


def _source_data(frame: Frame, suffixes: Collection[str]) -> bytes | None:
    """Return the bytes of the source picture when they hold the pixels of `frame`.

    They do not when the picture has an orientation, 16 bits or an alpha channel: readers disagree on those.
    """
    if frame.file is None or frame.file.suffix.lower() not in suffixes:
        return None
    try:
        data = frame.file.read_bytes()
        stored = decode(data, cv2.IMREAD_UNCHANGED)
    except (OSError, MediaError):
        return None
    return data if stored is not None and np.array_equal(stored, frame.image) else None
