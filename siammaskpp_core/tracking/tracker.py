"""Following targets from frame to frame with a network that keeps no state."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from siammaskpp_core.arrays import Float32Array, Float64Array, Image
from siammaskpp_core.errors import UserError
from siammaskpp_core.network.config import SEARCH_SIZE, STRIDE, NetworkConfig
from siammaskpp_core.tracking.box_fusion import BoxFusion
from siammaskpp_core.tracking.boxes import RotatedBox, checked_box
from siammaskpp_core.tracking.config import TrackingConfig
from siammaskpp_core.tracking.crops import CropWindow, context_side, mean_colour
from siammaskpp_core.tracking.decoding import Candidate, make_decoder
from siammaskpp_core.tracking.long_term.confidence import calibrated, updated_baseline
from siammaskpp_core.tracking.long_term.redetection import Sweep
from siammaskpp_core.tracking.long_term.state import TrackStatus
from siammaskpp_core.tracking.masks import Shape, guided, mask_window, outline, paste_mask

if TYPE_CHECKING:
    from siammaskpp_core.engines.protocol import Engine, SearchOutput

STAGES = ("crop", "search", "decode", "refine", "paste")
"""Parts of a step, in their order; keys of :attr:`Tracker.timings`."""
NETWORK_STAGES = ("search", "refine")
"""Those of them in which the network runs."""


class ImageError(UserError):
    """A picture that is not height x width x 3 of uint8."""


@dataclass
class Target:
    """One followed object: its template's kernels, where it was seen last, in image pixels, and its state."""

    kernels: Float32Array
    padding_bgr: tuple[float, ...]
    center_x: float
    center_y: float
    width: float
    height: float
    fit: BoxFusion = field(default_factory=BoxFusion)
    baseline_logit: float | None = None
    """The network's, smoothed over the sightings so far; None before the first."""
    velocity_px_s: tuple[float, float] = (0.0, 0.0)
    """Of its centre, smoothed; kept by :mod:`~siammaskpp_core.tracking.long_term.tracker` as what follows."""
    sweep: Sweep = field(default_factory=Sweep)
    """What has been searched since it was lost."""
    presence: TrackStatus = field(default_factory=TrackStatus)


@dataclass(frozen=True)
class TrackResult:
    """Where a target is in one image.

    box_xywh float64 [4] is the upright box of the mask's largest part, mixed with the decoded box (see
    :class:`~siammaskpp_core.tracking.box_fusion.BoxFusion`), `rotated_box` the mask's rotated one; both are made
    of the decoded box alone when the mask is empty or the network has none. score in 0..1 says how sure it
    is that this is the target, calibrated as the model says (`TrackingConfig.confidence_slope`). mask uint8
    [H, W] is 255 on the target, 0 elsewhere; None without masks.
    Boxes are in continuous pixel coordinates (see :mod:`siammaskpp_core.tracking.boxes`).
    """

    box_xywh: Float64Array
    rotated_box: RotatedBox
    score: float
    mask: Image | None


class View(NamedTuple):
    """A place in the image where a target is searched for.

    The search region is `widening` times the usual one. `is_anywhere`: its middle is not preferred.
    """

    target: Target
    center_x: float
    center_y: float
    widening: float = 1.0
    is_anywhere: bool = False

    @classmethod
    def of(cls, target: Target) -> View:
        """Around the target's last place."""
        return cls(target, target.center_x, target.center_y)

    def window(self, config: TrackingConfig, scale: float = 1.0) -> CropWindow:
        """The search region, `scale` times as wide."""
        side = context_side(self.target.width, self.target.height, config.context)
        return CropWindow.search(self.center_x, self.center_y, side * self.widening * scale)


class Found(NamedTuple):
    """The best candidate in a view: its search region and the network's answer for that."""

    view: View
    window: CropWindow
    candidate: Candidate
    output: SearchOutput


