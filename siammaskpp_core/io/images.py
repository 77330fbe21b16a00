"""Read and write image files: one rule for bit depth, alpha channel and EXIF orientation.

An image is read with 8 bits per channel (bit_depth.py says how) and without its alpha channel, and is turned
as its EXIF orientation says. The annotations of a data set are drawn on the pixels as the file stores them;
whoever compares the two reads the image with `as_stored`.
"""

from __future__ import annotations

import mimetypes
import re
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from siammaskpp_core import MAX_IMAGE_PIXELS
from siammaskpp_core.arrays import AnyArray, Image
from siammaskpp_core.errors import UserError, extra
from siammaskpp_core.io.bit_depth import ValueRange

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".ppm", ".pgm", ".tif", ".tiff", ".webp"}

_END_OF_JPEG = b"\xff\xd9"
# Bytes that a decoder would take for a part of the picture, with every restart marker that it may wait for.
_NOISE = bytes((number * 97 + 0xA5) % 255 for number in range(1024))
_FILLING = _NOISE + b"".join(bytes([0xFF, 0xD0 + number]) + _NOISE for number in range(8))


class MediaError(UserError):
    """An image or a video that cannot be read; the message names the file, the cause and a remedy."""


def image_files(folder: Path) -> list[Path]:
    """Return the images in `folder` in natural order (2.jpg before 10.jpg), without hidden files.

    A hidden file is one such as ._0001.jpg, which macOS writes beside an image. The list is empty when there
    is no such folder.
    """
    files = (path for path in visible_files(folder) if path.suffix.lower() in IMAGE_SUFFIXES)
    return sorted(files, key=lambda path: _natural_key(path.stem))


def other_images(folder: Path) -> list[Path]:
    """Return the images in `folder` of formats that are not read, such as HEIC."""
    kinds = {path: mimetypes.guess_type(path.name, strict=False)[0] or "" for path in visible_files(folder)}
    return [
        path
        for path, kind in kinds.items()
        if kind.startswith("image/") and path.suffix.lower() not in IMAGE_SUFFIXES
    ]


def visible_files(folder: Path) -> list[Path]:
    """Return what is in `folder` in the order of the names, without hidden files; empty without a folder."""
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def _natural_key(name: str) -> list[int | str]:
    """Return letters and numbers in turn, 'a12b' -> ['a', 12, 'b'], so that like is compared with like."""
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]


def read_image(
    path: Path, *, is_grey: bool = False, as_stored: bool = False, value_range: ValueRange | None = None
) -> Image:
    """Return the image in a file, uint8 [H, W, 3] BGR, or [H, W] with `is_grey`.

    With `as_stored` the EXIF orientation is ignored. `value_range` is that of the sequence, for images with
    16 bits; without one, each image has its own. Raises :class:`MediaError` when the file cannot be read
    completely.
    """
    flags = cv2.IMREAD_GRAYSCALE if is_grey else cv2.IMREAD_COLOR
    flags |= cv2.IMREAD_IGNORE_ORIENTATION if as_stored else 0
    image = _decode(path, flags | cv2.IMREAD_ANYDEPTH)
    if image.dtype == np.uint16:
        return (value_range or ValueRange()).to_8_bits(image)
    # OpenCV itself converts floating-point numbers.
    return image if image.dtype == np.uint8 else _decode(path, flags)


def read_annotation(path: Path) -> Image:
    """Return the mask of a data set as it is stored, without its alpha channel.

    The shape is [H, W] for a grey file and [H, W, 3] BGR for a coloured one; a palette is replaced by its
    colours. Raises :class:`MediaError` when the file cannot be read.
    """
    annotation = _decode(path, cv2.IMREAD_UNCHANGED)
    return annotation[..., :3] if annotation.ndim == 3 else annotation


