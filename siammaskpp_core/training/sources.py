"""Where training objects come from: image + mask folders, COCO files, videos with a box per frame."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from siammaskpp_core.config import ConfigError
from siammaskpp_core.tracking.boxes import mask_hull
from siammaskpp_core.video import read_image

Image = NDArray[np.uint8]
Array = NDArray[np.float64]


class Sample(NamedTuple):
    """One object in one picture: BGR image, its box (x, y, w, h) in pixels, its mask (0/255) if known."""

    image: Image
    box_xywh: Array
    mask: Image | None


class Source(Protocol):
    """A set of objects. `pair` gives the same object twice: at two times of a video, or one picture."""

    def __len__(self) -> int: ...

    def pair(self, index: int, rng: np.random.Generator) -> tuple[Sample, Sample]:
        """Object number `index` for the template, and again for the search region."""
        ...


def open_source(spec: str) -> Source:
    """The source of a line such as `masks:DIR`, `coco:DIR` or `videos:DIR` in a training configuration.

    Raises :class:`ConfigError` naming what is missing.
    """
    kind, _, place = spec.partition(":")
    kinds: dict[str, Callable[[Path], Source]] = {
        "masks": MaskFolder,
        "coco": CocoFolder,
        "videos": VideoFolder,
    }
    if kind not in kinds or not place:
        raise ConfigError(f"source {spec!r}: write one of {', '.join(f'{k}:DIR' for k in kinds)}")
    return kinds[kind](Path(place).expanduser())


class MaskFolder:
    """`images/*.jpg` with `masks/*.png` of the same name: one object a picture."""

    def __init__(self, root: Path) -> None:
        self.images = sorted((root / "images").glob("*.jpg"))
        self.masks = root / "masks"
        if not self.images:
            raise ConfigError(f"{root}: no pictures in {root / 'images'}")

    def __len__(self) -> int:
        return len(self.images)

    def pair(self, index: int, rng: np.random.Generator) -> tuple[Sample, Sample]:
        """See :class:`Source`."""
        path = self.images[index]
        annotation = read_image(self.masks / f"{path.stem}.png", cv2.IMREAD_GRAYSCALE)
        mask = cv2.threshold(annotation, 127, 255, cv2.THRESH_BINARY)[1]
        return _still(read_image(path), mask.astype(np.uint8), path)


class CocoFolder:
    """`images/` and `instances.json` in COCO's format; objects under `MIN_SIDE` pixels are left out."""

    MIN_SIDE = 20

    def __init__(self, root: Path) -> None:
        try:
            from pycocotools.coco import COCO
        except ImportError as error:
            raise ImportError("COCO files need pycocotools: pip install 'siammaskpp[train]'") from error
        annotations = root / "instances.json"
        if not annotations.is_file():
            raise ConfigError(f"{annotations} is missing")
        self.images = root / "images"
        self.coco = COCO(str(annotations))
        self.objects = [
            annotation
            for annotation in self.coco.loadAnns(self.coco.getAnnIds(iscrowd=False))
            if min(annotation["bbox"][2:]) >= self.MIN_SIDE
        ]

    def __len__(self) -> int:
        return len(self.objects)

    def pair(self, index: int, rng: np.random.Generator) -> tuple[Sample, Sample]:
        """See :class:`Source`."""
        annotation = self.objects[index]
        path = self.images / self.coco.imgs[annotation["image_id"]]["file_name"]
        return _still(read_image(path), self.coco.annToMask(annotation) * np.uint8(255), path)


class VideoFolder:
    """`NAME/img/*.jpg` with `groundtruth_rect.txt` (x,y,w,h a line): boxes over time, no masks.

    Every frame is one entry; the partner of a frame is at most `MAX_GAP` frames away.
    """

    MAX_GAP = 30
    MIN_SIDE = 6

    def __init__(self, root: Path) -> None:
        self.frames: list[tuple[Path, Array]] = []
        self.spans: list[tuple[int, int]] = []
        for truth in sorted(root.glob("*/groundtruth_rect.txt")):
            boxes = np.loadtxt(truth, delimiter=",", ndmin=2)
            images = sorted((truth.parent / "img").glob("*.jpg"))
            present = [
                (image, box)
                for image, box in zip(images, boxes, strict=False)
                if np.isfinite(box).all() and min(box[2:]) >= self.MIN_SIDE
            ]
            first = len(self.frames)
            self.frames += present
            self.spans += [(first, len(self.frames))] * len(present)
        if not self.frames:
            raise ConfigError(f"{root}: no NAME/groundtruth_rect.txt with visible objects")

    def __len__(self) -> int:
        return len(self.frames)

    def pair(self, index: int, rng: np.random.Generator) -> tuple[Sample, Sample]:
        """See :class:`Source`."""
        first, end = self.spans[index]
        low, high = max(first, index - self.MAX_GAP), min(end, index + self.MAX_GAP + 1)
        other = int(rng.integers(low, high))
        return self._sample(index), self._sample(other)

    def _sample(self, index: int) -> Sample:
        path, box = self.frames[index]
        return Sample(read_image(path), box, None)


def _still(image: Image, mask: Image, path: Path) -> tuple[Sample, Sample]:
    box = mask_hull(mask)
    if box is None:
        raise ValueError(f"{path}: its mask is empty")
    if mask.shape != image.shape[:2]:
        raise ValueError(f"{path}: image {image.shape[:2]} and mask {mask.shape} differ in size")
    sample = Sample(image, box, mask)
    return sample, sample
