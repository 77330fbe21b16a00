"""Template and search crops with everything the losses need, made at random but repeatably."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from siammaskpp_core.arrays import Float32Array, Image, IntArray
from siammaskpp_core.config import ConfigError
from siammaskpp_core.data.sources.base import Sample, Source
from siammaskpp_core.network.config import MASK_SIZE, SEARCH_SIZE, TEMPLATE_SIZE, NetworkConfig
from siammaskpp_core.tracking.anchors import anchor_grid
from siammaskpp_core.tracking.config import TrackingConfig
from siammaskpp_core.tracking.crops import mean_colour
from siammaskpp_core.training import augmentation as appearance
from siammaskpp_core.training import augmentation as clutter
from siammaskpp_core.training import views
from siammaskpp_core.training.assignment import mask_crop, positive_cells, search_targets
from siammaskpp_core.training.config import TrainingConfig
from siammaskpp_core.training.views import Geometry, Rng, View

CONTEXT = TrackingConfig().context


class Pair(NamedTuple):
    """One training example.

    template uint8 [127, 127, 3]; search uint8 [255, 255, 3]; labels int8 [A, 25, 25];
    offsets float32 [4, A, 25, 25]; cells int64 [K, 2] (row, column), -1 where unused;
    masks uint8 [K, 127, 127], 0 or 1.
    """

    template: Image
    search: Image
    labels: NDArray[np.int8]
    offsets: Float32Array
    cells: IntArray
    masks: Image


class Place(NamedTuple):
    """Object number `item` of source number `source`, in the source's scene number `scene`."""

    source: int
    item: int
    scene: int


