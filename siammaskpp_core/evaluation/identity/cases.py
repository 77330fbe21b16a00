"""Cases of the identity benchmark: frames with the boxes of the target and of the other objects."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from siammaskpp_core.arrays import Float64Array, Image
from siammaskpp_core.data.sequences import VideoSequence


class IdentityFrame(NamedTuple):
    """One image with the box of the target, x, y, w, h in pixels, and those of M other objects [M, 4].

    The boxes are those of the whole objects, whatever covers them; NaN where they are unknown or absent.
    """

    image: Image
    box_xywh: Float64Array
    others_xywh: Float64Array


class IdentityCase(Protocol):
    """A video in which one object is the target."""

    @property
    def name(self) -> str:
        """Name of the case, unique in an evaluation."""

    @property
    def kind(self) -> str:
        """Kind of the case, by which the results are grouped."""

    def __len__(self) -> int:
        """Return the number of frames."""

    def frames(self) -> Iterator[IdentityFrame]:
        """Yield all frames. The target is in the first one."""


@dataclass(frozen=True)
class VideoCase:
    """A real video with several labelled objects, one of which is the target."""

    sequence: VideoSequence
    others: tuple[VideoSequence, ...]
    kind: str = "video"

    @property
    def name(self) -> str:
        """See :class:`IdentityCase`."""
        return self.sequence.name

    def __len__(self) -> int:
        return len(self.sequence.frames)

    def frames(self) -> Iterator[IdentityFrame]:
        """See :class:`IdentityCase`."""
        boxes = [dict(zip(other.frames, other.boxes, strict=True)) for other in self.others]
        absent = np.full(4, np.nan)
        for index, (file, box) in enumerate(zip(self.sequence.frames, self.sequence.boxes, strict=True)):
            others = np.array([by_frame.get(file, absent) for by_frame in boxes])
            yield IdentityFrame(self.sequence.image(index), box, others)


def video_cases(sequences: Sequence[VideoSequence]) -> list[VideoCase]:
    """Return a case for each of `sequences` that shares its pictures with another one."""
    by_folder: dict[Path, list[VideoSequence]] = defaultdict(list)
    for sequence in sequences:
        by_folder[sequence.frames[0].parent].append(sequence)
    return [
        VideoCase(sequence, tuple(other for other in group if other is not sequence))
        for group in by_folder.values()
        if len(group) > 1
        for sequence in group
    ]