class Tracker:
    """SiamMask++ tracking. One tracker serves any number of targets, which are the caller's."""

    def __init__(
        self, engine: Engine, network: NetworkConfig | None = None, config: TrackingConfig | None = None
    ) -> None:
        self.engine = engine
        self.config = config or TrackingConfig()
        self.timings: dict[str, float] = {}
        """Milliseconds of the last step by stage: crop, search, decode, refine, paste."""
        network = network or NetworkConfig()
        self._decoder = make_decoder(network)
        self._reach = (network.response_size - 1) * STRIDE
        self.has_masks = network.mask != "none"
        self._crops = np.empty((0, SEARCH_SIZE, SEARCH_SIZE, 3), np.uint8)

    def init(self, image: Image, box_xywh: ArrayLike) -> Target:
        """Look at the object in `box_xywh` (x, y, w, h in pixels) of a BGR image, uint8 [H, W, 3].

        Where the configuration says so (`mask_box_gain`, `size_correction`), it is searched for in this image
        too, to learn how the box was drawn.

        Raises :class:`~siammaskpp_core.tracking.boxes.BoxError` for a box that cannot be tracked,
        :class:`ImageError` for anything but such an image.
        """
        target = self._target(image, box_xywh)
        if self.config.mask_box_gain or self.config.size_correction:
            target.fit = self._fit(image, target)
        return target

    def try_boxes(self, image: Image, boxes_xywh: Sequence[ArrayLike]) -> list[TrackResult]:
        """What is found, in the same image, of targets set on these boxes; errors as of :meth:`init`."""
        return self.step(image, [self._target(image, box) for box in boxes_xywh])

    def step(self, image: Image, targets: Sequence[Target]) -> list[TrackResult]:
        """Find `targets` in the next image, update them and return one result each, in their order.

        Each is searched for around its last place and follows the best candidate, whatever its score
        (SiamMask). No target is changed when an error is raised.
        """
        found = self.look(image, [View.of(target) for target in targets])
        results = self.results(image, found)
        for item, result in zip(found, results, strict=True):
            self.follow(item, result, image.shape)
        return results

    def look(self, image: Image, views: Sequence[View]) -> list[Found]:
        """The best candidate in each of `views`, all in one batch. Targets are not changed."""
        _check_image(image)
        self.timings = {}
        scales = self._decoder.scales
        owners = [view.target for view in views for _ in scales]
        windows = [view.window(self.config, scale) for view in views for scale in scales]
        with self._timed("crop"):
            crops = self._cut(image, windows, owners)
        with self._timed("search"):
            outputs = self.engine.search(crops, [target.kernels for target in owners])
        found = []
        with self._timed("decode"):
            for first, view in zip(range(0, len(outputs), len(scales)), views, strict=True):
                candidate = self._best(outputs[first : first + len(scales)], view)
                chosen = first + candidate.view
                found.append(Found(view, windows[chosen], candidate, outputs[chosen]))
        return found

    def results(self, image: Image, found: Sequence[Found]) -> list[TrackResult]:
        """The mask and boxes of each candidate; `found` stems from the last call of :meth:`look`."""
        with self._timed("refine"):
            probabilities = self._refine(found)
        with self._timed("paste"):
            return [
                self._result(item, *self._shape(image, item, probability))
                for item, probability in zip(found, probabilities, strict=True)
            ]

    def follow(
        self, found: Found, result: TrackResult, image_shape: tuple[int, ...], at_once: bool = False
    ) -> None:
        """Move the target to the candidate; its size follows as fast as that is believed, or `at_once`."""
        target, candidate = found.view.target, found.candidate
        rate = 1.0 if at_once else candidate.penalty * candidate.score * self.config.size_lr
        center_x, center_y, width, height = _in_image(found.window, candidate)
        image_height, image_width = image_shape[:2]
        target.baseline_logit = updated_baseline(target.baseline_logit, candidate.score, result.score)
        target.center_x = float(np.clip(center_x, 0, image_width))
        target.center_y = float(np.clip(center_y, 0, image_height))
        target.width = float(np.clip(target.width + rate * (width - target.width), 10, image_width))
        target.height = float(np.clip(target.height + rate * (height - target.height), 10, image_height))

    def reach_px(self, view: View) -> float:
        """Side of the square, in the middle of the search region, in which candidates can lie."""
        return self._reach / view.window(self.config).scale

    def _target(self, image: Image, box_xywh: ArrayLike) -> Target:
        """The target in a box, of which only its template has been looked at."""
        _check_image(image)
        x, y, width, height = map(float, checked_box(box_xywh, image.shape[1], image.shape[0]))
        center_x, center_y = x + width / 2, y + height / 2
        padding = mean_colour(image)
        side = context_side(width, height, self.config.context)
        crop = CropWindow.template(center_x, center_y, side).cut(image, padding)
        kernels = self.engine.encode_template(crop[None])[0]
        plain = BoxFusion(self.config.mask_box_weight)
        return Target(kernels, padding, center_x, center_y, width, height, plain)

    def _best(self, outputs: Sequence[SearchOutput], view: View) -> Candidate:
        config = replace(self.config, window_influence=0.0) if view.is_anywhere else self.config
        scale = view.window(self.config).scale
        return self._decoder.best(outputs, (view.target.width * scale, view.target.height * scale), config)

    def _cut(self, image: Image, windows: list[CropWindow], targets: Sequence[Target]) -> Image:
        """Search crops [N, 255, 255, 3] in a buffer that is kept from frame to frame."""
        if len(self._crops) < len(windows):
            self._crops = np.empty((len(windows), *self._crops.shape[1:]), np.uint8)
        for crop, window, target in zip(self._crops, windows, targets, strict=False):
            window.cut(image, target.padding_bgr, out=crop)
        return self._crops[: len(windows)]

    def _refine(self, found: Sequence[Found]) -> Sequence[Float32Array | None]:
        """The probabilities of each candidate's mask; None without masks."""
        if not (self.has_masks and found):
            return [None] * len(found)
        return list(
            self.engine.refine([item.output for item in found], [item.candidate.cell for item in found])
        )

    def _shape(
        self, image: Image, found: Found, probability: Float32Array | None
    ) -> tuple[Image | None, Shape | None]:
        """The mask in the image, and what is seen of it."""
        if probability is None:
            return None, None
        config, window = self.config, mask_window(found.window, found.candidate.cell)
        if config.guided_filter_radius:
            picture = window.cut(image, found.view.target.padding_bgr)
            probability = guided(probability, picture, config.guided_filter_radius)
        mask, region = paste_mask(probability, window, image.shape, config.mask_threshold)
        return mask, outline(mask, region, config.rotated_box)

    def _result(self, found: Found, mask: Image | None, shape: Shape | None) -> TrackResult:
        target = found.view.target
        score = calibrated(found.candidate.score, target.baseline_logit, self.config)
        decoded, fit = _decoded_box(found), target.fit
        if shape is not None:
            return TrackResult(fit.box(decoded, shape.box_xywh), shape.rotated_box, score, mask)
        box = fit.box(decoded, None)
        x, y, width, height = box.tolist()
        rotated = RotatedBox(x + width / 2, y + height / 2, width, height, 0.0)
        return TrackResult(box, rotated, score, mask)

    def _fit(self, image: Image, target: Target) -> BoxFusion:
        """What is found in the image in which the target was set, compared with its box."""
        given = _upright(target.center_x, target.center_y, target.width, target.height)
        found = self.look(image, [View.of(target)])
        _, shape = self._shape(image, found[0], self._refine(found)[0])
        mask_box = None if shape is None else shape.box_xywh
        return BoxFusion.learned(given, _decoded_box(found[0]), mask_box, self.config)

    @contextmanager
    def _timed(self, stage: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.timings[stage] = (time.perf_counter() - start) * 1e3


def _in_image(window: CropWindow, candidate: Candidate) -> tuple[float, float, float, float]:
    """The candidate's box as centre x, centre y, width, height in image pixels."""
    x, y = candidate.center_xy / window.scale
    width, height = candidate.size_wh / window.scale
    return window.center_x + float(x), window.center_y + float(y), float(width), float(height)


def _decoded_box(found: Found) -> Float64Array:
    return _upright(*_in_image(found.window, found.candidate))


def _upright(center_x: float, center_y: float, width: float, height: float) -> Float64Array:
    """The box (x, y, w, h) around a centre."""
    return np.array([center_x - width / 2, center_y - height / 2, width, height])


def _check_image(image: Image) -> None:
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        got = f"{image.dtype} {image.shape}" if isinstance(image, np.ndarray) else type(image).__name__
        raise ImageError(f"a BGR image, uint8 [height, width, 3], is expected, not {got}")
    if not image.size:
        raise ImageError(f"the image is empty: {image.shape}")
