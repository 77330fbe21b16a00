"""siammaskpp_core.io.images."""

from __future__ import annotations

import re
from pathlib import Path

import cv2

from siammaskpp_core.arrays import Image
from siammaskpp_core.errors import UserError

IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".ppm", ".pgm", ".tif", ".tiff", ".webp"}


class MediaError(UserError):
    """An image or a video that cannot be read; the message names the file, the cause and a remedy."""


def image_files(folder: Path) -> list[Path]:
    """The images in `folder` in natural order (2.jpg before 10.jpg); empty when there is no such folder."""
    if not folder.is_dir():
        return []
    files = (path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES)
    return sorted(
        files, key=lambda path: [int(part) if part.isdigit() else part for part in _runs(path.stem)]
    )


def _runs(text: str) -> list[str]:
    """Letters and digits in turn, 'a12b' -> ['a', '12', 'b'], so that order compares like with like."""
    return re.split(r"(\d+)", text)


def read_image(path: Path, flags: int = cv2.IMREAD_COLOR) -> Image:
    """The image in a file, BGR unless `flags` say otherwise; :class:`MediaError` when it cannot be read."""
    if not path.is_file():
        raise MediaError(f"{path}: no such file")
    image = cv2.imread(str(path), flags)
    if image is None:
        raise MediaError(f"{path}: not a readable image (damaged, empty or of an unknown format)")
    return image  # type: ignore[no-any-return]