class PairDataset:
    """Random pairs. Pair `i` depends on the seed and `i` alone, so a resumed run sees the same ones.

    In `negative_share` of the pairs the search region shows another object, or one that covers the
    target (`covered_share`). That object, whatever is pasted and whatever lies in the background come
    from another picture or video than the template: beside the object itself they could show it again,
    where the labels say that it is not. Only with `beside_share` is it one of the same picture, where the
    target, if seen, has its labels.
    """

    def __init__(self, sources: list[Source], config: TrainingConfig, network: NetworkConfig) -> None:
        self.sources = sources
        self.config = config
        self.has_boxes = network.has_boxes
        self.anchors = anchor_grid(network.anchor_ratios, network.anchor_scale, network.response_size)
        weights = np.asarray(config.source_weights)
        self.source_share = weights / weights.sum()
        used = [source for source, share in zip(sources, self.source_share, strict=True) if share > 0]
        if len(used) == 1 and used[0].scene(0) == used[0].scene(len(used[0]) - 1):
            raise ConfigError("sources: training needs objects from at least two pictures or videos")

    def __len__(self) -> int:
        return self.config.steps * self.config.batch_size

    def __getitem__(self, index: int) -> Pair:
        cv2.setNumThreads(0)  # data workers share the processors with the training
        rng = np.random.default_rng((self.config.seed, index))
        while True:
            pair = self._try(rng)
            if pair is not None:
                return pair

    def _try(self, rng: Rng) -> Pair | None:
        """One random pair, None when the draw hid the object."""
        config = self.config
        place = self._draw(rng)
        first, second = self.sources[place.source].pair(place.item, rng)
        if first is second and rng.random() < config.part_share:
            first = second = views.random_part(first, rng)
        template = self._template(first, place, rng)
        negative = rng.random() < config.negative_share
        covered = negative and rng.random() < config.covered_share
        shown, is_beside = second, False
        if negative and not covered:
            beside = self._beside(second, place, rng) if first is second else None
            is_beside = beside is not None
            shown = beside or self._other(place, rng)
        search = self._search(shown, place, rng)
        if template is None or template.box_xywh is None or search is None:
            return None
        if search.box_xywh is None and not is_beside:
            return None
        if covered and not self._cover(search, place, rng):
            return None
        if rng.random() < config.mirror:
            template, search = views.mirror(template), views.mirror(search)
        grey = rng.random() < config.grey
        images = [self._degrade(view.image, grey, rng) for view in (template, search)]
        box = None if negative and not is_beside else search.box_xywh
        sampled = config.anchor_choice == "random"
        labels, offsets = search_targets(box, self.anchors, self.has_boxes, sampled, rng)
        cells, masks = self._masks(labels, search.mask, rng)
        return Pair(images[0], images[1], labels, offsets, cells, masks)

    def _draw(self, rng: Rng) -> Place:
        source = int(rng.choice(len(self.sources), p=self.source_share))
        item = int(rng.integers(len(self.sources[source])))
        return Place(source, item, self.sources[source].scene(item))

    def _elsewhere(self, place: Place, rng: Rng) -> Sample:
        """An object of another scene than that of `place`."""
        while True:
            other = self._draw(rng)
            if (other.source, other.scene) != (place.source, place.scene):
                return self.sources[other.source].sample(other.item, rng)

    def _other(self, place: Place, rng: Rng) -> Sample:
        """An object to take for the target by mistake: in `alike_share` of the cases of its category."""
        source = self.sources[place.source]
        alike = source.same_class_object(place.item, rng) if rng.random() < self.config.alike_share else None
        return self._elsewhere(place, rng) if alike is None else source.sample(alike, rng)

    def _beside(self, sample: Sample, place: Place, rng: Rng) -> Sample | None:
        """In `beside_share` of the cases the picture of `sample` around another object of its category."""
        if rng.random() >= self.config.beside_share or sample.mask is None:
            return None
        box = self.sources[place.source].same_class_distractor(place.item, rng)
        return None if box is None else views.moved_to(sample, box)

    def _cover(self, search: View, place: Place, rng: Rng) -> bool:
        """Hide the target, in place; False when that failed."""
        if rng.random() < self.config.board_share:
            return clutter.cover_with_board(search, self._elsewhere(place, rng).image, rng)
        return clutter.cover_object(search, self._other(place, rng), rng)

    def _background(self, place: Place, size: int, cutout: bool, rng: Rng) -> Image:
        picture = self._elsewhere(place, rng).image
        if not cutout and rng.random() < 0.2:  # as a tracker pads
            return np.full((size, size, 3), mean_colour(picture), np.uint8)
        return views.random_background(picture, size, rng)

    def _template(self, sample: Sample, place: Place, rng: Rng) -> View | None:
        config = self.config
        geometry = Geometry(
            config.template_shift, config.template_scale, config.rotation / 2, config.aspect / 2
        )
        return self._render(sample, place, geometry, TEMPLATE_SIZE, 0.0, rng)

    def _search(self, sample: Sample, place: Place, rng: Rng) -> View | None:
        config = self.config
        shift = config.search_shift * (0.25 if rng.random() < config.small_shift_share else 1.0)
        scale = config.search_scale * (3.0 if rng.random() < config.large_scale_share else 1.0)
        geometry = Geometry(shift, scale, config.rotation, config.aspect)
        view = self._render(sample, place, geometry, SEARCH_SIZE, config.bend, rng)
        if view is not None and view.mask is not None and rng.random() < config.paste_share:
            occlude = rng.random() < config.occluder_share
            clutter.paste_object(view, self._other(place, rng), occlude, rng)
        return view

    def _render(
        self, sample: Sample, place: Place, geometry: Geometry, size: int, bend: float, rng: Rng
    ) -> View | None:
        matrix = geometry.matrix(sample, size, CONTEXT, rng)
        field = None
        if bend and sample.mask is not None:  # a box without a mask cannot follow
            field = views.random_bend(size, bend * rng.random(), rng)
        warp = views.Warp(matrix, size, field)
        # An object that fills its picture has no surroundings of its own: cut it out more often.
        height, width = sample.image.shape[:2]
        fills = max(sample.box_xywh[2] / width, sample.box_xywh[3] / height) > 0.6
        share = self.config.cutout_share
        cutout = rng.random() < ((1 + share) / 2 if fills and share else share)
        return views.render(sample, warp, lambda: self._background(place, size, cutout, rng), cutout, rng)

    def _degrade(self, image: Image, grey: bool, rng: Rng) -> Image:
        image = appearance.change_light(image, self.config.light, rng)
        image = appearance.lower_quality(image, self.config.blur, rng)
        return appearance.to_grey(image) if grey else image

    def _masks(self, labels: NDArray[np.int8], mask: Image | None, rng: Rng) -> tuple[IntArray, Image]:
        count = self.config.mask_positions
        cells = np.full((count, 2), -1, np.int64)
        masks = np.zeros((count, MASK_SIZE, MASK_SIZE), np.uint8)
        if mask is not None:
            chosen = positive_cells(labels, count, rng)
            cells[: len(chosen)] = chosen
            for slot, (row, column) in enumerate(chosen):
                masks[slot] = mask_crop(mask, row, column)
        return cells, masks
