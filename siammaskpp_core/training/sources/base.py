"""What every source of training objects offers."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
Array = NDArray[np.float64]
Rng = np.random.Generator


class Sample(NamedTuple):
    """One object in one picture: BGR image, its box (x, y, w, h) in pixels, its mask (0/255) if known.

    in_place: it is not to be cut out of its picture.
    """

    image: Image
    box_xywh: Array
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

    def beside(self, index: int, rng: Rng) -> Array | None:
        """The box of another object of its category in its picture; None where none is known."""
        return None

    def sample(self, index: int, rng: Rng) -> Sample:
        """Object `index` at a random time."""
        ...

    def pair(self, index: int, rng: Rng) -> tuple[Sample, Sample]:
        """Object `index` for the template, and again for the search region."""
        ...
