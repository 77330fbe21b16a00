"""Sources that need no preparation: a folder of pictures with masks, and folders of videos."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from siammaskpp_core.config import ConfigError
from siammaskpp_core.data.masks import DatasetError, only_mask
from siammaskpp_core.data.sequences import VideoSequence, find_sequences
from siammaskpp_core.data.sources.base import ImageCache, Rng, Sample, Source, nearby_frames, size_problem
from siammaskpp_core.errors import with_causes
from siammaskpp_core.io.images import MediaError, image_files, other_images, read_annotation
from siammaskpp_core.tracking.boxes import mask_bounding_box


class MaskFolder(Source):
    """Pictures in `images/` and `masks/*.png` of the same name; each picture holds one object.

    All masks, and the headers of all pictures, are checked when the source is opened.
    """

    def __init__(self, root: Path, cache: ImageCache) -> None:
        self.cache = cache
        self.masks = root / "masks"
        folder = root / "images"
        found = image_files(folder)
        if not found:
            raise ConfigError(f"{root}: there are no pictures in {folder}")
        problems = {path: self._problem(path) for path in found}
        self.images = [path for path, problem in problems.items() if problem is None]
        self.left_out = [problem for problem in problems.values() if problem is not None]
        self.left_out += [f"{path}: {path.suffix} images are not read" for path in other_images(folder)]
        if not self.images:
            raise ConfigError(with_causes(f"{root}: no picture can be used", self.left_out))

    def __len__(self) -> int:
        return len(self.images)

    def scene(self, index: int) -> int:
        """See :class:`Source`."""
        return index

    def sample(self, index: int, rng: Rng) -> Sample:
        """See :class:`Source`; raises :class:`MediaError` for a file that has been damaged since."""
        path = self.images[index]
        image = self.cache.read(path)
        mask = only_mask(self.cache.read(self._mask_file(path), is_annotation=True))
        box = mask_bounding_box(mask)
        assert box is not None, "only pictures with an object are kept"
        return Sample(image, box, mask)

    def pair(self, index: int, rng: Rng) -> tuple[Sample, Sample]:
        """See :class:`Source`; both samples are the same picture."""
        sample = self.sample(index, rng)
        return sample, sample

    def _mask_file(self, picture: Path) -> Path:
        return self.masks / f"{picture.stem}.png"

    def _problem(self, picture: Path) -> str | None:
        """Return why a picture cannot be used, None for a good one."""
        file = self._mask_file(picture)
        try:
            mask = only_mask(read_annotation(file))
        except MediaError as error:
            return f"{picture}: its mask cannot be used: {error}"
        except DatasetError as error:
            return f"{file}: {error}; give each picture one object"
        if not mask.any():
            return f"{picture}: its mask is empty"
        return size_problem(picture, (mask.shape[0], mask.shape[1]))


class VideoFolder(Source):
    """Videos in any layout that :mod:`siammaskpp_core.data.sequences` reads; DAVIS also has masks.

    The two frames of a pair are at most `frame_range` frames apart. Boxes with a side under `MIN_SIDE`
    pixels are left out. The headers of all pictures are checked when the source is opened.
    """

    MIN_SIDE = 6

    def __init__(self, root: Path, frame_range: int, cache: ImageCache) -> None:
        self.frame_range, self.cache = frame_range, cache
        self.sequences: list[VideoSequence] = []
        self.visible: list[NDArray[np.intp]] = []
        self.left_out: list[str] = []
        problems: dict[Path, str | None] = {}  # several objects share their pictures
        for sequence in find_sequences([root], self.left_out):
            size = sequence.mask(0).shape[:2] if sequence.annotations else None
            for frame in sequence.frames:
                if frame not in problems:
                    problems[frame] = size_problem(frame, size)
            is_readable = np.array([problems[frame] is None for frame in sequence.frames])
            # The box of an absent object is NaN, and a comparison with NaN is false.
            is_large = sequence.boxes[:, 2:].min(axis=1) >= self.MIN_SIDE
            visible = np.flatnonzero(is_readable & is_large)
            if len(visible):
                self.sequences.append(sequence)
                self.visible.append(visible)
            else:
                place = sequence.frames[0].parent
                self.left_out.append(f"{place}: {sequence.name} is nowhere {self.MIN_SIDE} pixels large")
        self.left_out += [problem for problem in problems.values() if problem is not None]
        if not self.sequences:
            raise ConfigError(with_causes(f"{root}: no object can be used", self.left_out))
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
