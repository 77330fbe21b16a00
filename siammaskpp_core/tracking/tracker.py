"""The one-step tracker: from a template and the last box to boxes, mask and confidence in the next image."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from siammaskpp_core.arrays import Float32Array, Float64Array, Image, Mask
from siammaskpp_core.errors import UserError
from siammaskpp_core.network.config import SEARCH_SIZE, STRIDE, NetworkConfig
from siammaskpp_core.tracking.boxes import BoxFusion, Place, RotatedBox, checked_box
from siammaskpp_core.tracking.config import TrackingConfig
from siammaskpp_core.tracking.crops import CropWindow, context_side, mean_colour
from siammaskpp_core.tracking.decoding import Peak, calibrated, make_decoder
from siammaskpp_core.tracking.masks import MaskOutline, guided_filter, mask_window, outline, paste_mask

if TYPE_CHECKING:
    from siammaskpp_core.network.protocol import Engine, SearchOutput

STAGES = ("crop", "search", "decode", "decide", "refine", "paste", "learn")
"""Parts of a step in their order: the keys of :attr:`Tracker.timings`. Long-term tracking alone has to decide
and to learn."""
NETWORK_STAGES = ("search", "refine")
"""The stages in which the network runs."""

MIN_SIDE_PX = 10
"""A target's sides do not shrink below this: smaller ones would make the search region unstable."""


class ImageError(UserError):
    """An image that is not uint8 [height, width, 3]; the message says what was given."""


@dataclass(frozen=True)
class Template:
    """The memory of one target that the network needs. It is made from the image on which its box was drawn.

    `kernels` are the template's features as the engine returns them, `padding_bgr` is the colour of crops
    outside the image, and `box_fusion` says how the reported box is made of mask and decoded box.
    """

    kernels: Float32Array
    padding_bgr: tuple[float, ...]
    box_fusion: BoxFusion

    def __repr__(self) -> str:
        return f"Template(kernels {self.kernels.shape}, {self.box_fusion})"


class SearchRegion(NamedTuple):
    """A square of the image in which a target is searched for.

    `place` gives the centre of the square and the size that the target is expected to have. The square is
    `scale` times as wide as usual. The cosine window prefers its centre unless `prefers_center` is False.
    """

    template: Template
    place: Place
    scale: float = 1.0
    prefers_center: bool = True

    def window(self, config: TrackingConfig, scale: float = 1.0) -> CropWindow:
        """Return the crop that shows this region, or one `scale` times as wide."""
        side = context_side(self.place.width, self.place.height, config.context)
        return CropWindow.search(self.place.center_x, self.place.center_y, side * self.scale * scale)


class Candidate(NamedTuple):
    """A peak of the response in a search region, with the crop and the network's output."""

    region: SearchRegion
    window: CropWindow
    peak: Peak
    output: SearchOutput

    @property
    def place(self) -> Place:
        """The decoded box in image pixels."""
        x, y = self.peak.center_xy / self.window.scale
        width, height = self.peak.size_wh / self.window.scale
        return Place(
            self.window.center_x + float(x), self.window.center_y + float(y), float(width), float(height)
        )


@dataclass(frozen=True)
class TrackResult:
    """Where a target is in one image.

    `box_xywh`, float64 [4], is the axis-aligned box: the bounding box of the mask fused with the decoded box
    (:class:`~siammaskpp_core.tracking.boxes.BoxFusion`). `rotated_box` encloses the mask. Both come from the
    decoded box alone when the mask is empty or the network has none. `confidence`, 0 to 1, is the calibrated
    probability that this is the target. `mask`, uint8 [H, W], is 255 on the target and 0 elsewhere; None for
    a network without masks. It is the largest of the parts that the network has found, with `mask_fraction`
    of their pixels. Boxes are in continuous pixel coordinates (see :mod:`siammaskpp_core.tracking.boxes`).
    """

    box_xywh: Float64Array
    rotated_box: RotatedBox
    confidence: float
    mask: Mask | None
    mask_fraction: float = 1.0

    def __repr__(self) -> str:
        box = ", ".join(f"{value:.1f}" for value in self.box_xywh)
        mask = "no mask" if self.mask is None else f"mask of {np.count_nonzero(self.mask)} pixels"
        return f"TrackResult(box_xywh [{box}], confidence {self.confidence:.2f}, {mask})"


