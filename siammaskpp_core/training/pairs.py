"""Training pairs: a template crop, a search crop, and the targets that the losses need."""

from __future__ import annotations

import sys
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from siammaskpp_core.arrays import Float32Array, Image, IntArray, Mask
from siammaskpp_core.config import ConfigError
from siammaskpp_core.data.masks import DatasetError
from siammaskpp_core.data.sources.base import Sample, Source
from siammaskpp_core.io.images import MediaError
from siammaskpp_core.network.config import MASK_SIZE, SEARCH_SIZE, TEMPLATE_SIZE, NetworkConfig
from siammaskpp_core.tracking.config import TrackingConfig
from siammaskpp_core.tracking.crops import mean_colour
from siammaskpp_core.tracking.decoding import anchor_grid
from siammaskpp_core.training import augmentation, random_crops
from siammaskpp_core.training.assignment import mask_crop, positive_cells, search_targets
from siammaskpp_core.training.config import TrainingConfig
from siammaskpp_core.training.random_crops import Crop, CropJitter, Rng

CONTEXT = TrackingConfig().context
PADDING_PROBABILITY = 0.2
"""Probability that the background of an object that is not cut out is one colour, the mean of a picture.

The tracker fills the area outside the image with the mean colour of the image itself; here it is that of the
picture of another scene, like every background.
"""
FILLS_IMAGE = 0.6
"""An object that spans more than this fraction of its image is cut out more often: it has little context."""


SMALL_TARGET_SIDES_PX = (12.0, 32.0)
TARGET_SIDE_PX = TEMPLATE_SIZE / (1 + 2 * CONTEXT)
"""Side of a square target in both crops."""

MAX_DRAWS = 1000
"""Number of draws after which no pair is expected any more: the sources and the configuration do not fit."""


class Pair(NamedTuple):
    """One training example.

    template uint8 [127, 127, 3]; search uint8 [255, 255, 3]; labels int8 [A, R, R];
    offsets float32 [4, A, R, R], where R is the response size; cells int64 [K, 2] (row, column),
    -1 where unused; masks uint8 [K, 127, 127], 0 or 1.
    """

    template: Image
    search: Image
    labels: NDArray[np.int8]
    offsets: Float32Array
    cells: IntArray
    masks: NDArray[np.uint8]


class ObjectRef(NamedTuple):
    """Object number `item` of source number `source`, which lies in that source's scene `scene`."""

    source: int
    item: int
    scene: int


