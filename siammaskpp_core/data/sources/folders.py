"""Sources that need no preparation: a folder of pictures with masks, and folders of videos."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from siammaskpp_core.config import ConfigError
from siammaskpp_core.data.sequences import DatasetError, VideoSequence, find_sequences
from siammaskpp_core.data.sources.base import ImageCache, Rng, Sample, Source, nearby_frames
from siammaskpp_core.tracking.boxes import mask_bounding_box


class MaskFolder(Source):
    """`images/*.jpg` and `masks/*.png` of the same name; each picture holds one object."""

    def __init__(self, root: Path, cache: ImageCache) -> None:
        self.cache = cache
        self.images = sorted((root / "images").glob("*.jpg"))
        self.masks = root / "masks"
        if not self.images:
            raise ConfigError(f"{root}: there are no pictures in {root / 'images'}")

    def __len__(self) -> int:
        return len(self.images)

    def scene(self, index: int) -> int:
        """See :class:`Source`."""
        return index

    def sample(self, index: int, rng: Rng) -> Sample:
        """See :class:`Source`; raises :class:`DatasetError` for an unusable mask."""
        path = self.images[index]
        image = self.cache.read(path)
        annotation = self.cache.read(self.masks / f"{path.stem}.png", is_grey=True)
        mask = cv2.threshold(annotation, 127, 255, cv2.THRESH_BINARY)[1].astype(np.uint8)
        box = mask_bounding_box(mask)
        if box is None:
            raise DatasetError(f"{path}: its mask is empty")
        if mask.shape != image.shape[:2]:
            raise DatasetError(f"{path}: image {image.shape[:2]} and mask {mask.shape} differ in size")
        return Sample(image, box, mask)

    def pair(self, index: int, rng: Rng) -> tuple[Sample, Sample]:
        """See :class:`Source`; both samples are the same picture."""
        sample = self.sample(index, rng)
        return sample, sample


class VideoFolder(Source):
    """Videos in any layout that :mod:`siammaskpp_core.data.sequences` reads; DAVIS also has masks.

    The two frames of a pair are at most `frame_range` frames apart. Boxes with a side under `MIN_SIDE`
    pixels are left out.
    """

    MIN_SIDE = 6

    def __init__(self, root: Path, frame_range: int, cache: ImageCache) -> None:
        self.frame_range, self.cache = frame_range, cache
        self.sequences: list[VideoSequence] = []
        self.visible: list[NDArray[np.intp]] = []
        for sequence in find_sequences([root]):
            # The box of an absent object is NaN, and a comparison with NaN is false.
            visible = np.flatnonzero(sequence.boxes[:, 2:].min(axis=1) >= self.MIN_SIDE)
            if len(visible):
                self.sequences.append(sequence)
                self.visible.append(visible)
        if not self.sequences:
            raise ConfigError(f"{root}: no object is {self.MIN_SIDE} pixels large in any video")
        numbers: dict[Path, int] = {}  # each object of a video is a sequence of its own
        folders = [sequence.frames[0].parent for sequence in self.sequences]
        self.scenes = [numbers.setdefault(folder, len(numbers)) for folder in folders]

    def __len__(self) -> int:
        return len(self.sequences)

    def scene(self, index: int) -> int:
        """See :class:`Source`."""
        return self.scenes[index]

    def sample(self, index: int, rng: Rng) -> Sample:
        """See :class:`Source`."""
        return self._read(index, int(rng.choice(self.visible[index])))

    def pair(self, index: int, rng: Rng) -> tuple[Sample, Sample]:
        """See :class:`Source`."""
        first, second = nearby_frames(self.visible[index], self.frame_range, rng)
        frames = self.visible[index]
        return self._read(index, int(frames[first])), self._read(index, int(frames[second]))

    def _read(self, index: int, frame: int) -> Sample:
        sequence = self.sequences[index]
        mask = sequence.mask(frame) if sequence.annotations else None
        return Sample(self.cache.read(sequence.frames[frame]), sequence.boxes[frame], mask)
