"""Cases of the target-absent benchmark: videos whose target is out of view for a while.

They are made from any sequences, in three ways. `cut`: another video is shown, as after a scene cut.
`occlusion`: a piece of another video covers the target. `out_of_view`: the image is a window of each picture,
which pans away from the target and back.
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
from siammaskpp_core.io.images import MediaError

KINDS = ("cut", "occlusion", "out_of_view")
ABSENT_FRAMES = 20
PAN_FRAMES = 6
REDETECTION_FRAMES = 10
"""Frames after the target's return in which it should be re-detected; every case has as many."""
WINDOW_FRACTION = 0.6
"""Width and height of the panning window as a fraction of the picture's."""
OCCLUDER_MARGIN = 0.15
"""Margin of the occluder on each side of the target's box, as a fraction of the box."""


class CaseFrame(NamedTuple):
    """One image of a case; `box_xywh` is the true box, None while the target is not entirely in view."""

    image: Image
    box_xywh: Float64Array | None
    is_absent: bool


@dataclass(frozen=True)
class TargetAbsentCase:
    """A sequence whose target is out of view from frame `first_absent` on, in the way `kind`.

    The pictures of `replacement` are shown instead of the target.
    """

    sequence: VideoSequence
    replacement: VideoSequence
    kind: str
    first_absent: int

    @property
    def name(self) -> str:
        """Name of the sequence."""
        return self.sequence.name

    def __len__(self) -> int:
        return len(self.sequence.frames)

    @property
    def last_absent(self) -> int:
        """The last frame without the target."""
        return self.first_absent + ABSENT_FRAMES - 1

    @property
    def departure(self) -> int:
        """The first frame in which the target is not entirely in view."""
        return self.first_absent - (PAN_FRAMES if self.kind == "out_of_view" else 0)

    @property
    def reappearance(self) -> int:
        """The first frame in which the target is entirely in view again."""
        return self.last_absent + 1 + (PAN_FRAMES if self.kind == "out_of_view" else 0)

    def frames(self) -> Iterator[CaseFrame]:
        """Yield all frames; they are read one by one."""
        make = {"cut": self._cut, "occlusion": self._occlude, "out_of_view": self._pan}[self.kind]
        for index, box in enumerate(self.sequence.boxes):
            truth = box if np.isfinite(box).all() else None
            yield make(index, self.sequence.image(index), truth)

    def is_possible(self) -> bool:
        """Return whether the target is in view before and after, and entirely out of view in between."""
        boxes, last = self.sequence.boxes, self.last_absent
        if self.first_absent < PAN_FRAMES + 2 or last + REDETECTION_FRAMES + PAN_FRAMES >= len(boxes):
            return False
        if not np.isfinite(boxes[self.first_absent - 1 : last + REDETECTION_FRAMES + 1]).all():
            return False
        if self.kind != "out_of_view":
            return True
        height, width = self.sequence.image(0).shape[:2]
        size = np.array([width, height])
        window = _window_size(size)
        corner = self._far_corner(size, window)
        visible = [
            _visible_fraction(box - (*corner, 0, 0), window) for box in boxes[self.first_absent : last + 1]
        ]
        return max(visible) == 0

    def _cut(self, index: int, image: Image, truth: Float64Array | None) -> CaseFrame:
        if self._is_absent(index):
            return CaseFrame(self._replacement_image(index, image.shape), None, True)
        return CaseFrame(image, truth, False)

    def _occlude(self, index: int, image: Image, truth: Float64Array | None) -> CaseFrame:
        if not self._is_absent(index) or truth is None:
            return CaseFrame(image, truth, False)
        x, y, width, height = truth
        margin = OCCLUDER_MARGIN * np.array([width, height])
        corners = np.concatenate([(x, y) - margin, (x + width, y + height) + margin])
        left, top, right, bottom = np.clip(np.rint(corners), 0, np.tile(image.shape[1::-1], 2)).astype(int)
        occluder = self._replacement_image(self.first_absent, image.shape)
        image = image.copy()
        image[top:bottom, left:right] = occluder[top:bottom, left:right]
        return CaseFrame(image, None, True)

    def _pan(self, index: int, image: Image, truth: Float64Array | None) -> CaseFrame:
        size = np.array(image.shape[1::-1])
        window = _window_size(size)
        box = self._known_box(index)
        at_target = np.clip(box[:2] + box[2:] / 2 - window / 2, 0, size - window)
        far_corner = self._far_corner(size, window)
        ramp = min(index - self.departure, self.reappearance - index) / PAN_FRAMES
        position = float(np.clip(ramp, 0, 1))  # 0: centred on the target, 1: in the far corner
        left, top = np.rint(at_target + position * (far_corner - at_target)).astype(int)
        shown = image[top : top + window[1], left : left + window[0]]
        if truth is None:
            return CaseFrame(shown, None, False)
        in_window = truth - (left, top, 0, 0)
        if position == 0:
            return CaseFrame(shown, in_window, False)
        return CaseFrame(shown, None, _visible_fraction(in_window, window) == 0)

    def _is_absent(self, index: int) -> bool:
        return self.first_absent <= index <= self.last_absent

    def _replacement_image(self, index: int, shape: tuple[int, ...]) -> Image:
        image = self.replacement.image(index % len(self.replacement.frames))
        return cv2.resize(image, shape[1::-1])  # type: ignore[return-value]

    def _known_box(self, index: int) -> Float64Array:
        """Return the true box in frame `index`, or the last one before it."""
        boxes = self.sequence.boxes[: index + 1]
        known = boxes[np.isfinite(boxes).all(axis=1)]
        return np.asarray(known[-1], np.float64)

    def _far_corner(self, size: IntArray, window: IntArray) -> Float64Array:
        """Return the window's top left corner (x, y) when it is as far from the target as possible."""
        box = self._known_box(self.first_absent)
        return np.where(box[:2] + box[2:] / 2 > size / 2, 0, size - window).astype(np.float64)


