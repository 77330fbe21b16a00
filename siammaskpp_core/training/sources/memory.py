"""Decoded pictures, kept: reading JPEG files takes a third of the time that a pair takes."""

from __future__ import annotations

from pathlib import Path

import cv2

from siammaskpp_core.training.sources.base import Image
from siammaskpp_core.video import read_image


class PictureMemory:
    """Reads pictures and keeps the first ones, up to `limit_bytes`; every process has its own.

    Pictures are drawn at random: which ones are kept makes no difference.
    """

    def __init__(self, limit_bytes: int = 0) -> None:
        self.free_bytes = limit_bytes
        self._kept: dict[Path, Image] = {}

    def __call__(self, path: Path, flags: int = cv2.IMREAD_COLOR) -> Image:
        """The picture in `path`, which nobody may change; errors as those of `read_image`."""
        picture = self._kept.get(path)
        if picture is None:
            picture = read_image(path, flags)
            if picture.nbytes <= self.free_bytes:
                self.free_bytes -= picture.nbytes
                self._kept[path] = picture
        return picture
