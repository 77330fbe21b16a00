"""Read frames from videos, folders of images, cameras and streams, and write video files.

Frames are uint8 [H, W, 3] in BGR order.
"""

from __future__ import annotations

import fnmatch
import os
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Protocol, runtime_checkable
from urllib.parse import urlsplit

import cv2

from siammaskpp_core.arrays import Image
from siammaskpp_core.io.bit_depth import ValueRange
from siammaskpp_core.io.frame import FIRST, Frame, Moment, number_name, picture_names
from siammaskpp_core.io.images import IMAGE_SUFFIXES, MediaError, image_files, other_images, read_image
from siammaskpp_core.io.outputs import OutputError
from siammaskpp_core.io.stamps import NS_PER_S

CODECS = {".mp4": "mp4v", ".avi": "MJPG", ".mkv": "mp4v"}
# These containers store the number of frames; for others OpenCV estimates it from the duration.
EXACT_COUNT_SUFFIXES = {".mp4", ".m4v", ".mov", ".avi"}
SPARE_FRAMES = 2
"""Frames by which the number that a container stores may be too large: some recorders count one too many."""
DEFAULT_FPS = 25.0
RETRY_S = 10.0
"""Time for which a camera or stream that gives no image is tried again."""
RETRY_INTERVAL_S = 0.2
SOURCES = (
    "give a video, a folder of images, a pattern such as img_%05d.jpg or 'left_*.png', a camera (its index, "
    "or /dev/video0), or the address of a stream (rtsp://..., http://...)"
)


@runtime_checkable
class Skippable(Protocol):
    """An iterator over frames that can pass one over without reading it."""

    def skip(self) -> bool:
        """Pass over one frame; return False when there is none."""


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
    """True for a camera or stream, whose frames do not end."""
    _images: Iterator[Image | MediaError]
    """The frames in order; an error stands for a frame that cannot be read."""
    left_out: list[str] = field(default_factory=list)
    """A message for each frame that was left out; it grows while the frames are read."""
    files: Sequence[Path] = ()
    """The source pictures in order; empty for a video, camera or stream."""
    path: Path | None = None
    """Video file, folder of pictures, or pattern of their names; None for a camera or stream."""

    def __iter__(self) -> Iterator[Image]:
        """Yield the frames that can be read, as :meth:`numbered` does."""
        return (image for _, image in self.numbered())

    def numbered(self, first: int = 0) -> Iterator[tuple[int, Image]]:
        """Yield each frame from the number `first` on with its number in the source, from 0.

        Frames before `first` are passed over, which takes less time than to read them. A frame that cannot be
        read, or that has another size than the first, is left out. Raises :class:`MediaError` when a camera
        or stream gives no more images.
        """
        passed = 0
        if isinstance(self._images, Skippable):
            while passed < first and self._images.skip():
                passed += 1
        for number, image in enumerate(self._images, start=passed):
            if number < first:
                continue
            if isinstance(image, MediaError):
                self.left_out.append(str(image))
                continue
            size = (image.shape[1], image.shape[0])
            if size == self.size:
                yield number, image
            else:
                self.left_out.append(
                    f"{self.name}: frame {number} is {size[0]}x{size[1]}, the first was "
                    f"{self.size[0]}x{self.size[1]}; all frames must have one size"
                )

    def stamped(self, fps: float | None = None, start: Moment = FIRST) -> Iterator[Frame]:
        """Yield the frames from `start` on that can be read, with their times since the first one.

        `fps` replaces the rate that the source states; without either it is :data:`DEFAULT_FPS`. The images
        of a camera have the time of their arrival: it may be slower than it says, and may miss images.
        """
        names = picture_names(self.files)
        rate = fps or self.fps or DEFAULT_FPS
        begun_s = None
        first = start.frame
        if first is None:
            first = 0 if self.is_camera else max(0, int((start.time_ns or 0) / NS_PER_S * rate - 1e-6))
        for number, image in self.numbered(first):
            now_s = time.monotonic()
            begun_s = now_s if begun_s is None else begun_s
            time_s = now_s - begun_s if self.is_camera else number / rate
            name, file = (names[number], self.files[number]) if names else (number_name(number), None)
            frame = Frame(number, round(time_s * NS_PER_S), image, name, file)
            if start.is_reached(frame.number, frame.elapsed_ns):
                yield frame


