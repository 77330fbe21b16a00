"""The source of objects in a prepared data set."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from siammaskpp_core.arrays import Float64Array, IntArray, Mask
from siammaskpp_core.data.masks import DatasetError
from siammaskpp_core.data.preparation.annotations import coco_masks
from siammaskpp_core.data.preparation.index import ObjectIndex
from siammaskpp_core.data.sources.base import ImageCache, Rng, Sample, nearby_frames
from siammaskpp_core.errors import with_causes


class IndexedSource:
    """The objects of `index`; the pictures are in the folder `root`.

    The two frames of a pair are at most `frame_range` pictures of the video apart. `left_out` holds messages
    about files that could not be read; pictures that do not exist any more are left out, too.
    """

    def __init__(
        self,
        index: ObjectIndex,
        root: Path,
        frame_range: int,
        cache: ImageCache,
        left_out: Sequence[str] = (),
    ) -> None:
        self.left_out = list(left_out)
        index = self._existing(index, root)
        self.index, self.root, self.frame_range, self.cache = index, root, frame_range, cache
        self.scenes = np.repeat(np.arange(len(index.folder), dtype=np.int32), index.objects_per_scene)
        self.first_instance = _offsets(index.instances_per_object)
        self.first_byte = _offsets(index.rle_length)
        _, self.category, counts = np.unique(index.category, return_inverse=True, return_counts=True)
        self.by_category = np.argsort(self.category, kind="stable")
        self.scenes_by_category = self.scenes[self.by_category]
        self.first_of_category = _offsets(counts)

    def __len__(self) -> int:
        return len(self.scenes)

    def scene(self, index: int) -> int:
        """See :class:`Source`."""
        return int(self.scenes[index])

    def same_class_in_other_scene(self, index: int, rng: Rng) -> int | None:
        """See :class:`Source`."""
        if not self.index.category[index]:
            return None
        same, here = self._of_category(index)
        others = len(same) - (here.stop - here.start)
        if not others:
            return None
        chosen = rng.integers(others)
        return int(same[chosen if chosen < here.start else chosen + here.stop - here.start])

    def same_class_in_same_picture(self, index: int, rng: Rng) -> Float64Array | None:
        """See :class:`Source`; always None for videos, in which every object has frames of its own."""
        if not self.index.category[index] or self.index.instances_per_object[index] > 1:
            return None
        same, here = self._of_category(index)
        others = same[here][same[here] != index]
        return self._box(int(self.first_instance[rng.choice(others)])) if len(others) else None

    def sample(self, index: int, rng: Rng) -> Sample:
        """See :class:`Source`."""
        return self._read(index, int(rng.integers(*self.first_instance[index : index + 2])))

    def pair(self, index: int, rng: Rng) -> tuple[Sample, Sample]:
        """See :class:`Source`."""
        start, end = self.first_instance[index : index + 2]
        first, second = nearby_frames(self.index.time[start:end], self.frame_range, rng)
        sample = self._read(index, int(start + first))
        return sample, sample if second == first else self._read(index, int(start + second))

    def _existing(self, index: ObjectIndex, root: Path) -> ObjectIndex:
        """Return the index of the pictures that exist; each folder is listed once.

        Raises :class:`DatasetError` when there are none.
        """
        folders, folder_of_scene = np.unique(index.folder, return_inverse=True)
        folder_of_object = np.repeat(folder_of_scene, index.objects_per_scene)
        folder_of_instance = np.repeat(folder_of_object, index.instances_per_object)
        by_folder = np.argsort(folder_of_instance, kind="stable")
        ends = np.cumsum(np.bincount(folder_of_instance, minlength=len(folders)))
        exists = np.zeros(len(index.picture), np.bool_)
        for folder, instances in zip(folders, np.split(by_folder, ends[:-1]), strict=True):
            place = os.path.join(os.fsencode(root), folder)
            names = set(os.listdir(place)) if os.path.isdir(place) else set[bytes]()
            pictures = index.picture[instances]
            exists[instances] = [picture in names for picture in pictures.tolist()]
            missing = sorted(set(pictures.tolist()) - names)
            self.left_out += [f"{os.fsdecode(os.path.join(place, name))}: no such file" for name in missing]
        if not exists.any():
            raise DatasetError(with_causes(f"{root}: none of its pictures exists", self.left_out))
        return index if exists.all() else index.only(exists)

    def _of_category(self, index: int) -> tuple[NDArray[np.intp], slice]:
        """Return all objects of the same category in order of their scenes, and the slice in this scene."""
        category, scene = self.category[index], self.scenes[index]
        run = slice(*self.first_of_category[category : category + 2])
        low, high = np.searchsorted(self.scenes_by_category[run], [scene, scene + 1])
        return self.by_category[run], slice(int(low), int(high))

    def _read(self, index: int, instance: int) -> Sample:
        folder = os.fsdecode(self.index.folder[self.scenes[index]])
        path = self.root / folder / os.fsdecode(self.index.picture[instance])
        image = self.cache.read(path)
        mask = self._mask(instance)
        if mask is not None and mask.shape != image.shape[:2]:
            raise DatasetError(f"{path}: picture {image.shape[:2]} and mask {mask.shape} differ in size")
        return Sample(image, self._box(instance), mask)

    def _box(self, instance: int) -> Float64Array:
        return self.index.box_xywh[instance].astype(np.float64)

    def _mask(self, instance: int) -> Mask | None:
        start, end = self.first_byte[instance : instance + 2]
        if start == end:
            return None
        height, width = self.index.size_hw[instance]
        coded = {"size": [int(height), int(width)], "counts": self.index.rle[start:end].tobytes()}
        return np.multiply(coco_masks().decode(coded), 255, order="C", dtype=np.uint8)


def _offsets(counts: NDArray[np.integer[Any]]) -> IntArray:
    """Return where each of N runs of `counts` [N] entries begins, and where the last one ends [N + 1]."""
    return np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])
