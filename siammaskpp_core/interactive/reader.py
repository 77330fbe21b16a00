"""The frames of a recording by their position."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator

from siammaskpp_core.io.frame import Frame

CACHE_BYTES = 256_000_000
"""Memory for frames that were read before, so that a step back costs nothing."""


class FrameReader:
    """Reads frames by their position, from 0, among those that can be read.

    `open_from` opens the recording at the frame with a number, or at its beginning for None. Frames are read
    in order. A step back to one that is not remembered opens the recording again, because a video finds no
    frame exactly without passing over all before it.
    """

    def __init__(
        self, open_from: Callable[[int | None], Iterator[Frame]], cache_bytes: int = CACHE_BYTES
    ) -> None:
        self._open_from = open_from
        self._frames = open_from(None)
        self._next = 0
        self._numbers: list[int] = []  # of the frames that have been read, by position
        self._cache: OrderedDict[int, Frame] = OrderedDict()
        self._cache_bytes = cache_bytes

    def at(self, position: int) -> Frame | None:
        """Return the frame at a position; None behind the last one."""
        if position in self._cache:
            return self._cache[position]
        if position < self._next:
            self._frames, self._next = self._open_from(self._numbers[position]), position
        while self._next <= position:
            frame = next(self._frames, None)
            if frame is None:
                return None
            self._keep(self._next, frame)
            self._next += 1
        return self._cache[position]

    def _keep(self, position: int, frame: Frame) -> None:
        if position == len(self._numbers):
            self._numbers.append(frame.number)
        self._cache.pop(position, None)
        self._cache[position] = frame
        while len(self._cache) > 1 and len(self._cache) * frame.image.nbytes > self._cache_bytes:
            self._cache.popitem(last=False)