def open_frames(source: str | os.PathLike[str]) -> Frames:
    """Open a video, a folder of images, some images of a folder, a camera or a stream.

    A camera is given by its index, such as "0", or its device, a stream by its address, and images by a name
    with %d or %05d in place of the number, or with * and ? as in a shell. Raises :class:`MediaError` when
    there is nothing to read.
    """
    path, text = Path(source), str(source)
    if path.is_dir():
        return _open_images(path, image_files(path), other_images(path))
    if path.is_file():
        return _open_video(path)
    if text.isdecimal():
        return _open_live(f"camera {text}", int(text))
    if "://" in text:
        return _open_stream(text)
    if path.exists() or text.startswith("/dev/"):
        return _open_live(text, text)
    images = _numbered_images(path) or _matching_images(path)
    if images:
        return _open_images(path, images)
    raise MediaError(f"{source}: no such file or folder; {SOURCES}")


def _numbered_images(path: Path) -> list[Path]:
    """Return the images whose names match a name with %d or %05d in place of a number."""
    match = re.fullmatch(r"(.*)%(0\d+)?d(.*)", path.name)
    if match is None:
        return []
    before, digits, after = match.groups()
    number = rf"\d{{{int(digits)}}}" if digits else r"\d+"
    wanted = re.compile(re.escape(before) + number + re.escape(after))
    return [file for file in image_files(path.parent) if wanted.fullmatch(file.name)]


def _matching_images(path: Path) -> list[Path]:
    """Return the images whose names match a pattern such as left_*.png, in natural order."""
    return [file for file in image_files(path.parent) if fnmatch.fnmatchcase(file.name, path.name)]


def _open_images(place: Path, files: Sequence[Path], others: Sequence[Path] = ()) -> Frames:
    """Open image files; `others` are images of formats that are not read."""
    if not files:
        raise MediaError(f"{place}: no images in it; expected files named {' '.join(sorted(IMAGE_SUFFIXES))}")
    value_range = ValueRange()
    for file in files:
        first = _read_or_error(file, value_range)
        if not isinstance(first, MediaError):
            break
    else:
        raise MediaError(f"{place}: none of {len(files)} images can be read; the last one: {first}")
    height, width = first.shape[:2]
    left_out = [f"{file}: {file.suffix} images are not read; convert it to PNG or JPEG" for file in others]
    images = _Pictures(files, value_range)
    return Frames(place.name, (width, height), None, len(files), False, images, left_out, files, place)


class _Pictures(Iterator["Image | MediaError"]):
    """Reads picture files in order."""

    def __init__(self, files: Sequence[Path], value_range: ValueRange) -> None:
        self._files, self._value_range = iter(files), value_range

    def __next__(self) -> Image | MediaError:
        return _read_or_error(next(self._files), self._value_range)

    def skip(self) -> bool:
        """See :class:`Skippable`."""
        return next(self._files, None) is not None


def _read_or_error(path: Path, value_range: ValueRange) -> Image | MediaError:
    try:
        return read_image(path, value_range=value_range)
    except MediaError as error:
        return error


def _open_video(path: Path) -> Frames:
    capture = cv2.VideoCapture(str(path))
    found, first = capture.read()
    if not found:
        capture.release()
        raise MediaError(
            f"{path.name}: not a video that OpenCV can read (damaged, empty or of an unknown format); "
            f"try converting it: ffmpeg -i {path.name} converted.mp4"
        )
    is_exact = path.suffix.lower() in EXACT_COUNT_SUFFIXES
    return _captured_frames(path.name, capture, first, is_exact, path)


def _open_stream(address: str) -> Frames:
    """Open what an address names: a stream without end, or a video, whose number of frames is known."""
    parts = urlsplit(address)
    name = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"  # messages show no password
    capture = cv2.VideoCapture(address)
    found, first = capture.read()
    if not found:
        capture.release()
        raise MediaError(
            f"{name}: no video or stream that OpenCV can read; check the address, and that it plays in ffplay"
        )
    if capture.get(cv2.CAP_PROP_FRAME_COUNT) > 0:
        return _captured_frames(name, capture, first, False)
    return _live_frames(name, address, capture, first)


def _open_live(name: str, source: str | int) -> Frames:
    capture = cv2.VideoCapture(source)
    found, first = capture.read()
    if not found:
        capture.release()
        raise MediaError(f"{name}: it gives no image; check that it is plugged in, free and permitted")
    return _live_frames(name, source, capture, first)


def _captured_frames(
    name: str, capture: cv2.VideoCapture, first: Image, is_exact: bool, path: Path | None = None
) -> Frames:
    """Return the frames of a video; with `is_exact` it must have as many as the container says."""
    count = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
    images = _Captured(name, capture, first, count if is_exact else 0)
    known = count if count > 0 else None
    return Frames(name, _size(first), _fps(capture), known, False, images, path=path)


