"""Videos whose targets go out of view for a while, made of any sequences.

`cut`: another video is shown, as after a cut. `cover`: a piece of another video lies over the target.
`leave`: the view, a part of each picture, pans away from it.
"""

from __future__ import annotations

import filecmp
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np

from siammaskpp_core.arrays import Float64Array, Image, IntArray
from siammaskpp_core.data.sequences import VideoSequence
from siammaskpp_core.io.images import read_image

KINDS = ("cut", "cover", "leave")
ABSENT_FRAMES = 20
PAN_FRAMES = 6
FOUND_WITHIN_FRAMES = 10
"""So many frames at least are left after the target's return."""
VIEW_SHARE = 0.6
COVER_MARGIN = 0.15


class Frame(NamedTuple):
    """One picture; `box_xywh` is the truth in it, None while the target is absent or partly so."""

    image: Image
    box_xywh: Float64Array | None
    is_absent: bool


@dataclass(frozen=True)
class Case:
    """A sequence whose target is taken out of view, in the way `kind`, from frame `first` on.

    `other` lends the pictures that are shown instead.
    """

    sequence: VideoSequence
    other: VideoSequence
    kind: str
    first: int

    @property
    def last(self) -> int:
        """The last frame without the target."""
        return self.first + ABSENT_FRAMES - 1

    @property
    def going(self) -> int:
        """The first frame in which not all of the target is in view."""
        return self.first - (PAN_FRAMES if self.kind == "leave" else 0)

    @property
    def back(self) -> int:
        """The first frame in which all of the target is in view again."""
        return self.last + 1 + (PAN_FRAMES if self.kind == "leave" else 0)

    def frames(self) -> Iterator[Frame]:
        """All frames, read one by one."""
        show = {"cut": self._cut, "cover": self._cover, "leave": self._leave}[self.kind]
        for index, (file, box) in enumerate(zip(self.sequence.frames, self.sequence.boxes, strict=True)):
            truth = box if np.isfinite(box).all() else None
            yield show(index, read_image(file), truth)

    def _is_absent(self, index: int) -> bool:
        return self.first <= index <= self.last

    def _stranger(self, index: int, shape: tuple[int, ...]) -> Image:
        files = self.other.frames
        return cv2.resize(read_image(files[index % len(files)]), shape[1::-1])  # type: ignore[return-value]

    def _cut(self, index: int, image: Image, truth: Float64Array | None) -> Frame:
        if self._is_absent(index):
            return Frame(self._stranger(index, image.shape), None, True)
        return Frame(image, truth, False)

    def _cover(self, index: int, image: Image, truth: Float64Array | None) -> Frame:
        if not self._is_absent(index) or truth is None:
            return Frame(image, truth, False)
        x, y, width, height = truth
        margin = COVER_MARGIN * np.array([width, height])
        grown = np.concatenate([(x, y) - margin, (x + width, y + height) + margin])
        left, top, right, bottom = np.clip(np.rint(grown), 0, np.tile(image.shape[1::-1], 2)).astype(int)
        image = image.copy()
        image[top:bottom, left:right] = self._stranger(self.first, image.shape)[top:bottom, left:right]
        return Frame(image, None, True)

    def _leave(self, index: int, image: Image, truth: Float64Array | None) -> Frame:
        size = np.array(image.shape[1::-1])
        view = np.rint(size * VIEW_SHARE).astype(int)
        box = self._known_box(index)
        at_target = np.clip(box[:2] + box[2:] / 2 - view / 2, 0, size - view)
        corner = self._far_corner(size, view)
        ramp = min(index - self.going, self.back - index) / PAN_FRAMES
        share = float(np.clip(ramp, 0, 1))
        left, top = np.rint(at_target + share * (corner - at_target)).astype(int)
        shown = image[top : top + view[1], left : left + view[0]]
        if truth is None:
            return Frame(shown, None, False)
        inside = truth - (left, top, 0, 0)
        if share == 0:
            return Frame(shown, inside, False)
        is_out = _seen_share(inside, view) == 0
        return Frame(shown, None, is_out)

    def _known_box(self, index: int) -> Float64Array:
        """The truth at `index`, or the last one before that."""
        boxes = self.sequence.boxes[: index + 1]
        known = boxes[np.isfinite(boxes).all(axis=1)]
        return np.asarray(known[-1], np.float64)

    def _far_corner(self, size: IntArray, view: IntArray) -> Float64Array:
        """Where the view's top left corner goes: as far from the target as the picture allows."""
        box = self._known_box(self.first)
        return np.where(box[:2] + box[2:] / 2 > size / 2, 0, size - view).astype(np.float64)

    def is_possible(self) -> bool:
        """Whether the target is in view before, and really out of view in all of the stretch."""
        boxes = self.sequence.boxes
        if self.first < PAN_FRAMES + 2 or self.last + FOUND_WITHIN_FRAMES + PAN_FRAMES >= len(boxes):
            return False
        if not np.isfinite(boxes[self.first - 1 : self.last + FOUND_WITHIN_FRAMES + 1]).all():
            return False
        if self.kind != "leave":
            return True
        height, width = read_image(self.sequence.frames[0]).shape[:2]
        size = np.array([width, height])
        view = np.rint(size * VIEW_SHARE).astype(int)
        corner = self._far_corner(size, view)
        away = [_seen_share(box - (*corner, 0, 0), view) for box in boxes[self.first : self.last + 1]]
        return max(away) == 0


def make_cases(sequences: Sequence[VideoSequence], kinds: Sequence[str] = KINDS) -> list[Case]:
    """One case of each kind for every sequence that allows it; the target goes after a third of it.

    What is shown instead is the next sequence of another video.
    """
    cases = []
    for number, sequence in enumerate(sequences):
        following = [*sequences[number + 1 :], *sequences[:number]]
        stranger = next((other for other in following if not _is_same_video(sequence, other)), None)
        if stranger is None:
            continue
        for kind in kinds:
            case = Case(sequence, stranger, kind, len(sequence.frames) // 3)
            if case.is_possible():
                cases.append(case)
    return cases


def _is_same_video(one: VideoSequence, other: VideoSequence) -> bool:
    """Whether the first picture of either is one of the other's: two objects of a video, even if copied."""
    return any(
        filecmp.cmp(first.frames[0], file, shallow=False)
        for first, second in ((one, other), (other, one))
        for file in second.frames
    )


def _seen_share(box_xywh: Float64Array, size: IntArray) -> float:
    low = np.clip(box_xywh[:2], 0, size)
    high = np.clip(box_xywh[:2] + box_xywh[2:], 0, size)
    return float(np.prod(high - low) / np.prod(box_xywh[2:]))
