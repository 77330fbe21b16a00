"""The interface of all sources of training objects, and what they share."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from siammaskpp_core.arrays import Float64Array, Image, Mask
from siammaskpp_core.io.images import read_image

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

    A scene is a picture or a video; objects of one scene follow one another. Every method is a function of
    its arguments alone. A source that knows no categories inherits `same_class_in_other_scene` and
    `same_class_in_same_picture`.
    """

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

    Nothing is ever evicted: pictures are drawn at random, so that any of them is as good as another.
    """

    def __init__(self, limit_bytes: int = 0) -> None:
        self.free_bytes = limit_bytes
        self._kept: dict[Path, Image] = {}

    def read(self, path: Path, *, is_grey: bool = False, as_stored: bool = False) -> Image:
        """Return the picture as :func:`read_image` does; the caller must not change it."""
        picture = self._kept.get(path)
        if picture is None:
            picture = read_image(path, is_grey=is_grey, as_stored=as_stored)
            if picture.nbytes <= self.free_bytes:
                self.free_bytes -= picture.nbytes
                self._kept[path] = picture
        return picture
