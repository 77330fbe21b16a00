"""The interface of all sources of training objects, and what they share."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from siammaskpp_core.arrays import Float64Array, Image, Mask
from siammaskpp_core.io.images import read_annotation, read_image, stored_size

Rng = np.random.Generator


class Sample(NamedTuple):
    """One object in one picture.

    image: BGR [H, W, 3]. box_xywh: x, y, w, h in pixels. mask: [H, W], None if it is unknown. in_place: the
    object must stay on its own background, as it cannot be cut out.
    """

    image: Image
    box_xywh: Float64Array
    mask: Mask | None
    in_place: bool = False


class Source(Protocol):
    """A numbered list of objects, each of them in one picture or in the frames of a video.

    A scene is a picture or a video; objects of one scene follow one another. `left_out` holds a message for
    each file that cannot be used; it is complete when the source has been opened. Every method is a function
    of its arguments alone. A source that knows no categories inherits `same_class_in_other_scene` and
    `same_class_in_same_picture`.
    """

    left_out: list[str]

    def __len__(self) -> int: ...

    def scene(self, index: int) -> int:
        """Return the number of the picture or video that holds object `index`."""
        ...

    def same_class_in_other_scene(self, index: int, rng: Rng) -> int | None:
        """Return a random object of the same category in another scene, None if none is known."""
        return None

    def same_class_in_same_picture(self, index: int, rng: Rng) -> Float64Array | None:
        """Return the box [4] of another object of the same category in the same picture, None if unknown."""
        return None

    def sample(self, index: int, rng: Rng) -> Sample:
        """Return object `index` in a random one of its frames."""
        ...

    def pair(self, index: int, rng: Rng) -> tuple[Sample, Sample]:
        """Return object `index` twice: for the template and for the search region."""
        ...


def nearby_frames(times: NDArray[np.integer[Any]], frame_range: int, rng: Rng) -> tuple[int, int]:
    """Return the positions in `times` (ascending) of two random frames, at most `frame_range` apart.

    The first is uniform over all frames, the second uniform over the frames near it, itself included.
    """
    first = int(rng.integers(len(times)))
    low = np.searchsorted(times, times[first] - frame_range, side="left")
    high = np.searchsorted(times, times[first] + frame_range, side="right")
    return first, int(rng.integers(low, high))


class ImageCache:
    """Reads pictures and keeps the first `limit_bytes` of them decoded; every process has its own cache.

    Pictures are read as their files store them, without the EXIF orientation: annotations refer to those
    pixels. Nothing is ever evicted: pictures are drawn at random, so that any of them is as good as another.
    """

    def __init__(self, limit_bytes: int = 0) -> None:
        self.free_bytes = limit_bytes
        self._kept: dict[tuple[Path, bool], Image] = {}

    def read(self, path: Path, *, is_annotation: bool = False) -> Image:
        """Return a picture, BGR [H, W, 3], or an annotation; the caller must not change it.

        Raises :class:`~siammaskpp_core.io.images.MediaError` when the file cannot be read.
        """
        picture = self._kept.get((path, is_annotation))
        if picture is None:
            picture = read_annotation(path) if is_annotation else read_image(path, as_stored=True)
            if picture.nbytes <= self.free_bytes:
                self.free_bytes -= picture.nbytes
                self._kept[path, is_annotation] = picture
        return picture


def size_problem(path: Path, size_hw: tuple[int, int] | None = None) -> str | None:
    """Return why a picture cannot be used: its header is damaged, or its size is not that of its annotation.

    Returns None for a good picture. Only the header is read, so that a data set can be checked at the start.
    """
    try:
        stored = stored_size(path)
    except OSError as error:
        return f"{path}: not a readable image ({error})"
    if size_hw is None or stored == size_hw:
        return None
    return (
        f"{path}: the image of {stored[1]}x{stored[0]} and its mask of {size_hw[1]}x{size_hw[0]} differ in "
        "size; if the image is turned by its EXIF orientation, store it turned: mogrify -auto-orient"
    )
