"""Frames of a recording, and the part of a recording that is used."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from siammaskpp_core.arrays import Image
from siammaskpp_core.io.stamps import NS_PER_S


@dataclass(frozen=True)
class Frame:
    """One image of a recording."""

    number: int
    """Number in the source, from 0."""
    stamp_ns: int
    """Time in ns: of a video since its first frame, of a bag the stamp of the image's header."""
    image: Image
    """BGR, uint8 [H, W, 3]."""
    name: str
    """Name for files about this frame, unique in the recording: that of the source picture, or the number."""
    file: Path | None = None
    """The source picture; None for the frame of a video, camera or bag."""
    origin_ns: int = 0
    """`stamp_ns` of the first frame of the recording."""

    @property
    def elapsed_ns(self) -> int:
        """Time in ns since the first frame of the recording."""
        return self.stamp_ns - self.origin_ns

    @property
    def time_s(self) -> float:
        """`stamp_ns` in seconds."""
        return self.stamp_ns / NS_PER_S

    def __repr__(self) -> str:
        height, width = self.image.shape[:2]
        return f"Frame({self.number}, {self.time_s:.3f} s, {width}x{height}, {self.name!r})"


class Moment(NamedTuple):
    """A point in a recording: the number of a frame, or a time in ns since its first frame."""

    frame: int | None = None
    time_ns: int | None = None

    def is_reached(self, number: int, time_ns: int) -> bool:
        """Return True for a frame at this point or behind it; `time_ns` counts from the first frame."""
        if self.frame is not None:
            return number >= self.frame
        return time_ns >= (self.time_ns or 0)

    def is_passed(self, number: int, time_ns: int) -> bool:
        """Return True for a frame behind this point."""
        if self.frame is not None:
            return number > self.frame
        return time_ns > (self.time_ns or 0)

    def __str__(self) -> str:
        return f"frame {self.frame}" if self.frame is not None else f"{(self.time_ns or 0) / NS_PER_S:g} s"


FIRST = Moment(frame=0)
"""The beginning of a recording."""


def cut(frames: Iterable[Frame], start: Moment = FIRST, end: Moment | None = None) -> Iterator[Frame]:
    """Yield the frames from `start` to `end`, both included."""
    for frame in frames:
        if end is not None and end.is_passed(frame.number, frame.elapsed_ns):
            return
        if start.is_reached(frame.number, frame.elapsed_ns):
            yield frame


def number_name(number: int) -> str:
    """Return the name of a frame that has only a number, such as 000012; the names sort by number."""
    return f"{number:06d}"


def picture_names(files: Sequence[Path]) -> list[str]:
    """Return a name for each picture: that of its file without the suffix unless two would be equal."""
    stems = [file.stem for file in files]
    return stems if len(set(stems)) == len(stems) else [file.name.replace(".", "_") for file in files]