def make_cases(
    sequences: Sequence[VideoSequence], kinds: Sequence[str] = KINDS, left_out: list[str] | None = None
) -> list[TargetAbsentCase]:
    """Make one case of each kind from every sequence that allows it.

    The target is out of view after a third of the sequence. The replacement is the next sequence of
    another video. A picture that cannot be read raises MediaError; a list `left_out` receives the message
    instead.
    """
    cases = []
    for number, sequence in enumerate(sequences):
        following = [*sequences[number + 1 :], *sequences[:number]]
        replacement = next((other for other in following if not _is_same_video(sequence, other)), None)
        if replacement is None:
            continue
        for kind in kinds:
            case = TargetAbsentCase(sequence, replacement, kind, len(sequence.frames) // 3)
            try:
                if case.is_possible():
                    cases.append(case)
            except MediaError as error:
                if left_out is None:
                    raise
                left_out.append(f"{kind}, {sequence.name}: {error}")
    return cases


def _is_same_video(one: VideoSequence, other: VideoSequence) -> bool:
    """Return whether the first picture of either sequence is, byte for byte, a picture of the other."""
    return any(
        filecmp.cmp(first.frames[0], file, shallow=False)
        for first, second in ((one, other), (other, one))
        for file in second.frames
    )


def _window_size(size: IntArray) -> IntArray:
    """Return width and height of the panning window in a picture of `size` (width, height)."""
    return np.rint(size * WINDOW_FRACTION).astype(np.int64)


def _visible_fraction(box_xywh: Float64Array, size: IntArray) -> float:
    """Return the fraction of a box's area that lies in an image of `size` (width, height)."""
    low = np.clip(box_xywh[:2], 0, size)
    high = np.clip(box_xywh[:2] + box_xywh[2:], 0, size)
    return float(np.prod(high - low) / np.prod(box_xywh[2:]))
