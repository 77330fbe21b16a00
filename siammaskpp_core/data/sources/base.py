"""What every source of training objects offers."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from siammaskpp_core.arrays import Float64Array, Image
from siammaskpp_core.io.images import read_image

Rng = np.random.Generator


class Sample(NamedTuple):
    """One object in one picture: BGR image, its box (x, y, w, h) in pixels, its mask (0/255) if known.

    in_place: it is not to be cut out of its picture.
    """

    image: Image
    box_xywh: Float64Array
    mask: Image | None
    in_place: bool = False


class Source(Protocol):
    """Objects to learn from, each in one picture or in the frames of a video.

    Objects of one scene (a picture or a video) follow one another. What a method returns depends on its
    arguments alone. Sources that know no categories leave `alike` and `beside` as they are here.
    """

    def __len__(self) -> int: ...

    def scene(self, index: int) -> int:
        """The number of the picture or video that object `index` is in."""
        ...

    def alike(self, index: int, rng: Rng) -> int | None:
        """An object of the same category in another scene; None where none is known."""
        return None

    def beside(self, index: int, rng: Rng) -> Float64Array | None:
        """The box of another object of its category in its picture; None where none is known."""
        return None

    def sample(self, index: int, rng: Rng) -> Sample:
        """Object `index` at a random time."""
        ...

    def pair(self, index: int, rng: Rng) -> tuple[Sample, Sample]:
        """Object `index` for the template, and again for the search region."""
        ...


def nearby_frames(times: NDArray[np.integer[Any]], frame_range: int, rng: Rng) -> tuple[int, int]:
    """Positions in `times` (ascending) of two random frames, at most `frame_range` apart.

    The first is uniform over all frames, the second over those near it, itself included.
    """
    first = int(rng.integers(len(times)))
    low = np.searchsorted(times, times[first] - frame_range, side="left")
    high = np.searchsorted(times, times[first] + frame_range, side="right")
    return first, int(rng.integers(low, high))


class PictureMemory:
    """Reads pictures and keeps the first ones, up to `limit_bytes`; every process has its own.

    Pictures are drawn at random: which ones are kept makes no difference.
    """

    def __init__(self, limit_bytes: int = 0) -> None:
        self.free_bytes = limit_bytes
        self._kept: dict[Path, Image] = {}

    def __call__(self, path: Path, *, is_grey: bool = False, as_stored: bool = False) -> Image:
        """The picture in `path`, which nobody may change; errors as those of `read_image`."""
        picture = self._kept.get(path)
        if picture is None:
            picture = read_image(path, is_grey=is_grey, as_stored=as_stored)
            if picture.nbytes <= self.free_bytes:
                self.free_bytes -= picture.nbytes
                self._kept[path] = picture
        return picture
