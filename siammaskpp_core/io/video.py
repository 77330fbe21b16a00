"""Read frames from a video file, a folder of images or a camera, and write video files.

Frames are uint8 [H, W, 3] in BGR order.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2

from siammaskpp_core.arrays import Image
from siammaskpp_core.io.images import IMAGE_SUFFIXES, MediaError, image_files, read_image
from siammaskpp_core.io.outputs import OutputError

CODECS = {".mp4": "mp4v", ".avi": "MJPG", ".mkv": "mp4v"}
# These containers store the number of frames; for others OpenCV estimates it from the duration.
EXACT_COUNT_SUFFIXES = {".mp4", ".m4v", ".mov", ".avi"}
DEFAULT_FPS = 25.0


@dataclass(frozen=True)
class Frames:
    """An open source of frames, made by :func:`open_frames`. It can be iterated over once."""

    name: str
    """Name of the source in messages."""
    size: tuple[int, int]
    """Width and height of every frame in pixels."""
    fps: float | None
    """Frames per second; None when the source does not say."""
    count: int | None
    """Number of frames, for some video formats an estimate; None when it is unknown, as for cameras."""
    is_camera: bool
    """True for a camera, whose frames do not end."""
    _images: Iterator[Image]

    def __iter__(self) -> Iterator[Image]:
        """Yield the frames.

        Raises :class:`MediaError` when one cannot be read or has another size than the first.
        """
        for index, image in enumerate(self._images):
            size = (image.shape[1], image.shape[0])
            if size != self.size:
                raise MediaError(
                    f"{self.name}: frame {index} is {size[0]}x{size[1]}, the first was "
                    f"{self.size[0]}x{self.size[1]}; all frames must have one size"
                )
            yield image


def open_frames(source: str | Path) -> Frames:
    """Open a video file, a folder of images, or the camera with an index such as "0".

    Raises :class:`MediaError` when there is nothing to read.
    """
    path = Path(source)
    if path.is_dir():
        return _open_folder(path)
    if path.is_file():
        return _open_capture(path.name, str(path), path.suffix.lower() in EXACT_COUNT_SUFFIXES)
    if str(source).isdecimal():
        return _open_capture(f"camera {source}", int(str(source)), False)
    raise MediaError(
        f"{source}: no such file or folder; give a video, a folder of images or a camera's index"
    )


def _open_folder(folder: Path) -> Frames:
    files = image_files(folder)
    if not files:
        raise MediaError(
            f"{folder}: no images in it; expected files named {' '.join(sorted(IMAGE_SUFFIXES))}"
        )
    height, width = read_image(files[0]).shape[:2]
    return Frames(folder.name, (width, height), None, len(files), False, (read_image(path) for path in files))


def _open_capture(name: str, source: str | int, exact_count: bool) -> Frames:
    capture = cv2.VideoCapture(source)
    found, first = capture.read()
    is_camera = isinstance(source, int)
    if not found:
        capture.release()
        if is_camera:
            raise MediaError(f"{name}: it gives no image; check that it is plugged in, free and permitted")
        raise MediaError(
            f"{name}: not a video that OpenCV can read (damaged, empty or of an unknown format); "
            f"try converting it: ffmpeg -i {name} converted.mp4"
        )
    fps = capture.get(cv2.CAP_PROP_FPS)
    count = 0 if is_camera else int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
    return Frames(
        name,
        (first.shape[1], first.shape[0]),
        fps if 0 < fps <= 1000 else None,
        count if count > 0 else None,
        is_camera,
        _captured(name, capture, first, count if exact_count else 0),
    )


def _captured(name: str, capture: cv2.VideoCapture, first: Image, expected: int) -> Iterator[Image]:
    """Yield `first` and the other frames of `capture`, and release it at the end.

    Raises :class:`MediaError` when clearly fewer than `expected` frames could be read; 0 accepts any number.
    """
    number, image, found = 0, first, True
    try:
        while found:
            number += 1
            yield image
            found, image = capture.read()
    finally:
        capture.release()
    if number < 0.95 * expected - 5:
        raise MediaError(
            f"{name}: only {number} of {expected} frames could be read: the file is damaged or cut off; "
            f"rescue what there is: ffmpeg -i {name} -c:v libx264 rescued.mp4"
        )


class VideoWriter:
    """Writes frames to a video file; a context manager.

    Frames have the `size` (width, height) in pixels; without `fps` the rate is :data:`DEFAULT_FPS`. Raises
    :class:`OutputError` when OpenCV cannot write such a file.
    """

    def __init__(self, path: Path, size: tuple[int, int], fps: float | None) -> None:
        codec = CODECS.get(path.suffix.lower())
        if codec is None:
            raise OutputError(f"{path.name}: videos are written as {', '.join(sorted(CODECS))}")
        code = cv2.VideoWriter.fourcc(*codec)
        self._writer = cv2.VideoWriter(str(path), code, fps or DEFAULT_FPS, size)
        if not self._writer.isOpened():
            raise OutputError(f"{path}: OpenCV cannot write it; check the folder's permissions, or try .avi")

    def write(self, image: Image) -> None:
        """Append one frame."""
        self._writer.write(image)

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self._writer.release()