def open_as_stored(path: Path) -> ImageFile:
    """Return an image of which only the header has been read, opened by Pillow as a context manager.

    Its size is that of the stored pixels, and a palette keeps its numbers. Raises OSError when the file
    cannot be read or has too many pixels, and MissingPackageError without Pillow.
    """
    with extra("train", "to read data sets"):
        from PIL import Image as PillowImage
    PillowImage.MAX_IMAGE_PIXELS = None  # it would only warn, or raise an error of its own
    opened = PillowImage.open(path)
    if opened.width * opened.height > MAX_IMAGE_PIXELS:
        opened.close()
        raise OSError(f"{path}: {too_large()}")
    return opened


def stored_size(path: Path) -> tuple[int, int]:
    """Return height and width of the stored pixels; raises what :func:`open_as_stored` raises."""
    with open_as_stored(path) as opened:
        return opened.height, opened.width


def decode(data: bytes, flags: int) -> AnyArray | None:
    """Return the image in the bytes of a file, decoded by OpenCV with its `flags`; None when there is none.

    Raises :class:`MediaError` without a file name when it has more than `MAX_IMAGE_PIXELS` pixels.
    """
    if not len(data):
        return None
    try:
        return cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as error:
        if "CV_IO_MAX_IMAGE" in str(error):
            raise MediaError(too_large()) from error
        raise MediaError(f"cannot be decoded ({error})") from error


def too_large() -> str:
    """Return the reason for which a huge image is not decoded, with the remedy."""
    return (
        f"the image has more than {MAX_IMAGE_PIXELS:,} pixels or a side above 1,048,576; scale it down, or "
        "set the environment variable OPENCV_IO_MAX_IMAGE_PIXELS"
    )


def from_rgb(image: Image) -> Image:
    """Return an RGB image, uint8 [H, W, 3], in BGR order; something else is returned as it is."""
    if isinstance(image, np.ndarray) and image.ndim == 3 and image.shape[2] == 3:
        return np.ascontiguousarray(image[:, :, ::-1])
    return image


def write_image(path: Path, image: Image) -> None:
    """Write an image, uint8 [H, W] or [H, W, 3] BGR, in the format of the suffix.

    Raises OSError when it cannot be written. (OpenCV's imwrite does not say why, and not always that.)
    """
    path.write_bytes(cv2.imencode(path.suffix, image)[1].tobytes())


def _decode(path: Path, flags: int) -> AnyArray:
    if not path.is_file():
        raise MediaError(f"{path}: no such file")
    try:
        data = path.read_bytes()
        whole = with_end_marker(data)
        image = decode(whole or data, flags)
    except OSError as error:
        raise MediaError(f"{path}: cannot be read ({error})") from error
    except MediaError as error:
        raise MediaError(f"{path}: {error}") from error
    if image is None:
        raise MediaError(f"{path}: not a readable image (damaged, empty or of an unknown format)")
    if whole is None:
        raise MediaError(f"{path}: not a complete image: the file is cut off")
    return image


def with_end_marker(data: bytes) -> bytes | None:
    """Return an encoded image as it is, except for a JPEG without an end marker, which gets one.

    Some cameras leave the end marker out. It is None for a JPEG that is cut off, of which OpenCV would return
    the upper part on grey.
    """
    if not data.startswith(b"\xff\xd8"):
        return data
    position = 2
    while data[position : position + 1] == b"\xff" and data[position + 1 : position + 2] != b"\xda":
        is_fill = data[position + 1 : position + 2] == b"\xff"
        position += 1 if is_fill else 2 + int.from_bytes(data[position + 2 : position + 4], "big")
    # A thumbnail, which has an end marker of its own, lies before the first scan (ff da).
    if data.find(_END_OF_JPEG, position) >= 0:
        return data
    # The decoder does not read what follows a complete picture.
    scan = data.rstrip(b"\xff")
    ends = (_END_OF_JPEG, _FILLING + _END_OF_JPEG)
    one, other = (cv2.imdecode(np.frombuffer(scan + end, np.uint8), cv2.IMREAD_COLOR) for end in ends)
    is_complete = one is not None and other is not None and np.array_equal(one, other)
    return scan + _END_OF_JPEG if is_complete else None