class PairDataset:
    """Random training pairs; pair `i` depends only on the seed and `i`, so a resumed run sees the same pairs.

    A negative pair (`negative_probability`) shows another object in the search region, or the target
    behind an occluder (`occluded_probability`). Distractors, occluders and backgrounds come from another
    image or video than the target: from the target's own, they could show it again where the labels say
    background. The exception is `same_class_negative_probability`, where the search region stays in the
    same image and the target keeps its labels if it is visible.
    """

    def __init__(self, sources: list[Source], config: TrainingConfig, network: NetworkConfig) -> None:
        self.sources = sources
        self.config = config
        self._reported: set[str] = set()
        self.has_boxes = network.has_boxes
        self.anchors = anchor_grid(network.anchor_ratios, network.anchor_scale, network.response_size)
        weights = np.asarray(config.source_weights)
        self.source_probabilities = weights / weights.sum()
        used = [source for source, p in zip(sources, self.source_probabilities, strict=True) if p > 0]
        if len(used) == 1 and used[0].scene(0) == used[0].scene(len(used[0]) - 1):
            raise ConfigError("sources: training needs objects from at least two images or videos")

    def __len__(self) -> int:
        return self.config.steps * self.config.batch_size

    def __getitem__(self, index: int) -> Pair:
        cv2.setNumThreads(0)  # data workers share the processors with the training
        rng = np.random.default_rng((self.config.seed, index))
        problem = "the random crops do not show the objects"
        for _ in range(MAX_DRAWS):
            try:
                pair = self.random_pair(rng)
            except (MediaError, DatasetError) as error:  # a file that has been damaged since the start
                problem = str(error)
                self._report(problem)
                continue
            if pair is not None:
                return pair
        raise ConfigError(f"sources: no pair could be made in {MAX_DRAWS} draws: {problem}")

    def _report(self, problem: str) -> None:
        """Print once, in this process, which file cannot be read."""
        if problem not in self._reported:
            self._reported.add(problem)
            print(f"left out: {problem}", file=sys.stderr)

    def random_pair(self, rng: Rng) -> Pair | None:
        """One random pair; None when the random crop does not show the object."""
        config = self.config
        target = self._random_object(rng)
        first, second = self.sources[target.source].pair(target.item, rng)
        if first is second and rng.random() < config.part_probability:
            first = second = random_crops.random_part(first, rng)
        template = self._template(first, target, rng)
        is_negative = rng.random() < config.negative_probability
        is_occluded = is_negative and rng.random() < config.occluded_probability
        shown, in_same_image = second, False
        if is_negative and not is_occluded:
            neighbour = self._same_class_negative(second, target, rng) if first is second else None
            in_same_image = neighbour is not None
            shown = neighbour or self._distractor(target, rng)
        search = self._search(shown, target, rng)
        if template is None or template.box_xywh is None or search is None:
            return None
        if search.box_xywh is None and not in_same_image:
            return None
        if is_occluded and not self._occlude(search, target, rng):
            return None
        if rng.random() < config.flip_probability:
            template, search = random_crops.flip(template), random_crops.flip(search)
        images = self._degrade([template.image, search.image], rng)
        box = None if is_negative and not in_same_image else search.box_xywh
        sampled = config.anchor_sampling == "random"
        labels, offsets = search_targets(box, self.anchors, self.has_boxes, sampled, rng)
        cells, masks = self._masks(labels, search.mask, rng)
        return Pair(images[0], images[1], labels, offsets, cells, masks)

    # Choice of the objects

    def _random_object(self, rng: Rng) -> ObjectRef:
        source = int(rng.choice(len(self.sources), p=self.source_probabilities))
        item = int(rng.integers(len(self.sources[source])))
        return ObjectRef(source, item, self.sources[source].scene(item))

    def _from_another_scene(self, target: ObjectRef, rng: Rng) -> Sample:
        """A random object of another scene than the target's."""
        while True:
            other = self._random_object(rng)
            if (other.source, other.scene) != (target.source, target.scene):
                return self.sources[other.source].sample(other.item, rng)

    def _distractor(self, target: ObjectRef, rng: Rng) -> Sample:
        """An object of another scene; of the target's class with `same_class_distractor_probability`."""
        source = self.sources[target.source]
        item = None
        if rng.random() < self.config.same_class_distractor_probability:
            item = source.same_class_in_other_scene(target.item, rng)
        return self._from_another_scene(target, rng) if item is None else source.sample(item, rng)

    def _same_class_negative(self, sample: Sample, target: ObjectRef, rng: Rng) -> Sample | None:
        """With `same_class_negative_probability`: `sample` centred on another object of the target's class.

        None when that is not drawn or when the image has no such object.
        """
        if rng.random() >= self.config.same_class_negative_probability or sample.mask is None:
            return None
        box = self.sources[target.source].same_class_in_same_picture(target.item, rng)
        return None if box is None else random_crops.centred_on(sample, box)

    # Crops and augmentation

    def _template(self, sample: Sample, target: ObjectRef, rng: Rng) -> Crop | None:
        config = self.config
        jitter = CropJitter(
            config.template_shift,
            config.template_scale_jitter,
            config.rotation / 2,
            config.aspect_ratio_jitter / 2,
        )
        return self._render(sample, target, jitter, TEMPLATE_SIZE, 0.0, rng)

    def _search(self, sample: Sample, target: ObjectRef, rng: Rng) -> Crop | None:
        config = self.config
        shift = config.search_shift * (0.25 if rng.random() < config.small_shift_probability else 1.0)
        scale = config.search_scale_jitter * (3.0 if rng.random() < config.large_scale_probability else 1.0)
        jitter = CropJitter(shift, scale, config.rotation, config.aspect_ratio_jitter)
        crop = self._render(sample, target, jitter, SEARCH_SIZE, config.elastic_deformation, rng)
        if crop is not None and crop.mask is not None and rng.random() < config.copy_paste_probability:
            occlude = rng.random() < config.copy_paste_occlusion_probability
            augmentation.copy_paste(crop, self._distractor(target, rng), occlude, rng)
        return crop

    def _render(
        self,
        sample: Sample,
        target: ObjectRef,
        jitter: CropJitter,
        size: int,
        deformation_px: float,
        rng: Rng,
    ) -> Crop | None:
        matrix = jitter.random_matrix(sample, size, CONTEXT, rng)
        field = None
        if deformation_px and sample.mask is not None:  # a box without a mask cannot follow a deformation
            field = random_crops.random_elastic_field(size, deformation_px * rng.random(), rng)
        warp = random_crops.Warp(matrix, size, field)
        height, width = sample.image.shape[:2]
        fills_image = max(sample.box_xywh[2] / width, sample.box_xywh[3] / height) > FILLS_IMAGE
        probability = self.config.background_swap_probability
        if fills_image and probability:
            probability = (1 + probability) / 2
        cut_out = rng.random() < probability
        return random_crops.render(
            sample, warp, lambda: self._background(target, size, cut_out, rng), cut_out, rng
        )

    def _background(self, target: ObjectRef, size: int, cut_out: bool, rng: Rng) -> Image:
        """A background [size, size, 3] from another scene: a part of an image, or its mean colour."""
        image = self._from_another_scene(target, rng).image
        if not cut_out and rng.random() < PADDING_PROBABILITY:
            return np.full((size, size, 3), mean_colour(image), np.uint8)
        return random_crops.random_background(image, size, rng)

    def _occlude(self, search: Crop, target: ObjectRef, rng: Rng) -> bool:
        """Hide the target behind an occluder, in place; returns False when that failed.

        An object without a mask cannot be cut out: a rectangle of its image is the occluder then.
        """
        is_rectangle = rng.random() < self.config.rectangular_occluder_probability
        other = (self._from_another_scene if is_rectangle else self._distractor)(target, rng)
        if is_rectangle or other.mask is None:
            return augmentation.occlude_with_rectangle(search, other.image, rng)
        return augmentation.occlude_with_object(search, other, rng)

    def _degrade(self, images: list[Image], rng: Rng) -> list[Image]:
        """Change the light and the quality of both crops; what the camera is to blame for, both have."""
        config = self.config
        grayscale = rng.random() < config.grayscale_probability
        is_dark = rng.random() < config.darkness_probability
        side_px = None
        if rng.random() < config.low_resolution_probability:
            side_px = np.exp(rng.uniform(*np.log(SMALL_TARGET_SIDES_PX)))
        degraded = []
        for image in images:
            image = augmentation.photometric_jitter(image, config.photometric_jitter, rng)
            if is_dark:
                image = augmentation.darken(image, rng)
            compress = rng.random() < config.compression_probability
            if side_px is None:
                image = augmentation.degrade_quality(image, config.blur_probability, rng)
                image = augmentation.compress(image, rng) if compress else image
            else:
                image = augmentation.lower_resolution(image, side_px / TARGET_SIDE_PX, compress, rng)
            degraded.append(augmentation.to_grayscale(image) if grayscale else image)
        return degraded

    # The targets of the losses

    def _masks(
        self, labels: NDArray[np.int8], mask: Mask | None, rng: Rng
    ) -> tuple[IntArray, NDArray[np.uint8]]:
        """Random positive cells and the true mask crop at each, in the form that :class:`Pair` documents."""
        count = self.config.mask_positions
        cells = np.full((count, 2), -1, np.int64)
        masks = np.zeros((count, MASK_SIZE, MASK_SIZE), np.uint8)
        if mask is not None:
            chosen = positive_cells(labels, count, rng)
            cells[: len(chosen)] = chosen
            for index, (row, column) in enumerate(chosen):
                masks[index] = mask_crop(mask, row, column)
        return cells, masks