def _live_frames(name: str, source: str | int, capture: cv2.VideoCapture, first: Image) -> Frames:
    images = _live(name, source, capture, first)
    return Frames(name, _size(first), _fps(capture), None, True, images)


def _size(image: Image) -> tuple[int, int]:
    return image.shape[1], image.shape[0]


def _fps(capture: cv2.VideoCapture) -> float | None:
    fps = capture.get(cv2.CAP_PROP_FPS)
    return fps if 0 < fps <= 1000 else None


class _Captured(Iterator["Image | MediaError"]):
    """Reads `first` and the other frames of a video, and releases `capture` at the end.

    The last item is an error when fewer than `expected` frames could be read; 0 accepts any number.
    """

    def __init__(self, name: str, capture: cv2.VideoCapture, first: Image, expected: int) -> None:
        self._name, self._capture, self._expected = name, capture, expected
        self._first: Image | None = first
        self._number = 0

    def __next__(self) -> Image | MediaError:
        found, image = (True, self._first) if self._number == 0 else self._capture.read()
        if found and image is not None:
            self._first = None
            self._number += 1
            return image
        self._capture.release()
        if self._number >= self._expected - SPARE_FRAMES:
            raise StopIteration
        read, expected, self._expected = self._number, self._expected, 0
        return MediaError(
            f"{self._name}: only {read} of {expected} frames could be read: the file is damaged or cut off, "
            "or an edit list hides the others; rescue what there is: ffmpeg -ignore_editlist 1 -i "
            f"{self._name} -c:v libx264 rescued.mp4"
        )

    def skip(self) -> bool:
        """See :class:`Skippable`."""
        if self._number and not self._capture.grab():
            return False
        self._first = None
        self._number += 1
        return True


def _live(
    name: str, source: str | int, capture: cv2.VideoCapture, first: Image
) -> Iterator[Image | MediaError]:
    """Yield `first` and the other images of a camera or stream.

    When no image comes, it is opened again. Raises :class:`MediaError` when that does not help within
    :data:`RETRY_S`.
    """
    image = first
    try:
        while True:
            yield image
            found, image = capture.read()
            if not found:  # a camera may miss one picture
                found, image = capture.read()
            deadline_s = time.monotonic() + RETRY_S
            while not found:
                if time.monotonic() > deadline_s:
                    raise MediaError(
                        f"{name}: no image for {RETRY_S:g} s, although it was opened again; check that it is "
                        "plugged in and switched on, and its cable or network"
                    )
                time.sleep(RETRY_INTERVAL_S)
                capture.release()
                capture = cv2.VideoCapture(source)
                found, image = capture.read()
    finally:
        capture.release()


class VideoWriter:
    """Writes frames to a video file; a context manager.

    Frames have the `size` (width, height) in pixels; without `fps` the rate is :data:`DEFAULT_FPS`. Messages
    call the file `name`, by default `path`. Raises
    :class:`OutputError` when OpenCV cannot write such a file, and at the end of the context when the file
    does not hold all frames, as on a full disk.
    """

    def __init__(
        self, path: Path, size: tuple[int, int], fps: float | None, name: Path | None = None
    ) -> None:
        self._path, self._name, self._written = path, name or path, 0
        codec = CODECS.get(path.suffix.lower())
        if codec is None:
            raise OutputError(f"{self._name}: videos are written as {', '.join(sorted(CODECS))}")
        code = cv2.VideoWriter.fourcc(*codec)
        self._writer = cv2.VideoWriter(str(path), code, fps or DEFAULT_FPS, size)
        if not self._writer.isOpened():
            raise OutputError(
                f"{self._name}: OpenCV cannot write it; check the folder's permissions, or try .avi"
            )

    def write(self, image: Image) -> None:
        """Append one frame."""
        self._writer.write(image)
        self._written += 1

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.release()
        if kind is None and self._written:
            self._check()

    def _check(self) -> None:
        """Raise :class:`OutputError` when the last frame cannot be read: OpenCV reports no failed write."""
        capture = cv2.VideoCapture(str(self._path))
        is_complete = capture.get(cv2.CAP_PROP_FRAME_COUNT) >= self._written - 1
        if is_complete:
            capture.set(cv2.CAP_PROP_POS_FRAMES, self._written - 1)
            is_complete, _ = capture.read()
        capture.release()
        if not is_complete:
            raise OutputError(
                f"{self._name}: the video could not be written completely; make space on the disk, or choose "
                "another place"
            )
