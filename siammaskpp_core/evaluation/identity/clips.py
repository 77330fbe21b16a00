"""Clips made by program: two objects of one category, cut out of one picture, move past each other.

``behind``       the other object passes in front of the target.
``in_front``     the target passes in front of the other object.
``pillar``       both pass each other behind a pillar.
``close``        both pass each other at a short distance, without occlusion.
``turn``         the target turns away while the other object passes in front of it.

Every clip is a function of its pictures, its kind and its seed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from siammaskpp_core.arrays import Float32Array, Float64Array, Image
from siammaskpp_core.data.preparation.coco import read_small_coco
from siammaskpp_core.data.sequences import DatasetError
from siammaskpp_core.data.sources.base import ImageCache, Rng, Sample
from siammaskpp_core.data.sources.indexed import IndexedSource
from siammaskpp_core.evaluation.identity.cases import IdentityFrame

KINDS = ("behind", "in_front", "pillar", "close", "turn")
FRAMES = 80
WIDTH, HEIGHT = 432, 320
OBJECT_SIDE_PX = 64.0
"""Mean side (root of the area of the box) of the objects in a clip; they vary by a sixth about it."""
MIN_SIDE_PX = 28
"""Objects with a shorter side in their picture are too coarse to be enlarged."""
MAX_SIZE_RATIO = 2.5
"""Two objects of a pair differ by at most this factor in mean side: a part of an object is no look-alike."""
NOISE_SIGMA = 2.0


@dataclass(frozen=True)
class CutOut:
    """An object cut out of its picture: BGR [h, w, 3] and opacity [h, w], 0 to 1."""

    bgr: Image
    opacity: Float32Array

    @classmethod
    def of(cls, sample: Sample) -> CutOut:
        """Cut the object of `sample` out by its mask."""
        assert sample.mask is not None
        x, y, width, height = cv2.boundingRect(sample.mask)
        part = np.s_[y : y + height, x : x + width]
        opacity = cv2.GaussianBlur(sample.mask[part].astype(np.float32) / 255, (3, 3), 0)
        return cls(np.ascontiguousarray(sample.image[part]), opacity)

    def paste(
        self, image: Image, center_xy: Float64Array, side_px: float, degrees: float, squeeze: float
    ) -> Float64Array:
        """Draw the object into `image` and return its box x, y, w, h, which ignores what may cover it.

        Its mean side is `side_px`. Its width is multiplied by `squeeze`; a negative one shows it mirrored.
        """
        height, width = self.opacity.shape
        scale = side_px / np.sqrt(width * height)
        turn = cv2.getRotationMatrix2D((0, 0), degrees, 1.0)[:, :2] @ np.diag([scale * squeeze, scale])
        # Only the square around the object is drawn.
        radius = int(np.ceil(np.hypot(width, height) * scale / 2)) + 2
        corner = np.floor(center_xy).astype(int) - radius
        shift = center_xy - corner - turn @ (width / 2, height / 2)
        matrix = np.column_stack([turn, shift])
        size = (2 * radius, 2 * radius)
        opacity = cv2.warpAffine(self.opacity, matrix, size)
        drawn = cv2.warpAffine(self.bgr, matrix, size, borderMode=cv2.BORDER_REPLICATE).astype(np.float32)
        low, high = np.maximum(corner, 0), np.minimum(corner + size, image.shape[1::-1])
        below = image[low[1] : high[1], low[0] : high[0]]
        part = np.s_[low[1] - corner[1] : high[1] - corner[1], low[0] - corner[0] : high[0] - corner[0]]
        below[:] = np.rint(below + opacity[part][..., None] * (drawn[part] - below))
        box = np.array(cv2.boundingRect((opacity > 0.5).astype(np.uint8)), np.float64)
        return box + (*corner, 0, 0)


@dataclass(frozen=True)
class Clip:
    """One clip; its pictures are read when its frames are.

    `target`, `other` and `background` are numbers of objects in `source`; of the last one only the picture is
    shown.
    """

    name: str
    kind: str
    source: IndexedSource
    target: int
    other: int
    background: int
    seed: int

    def __len__(self) -> int:
        return FRAMES

    def frames(self) -> Iterator[IdentityFrame]:
        """Yield all frames. They are drawn one by one."""
        rng = np.random.default_rng(self.seed)
        target, other = (CutOut.of(self.source.sample(index, rng)) for index in (self.target, self.other))
        scenery = cv2.resize(
            self.source.sample(self.background, rng).image, (WIDTH * 5 // 4, HEIGHT * 5 // 4)
        )
        scene = _Scene(rng, self.kind, cv2.GaussianBlur(scenery, (5, 5), 0))  # type: ignore[arg-type]
        for index in range(FRAMES):
            yield scene.frame(target, other, index / (FRAMES - 1))


class _Scene:
    """The movements in one clip: random constants, drawn at the start."""

    def __init__(self, rng: Rng, kind: str, scenery: Image) -> None:
        self.rng, self.kind, self.scenery = rng, kind, scenery
        self.sides = OBJECT_SIDE_PX * rng.uniform(0.85, 1.15, 2)
        self.direction = rng.choice([-1, 1])
        self.meeting = rng.uniform(0.4, 0.6)
        self.ground = HEIGHT * rng.uniform(0.45, 0.6)
        self.wave = rng.uniform(0, 2 * np.pi, (3, 2))
        self.pan = rng.uniform(-1, 1, 2) * (WIDTH / 8, HEIGHT / 8)
        self.pillar_width = 1.5 * float(self.sides.max())
        self.pillar_colour = rng.uniform(40, 200, 3)

    def frame(self, target: CutOut, other: CutOut, time: float) -> IdentityFrame:
        """Draw the clip at `time`, 0 to 1."""
        corner = np.rint((WIDTH / 8, HEIGHT / 8) + self.pan * (time - 0.5) * 2).astype(int)
        image = self.scenery[corner[1] : corner[1] + HEIGHT, corner[0] : corner[0] + WIDTH].copy()
        boxes: list[Float64Array] = [np.zeros(4), np.zeros(4)]
        order = (0, 1) if self.kind in ("behind", "turn") else (1, 0)
        for index in order:
            cut_out, squeeze = (target, other)[index], 1.0
            if self.kind == "turn" and index == 0:
                squeeze = _turned(time, self.meeting)
            sway = np.sin(2 * np.pi * 3 * time + self.wave[:, index])
            side = self.sides[index] * (1 + 0.05 * sway[0])
            boxes[index] = cut_out.paste(
                image, self._center(index, time, sway[1]), side, 4 * sway[2], squeeze
            )
        if self.kind == "pillar":
            left = int(WIDTH / 2 - self.pillar_width / 2)
            image[:, left : left + int(self.pillar_width)] = self.pillar_colour
        noisy = image * (1 + 0.1 * np.sin(2 * np.pi * time)) + self.rng.normal(0, NOISE_SIGMA, image.shape)
        return IdentityFrame(np.clip(np.rint(noisy), 0, 255).astype(np.uint8), boxes[0], np.array([boxes[1]]))

    def _center(self, index: int, time: float, sway: float) -> Float64Array:
        """Return the centre of the target (0) or of the other object (1). They meet in the middle."""
        away = (time - self.meeting) * (1 if index == 0 else -1) * self.direction
        reach = (WIDTH / 2 - 0.8 * OBJECT_SIDE_PX) / max(self.meeting, 1 - self.meeting)
        x = WIDTH / 2 + away * reach
        apart = 0.75 * float(self.sides.sum()) / 2 if self.kind == "close" else 6.0
        y = self.ground + (apart if index == 0 else -apart) + 3 * sway
        return np.array([x, y])


def _turned(time: float, meeting: float) -> float:
    """Return the relative width of an object that turns by half a turn while it meets the other one."""
    angle = np.pi * np.clip((time - meeting) / 0.3 + 0.5, 0, 1)
    width = np.cos(angle)
    return float(np.copysign(max(abs(width), 0.35), width))


def make_clips(folder: Path, count: int, seed: int = 1, left_out: list[str] | None = None) -> list[Clip]:
    """Make `count` clips, of each kind in turn, from `folder`: `images/` and `instances.json` as in COCO.

    `left_out` receives a message for each picture that cannot be used. Raises
    :class:`~siammaskpp_core.data.sequences.DatasetError` when no picture holds two objects of one category
    that can be cut out.
    """
    part = read_small_coco(folder)
    if part is None:
        raise DatasetError(f"{folder}: instances.json is missing; it lists the objects of the clips")
    source = IndexedSource(part.objects, folder, 0, ImageCache(), part.broken)
    if left_out is not None:
        left_out += source.left_out
    pairs = _pairs(source)
    if not pairs:
        raise DatasetError(
            f"{folder}: no picture holds two objects of one category of {MIN_SIDE_PX} or more pixels"
        )
    rng = np.random.default_rng(seed)
    chosen = [pairs[number] for number in rng.permutation(np.arange(max(count, len(pairs))) % len(pairs))]
    clips = []
    for number, pair in enumerate(chosen[:count]):
        target, other = rng.permutation(pair)
        elsewhere = np.flatnonzero(source.scenes != source.scene(int(target)))
        background = int(rng.choice(elsewhere if len(elsewhere) else [target]))
        kind = KINDS[number % len(KINDS)]
        name = f"{folder.name}.{seed}.{number:03d}"
        clips.append(Clip(name, kind, source, int(target), int(other), background, seed * 100_003 + number))
    return clips


def _pairs(source: IndexedSource) -> Sequence[tuple[int, int]]:
    """Return all pairs of objects of one category in one picture, of similar size and entirely in view."""
    boxes, sizes = source.index.box_xywh, source.index.size_hw[:, ::-1]
    low, high = boxes[:, :2], boxes[:, :2] + boxes[:, 2:]
    is_whole = ((low > 1) & (high < sizes - 1)).all(axis=1) & (boxes[:, 2:].min(axis=1) >= MIN_SIDE_PX)
    sides = np.sqrt(boxes[:, 2] * boxes[:, 3])
    pairs = []
    for first in np.flatnonzero(is_whole):
        for second in range(first + 1, len(source)):
            if source.scenes[second] != source.scenes[first]:
                break
            ratio = max(sides[first] / sides[second], sides[second] / sides[first])
            is_same = source.category[first] == source.category[second]
            if is_whole[second] and is_same and ratio <= MAX_SIZE_RATIO:
                pairs.append((int(first), second))
    return pairs