class Tracker:
    """The SiamMask++ step. It keeps no target: templates and places are the caller's.

    One tracker serves any number of targets. It decides nothing over time; see
    :class:`~siammaskpp_core.tracking.long_term.tracker.LongTermTracker` for that.
    """

    def __init__(
        self, engine: Engine, network: NetworkConfig | None = None, config: TrackingConfig | None = None
    ) -> None:
        self.engine = engine
        self.config = config or TrackingConfig()
        self.timings: dict[str, float] = {}
        """Milliseconds of the last step by stage (:data:`STAGES`)."""
        network = network or NetworkConfig()
        self._decoder = make_decoder(network)
        self._response_extent = (network.response_size - 1) * STRIDE
        self.has_masks = network.mask != "none"
        self._crops = np.empty((0, SEARCH_SIZE, SEARCH_SIZE, 3), np.uint8)

    def init(self, image: Image, box_xywh: ArrayLike) -> tuple[SearchRegion, Candidate, TrackResult]:
        """Make the template of the object in a box of an image, and search for it in that image.

        `image` is BGR, uint8 [H, W, 3]; `box_xywh` is x, y, width, height in pixels. Returns the region in
        which to search the next image, and the best candidate in this one with its result. That result tells
        the template how the box was drawn (`mask_box_gain` and `size_correction` of the configuration).

        Raises :class:`~siammaskpp_core.tracking.boxes.BoxError` for a box that cannot be tracked and
        :class:`ImageError` for anything but such an image.
        """
        region = self._initial_region(image, box_xywh)
        ((candidate,),) = self.search(image, [region])
        with self.timed("refine"):
            (probability,) = self._mask_probabilities([candidate])
        with self.timed("paste"):
            mask, shape = self._paste(image, candidate, probability)
        fusion = region.template.box_fusion
        if self.config.mask_box_gain or self.config.size_correction:
            mask_box = None if shape is None else shape.box_xywh
            fusion = BoxFusion.learned(region.place.box_xywh, candidate.place.box_xywh, mask_box, self.config)
            region = region._replace(template=replace(region.template, box_fusion=fusion))
        return region, candidate, self._result(candidate, fusion, mask, shape)

    def try_boxes(self, image: Image, boxes_xywh: Sequence[ArrayLike]) -> list[TrackResult]:
        """Return the result for each box as if a target had been set on it in this image.

        The searches run as one batch, and no template learns how its box was drawn. Raises the errors of
        :meth:`init`.
        """
        regions = [self._initial_region(image, box) for box in boxes_xywh]
        return self.refine(image, [best for best, *_ in self.search(image, regions)])

    def step(self, image: Image, regions: Sequence[SearchRegion]) -> list[tuple[SearchRegion, TrackResult]]:
        """Search each region of the next image; return the regions for the image after it, and the results.

        This is the plain SiamMask step: it follows the best peak, whatever its confidence.
        """
        candidates = [best for best, *_ in self.search(image, regions)]
        results = self.refine(image, candidates)
        followed = [
            SearchRegion(candidate.region.template, self.next_place(candidate, result, image.shape))
            for candidate, result in zip(candidates, results, strict=True)
        ]
        return list(zip(followed, results, strict=True))

    def search(self, image: Image, regions: Sequence[SearchRegion], count: int = 1) -> list[list[Candidate]]:
        """Return one to `count` candidates, the best first, in each of `regions` of a BGR image.

        All regions are searched as one batch. Candidates are valid until the next search.
        """
        _check_image(image)
        self.timings = {}
        scales = self._decoder.scales
        owners = [region.template for region in regions for _ in scales]
        windows = [region.window(self.config, scale) for region in regions for scale in scales]
        with self.timed("crop"):
            crops = self._cut(image, windows, owners)
        with self.timed("search"):
            outputs = self.engine.search(crops, [template.kernels for template in owners])
        candidates = []
        with self.timed("decode"):
            for first, region in zip(range(0, len(outputs), len(scales)), regions, strict=True):
                peaks = self._peaks(outputs[first : first + len(scales)], region, count)
                chosen = [(first + peak.scale_index, peak) for peak in peaks]
                candidates.append(
                    [Candidate(region, windows[index], peak, outputs[index]) for index, peak in chosen]
                )
        return candidates

    def refine(self, image: Image, candidates: Sequence[Candidate]) -> list[TrackResult]:
        """Return mask, boxes and confidence of each candidate of the last call of :meth:`search`."""
        with self.timed("refine"):
            probabilities = self._mask_probabilities(candidates)
        with self.timed("paste"):
            return [
                self._result(
                    candidate,
                    candidate.region.template.box_fusion,
                    *self._paste(image, candidate, probability),
                )
                for candidate, probability in zip(candidates, probabilities, strict=True)
            ]

    def next_place(
        self,
        candidate: Candidate,
        result: TrackResult,
        image_shape: tuple[int, ...],
        adopts_size: bool = False,
    ) -> Place:
        """Return where to search for a target in the next image when it has been found as `candidate`.

        The centre is that of the decoded box. The size approaches the geometric mean of the decoded box,
        corrected as in the image in which the target was set, and the reported box of `result` by `size_lr`
        times the candidate's score, or takes it at once when `adopts_size`. The reference implementation
        takes the decoded box alone. That is often too large, and a search region that is too large makes the
        next box larger still; a mask that misses parts of the target would make the region smaller and
        smaller.
        """
        peak, before, found = candidate.peak, candidate.region.place, candidate.place
        rate = 1.0 if adopts_size else peak.penalty * peak.probability * self.config.size_lr
        decoded = np.multiply((found.width, found.height), candidate.region.template.box_fusion.decoded_ratio)
        found_width, found_height = np.sqrt(result.box_xywh[2:] * decoded).tolist()
        height, width = image_shape[:2]
        return Place(
            float(np.clip(found.center_x, 0, width)),
            float(np.clip(found.center_y, 0, height)),
            float(np.clip(before.width + rate * (found_width - before.width), MIN_SIDE_PX, width)),
            float(np.clip(before.height + rate * (found_height - before.height), MIN_SIDE_PX, height)),
        )

    def response_extent_px(self, region: SearchRegion) -> float:
        """Return the side of the square, in the middle of `region`, in which peaks can lie."""
        return self._response_extent / region.window(self.config).scale

    def _initial_region(self, image: Image, box_xywh: ArrayLike) -> SearchRegion:
        """Return the region around a box, with a template that knows nothing yet of how the box was drawn."""
        _check_image(image)
        x, y, width, height = map(float, checked_box(box_xywh, image.shape[1], image.shape[0]))
        place = Place(x + width / 2, y + height / 2, width, height)
        padding = mean_colour(image)
        side = context_side(width, height, self.config.context)
        crop = CropWindow.template(place.center_x, place.center_y, side).cut(image, padding)
        kernels = self.engine.encode_template(crop[None])[0]
        return SearchRegion(Template(kernels, padding, BoxFusion(self.config.mask_box_weight)), place)

    def _peaks(self, outputs: Sequence[SearchOutput], region: SearchRegion, count: int) -> list[Peak]:
        config = self.config if region.prefers_center else replace(self.config, window_influence=0.0)
        scale = region.window(self.config).scale
        size = region.place.width * scale, region.place.height * scale
        return self._decoder.peaks(outputs, size, config, count)

    def _cut(self, image: Image, windows: list[CropWindow], templates: Sequence[Template]) -> Image:
        """Return search crops [N, 255, 255, 3] in a buffer that is kept from image to image."""
        if len(self._crops) < len(windows):
            self._crops = np.empty((len(windows), *self._crops.shape[1:]), np.uint8)
        for crop, window, template in zip(self._crops, windows, templates, strict=False):
            window.cut(image, template.padding_bgr, out=crop)
        return self._crops[: len(windows)]

    def _mask_probabilities(self, candidates: Sequence[Candidate]) -> Sequence[Float32Array | None]:
        """Return the probabilities of each candidate's mask [127, 127]; None without masks."""
        if not (self.has_masks and candidates):
            return [None] * len(candidates)
        outputs = [candidate.output for candidate in candidates]
        return list(self.engine.refine(outputs, [candidate.peak.cell for candidate in candidates]))

    def _paste(
        self, image: Image, candidate: Candidate, probability: Float32Array | None
    ) -> tuple[Mask | None, MaskOutline | None]:
        """Return the mask in the image, of which only the largest part is kept, and its outline."""
        if probability is None:
            return None, None
        config, window = self.config, mask_window(candidate.window, candidate.peak.cell)
        if config.guided_filter_radius:
            guide = window.cut(image, candidate.region.template.padding_bgr)
            probability = guided_filter(probability, guide, config.guided_filter_radius)
        mask, filled = paste_mask(probability, window, image.shape, config.mask_threshold)
        return mask, outline(mask, filled, config.rotated_box)

    def _result(
        self, candidate: Candidate, fusion: BoxFusion, mask: Mask | None, shape: MaskOutline | None
    ) -> TrackResult:
        confidence = calibrated(candidate.peak.probability, self.config)
        decoded = candidate.place.box_xywh
        if shape is not None:
            box = fusion.box(decoded, shape.box_xywh)
            return TrackResult(box, shape.rotated_box, confidence, mask, shape.fraction)
        box = fusion.box(decoded, None)
        return TrackResult(box, RotatedBox.axis_aligned(box), confidence, mask)

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Add the duration of the block that this context manages to :attr:`timings`, as one of STAGES."""
        start = time.perf_counter()
        yield
        self.timings[stage] = (time.perf_counter() - start) * 1e3


def _check_image(image: Image) -> None:
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        got = f"{image.dtype} {image.shape}" if isinstance(image, np.ndarray) else type(image).__name__
        raise ImageError(f"a BGR image, uint8 [height, width, 3], is expected, not {got}")
    if not image.size:
        raise ImageError(f"the image is empty: {image.shape}")
