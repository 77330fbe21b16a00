"""Following targets from frame to frame with a network that keeps no state."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from siammaskpp_core.network.config import SEARCH_SIZE, NetworkConfig
from siammaskpp_core.tracking.boxes import RotatedBox, checked_box
from siammaskpp_core.tracking.config import TrackingConfig
from siammaskpp_core.tracking.crops import CropWindow, context_side, mean_colour
from siammaskpp_core.tracking.decoding import Candidate, make_decoder
from siammaskpp_core.tracking.masks import outline, paste_mask
from siammaskpp_core.tracking.presence import Presence

if TYPE_CHECKING:
    from siammaskpp_core.engines.protocol import Engine

Image = NDArray[np.uint8]


class ImageError(ValueError):
    """A picture that is not height x width x 3 of uint8."""


@dataclass
class Target:
    """One followed object: its template's kernels, where it was seen last, in image pixels, and its state."""

    kernels: NDArray[np.float32]
    padding_bgr: tuple[float, ...]
    center_x: float
    center_y: float
    width: float
    height: float
    presence: Presence = field(default_factory=Presence)


@dataclass(frozen=True)
class TrackResult:
    """Where a target is in one image.

    box_xywh float64 [4] is the upright box of the mask's largest part, `rotated_box` its rotated
    one; both are the decoded box when the mask is empty or the network has none. score in 0..1 is
    the network's probability. mask uint8 [H, W] is 255 on the target, 0 elsewhere; None without masks.
    Boxes are in continuous pixel coordinates (see :mod:`siammaskpp_core.tracking.boxes`).
    """

    box_xywh: NDArray[np.float64]
    rotated_box: RotatedBox
    score: float
    mask: Image | None


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
        self.has_masks = network.mask != "none"
        self._crops = np.empty((0, SEARCH_SIZE, SEARCH_SIZE, 3), np.uint8)

    def init(self, image: Image, box_xywh: ArrayLike) -> Target:
        """Look at the object in `box_xywh` (x, y, w, h in pixels) of a BGR image, uint8 [H, W, 3].

        Raises :class:`~siammaskpp_core.tracking.boxes.BoxError` for a box that cannot be tracked,
        :class:`ImageError` for anything but such an image.
        """
        _check_image(image)
        x, y, width, height = map(float, checked_box(box_xywh, image.shape[1], image.shape[0]))
        center_x, center_y = x + width / 2, y + height / 2
        padding = mean_colour(image)
        side = context_side(width, height, self.config.context)
        crop = CropWindow.template(center_x, center_y, side).cut(image, padding)
        kernels = self.engine.encode_template(crop[None])[0]
        return Target(kernels, padding, center_x, center_y, width, height)

    def step(self, image: Image, targets: Sequence[Target]) -> list[TrackResult]:
        """Find `targets` in the next image, update them and return one result each, in their order.

        No target is changed when an error is raised.
        """
        _check_image(image)
        self.timings = {}
        scales = self._decoder.scales
        owners = [target for target in targets for _ in scales]
        windows = [self._search_window(target, scale) for target in targets for scale in scales]
        with self._timed("crop"):
            crops = self._cut(image, windows, owners)
        with self._timed("search"):
            outputs = self.engine.search(crops, [target.kernels for target in owners])
        with self._timed("decode"):
            candidates = [
                self._decoder.best(outputs[first : first + len(scales)], self._crop_size(target), self.config)
                for target, first in zip(targets, range(0, len(outputs), len(scales)), strict=True)
            ]
            chosen = [i * len(scales) + candidate.view for i, candidate in enumerate(candidates)]
        masks: Sequence[NDArray[np.float32] | None] = [None] * len(targets)
        with self._timed("refine"):
            if self.has_masks:
                cells = [candidate.cell for candidate in candidates]
                masks = list(self.engine.refine([outputs[i] for i in chosen], cells))
        with self._timed("paste"):
            found = list(zip(targets, [windows[i] for i in chosen], candidates, strict=True))
            results = [
                self._result(image, window, candidate, mask)
                for (_, window, candidate), mask in zip(found, masks, strict=True)
            ]
            for target, window, candidate in found:
                self._follow(target, window, candidate, image.shape)
        return results

    def _search_window(self, target: Target, scale: float = 1.0) -> CropWindow:
        side = context_side(target.width, target.height, self.config.context)
        return CropWindow.search(target.center_x, target.center_y, side * scale)

    def _crop_size(self, target: Target) -> tuple[float, float]:
        """The target's size in pixels of its search crop."""
        scale = self._search_window(target).scale
        return target.width * scale, target.height * scale

    def _cut(self, image: Image, windows: list[CropWindow], targets: Sequence[Target]) -> Image:
        """Search crops [N, 255, 255, 3] in a buffer that is kept from frame to frame."""
        if len(self._crops) < len(windows):
            self._crops = np.empty((len(windows), *self._crops.shape[1:]), np.uint8)
        for crop, window, target in zip(self._crops, windows, targets, strict=False):
            window.cut(image, target.padding_bgr, out=crop)
        return self._crops[: len(windows)]

    def _result(
        self,
        image: Image,
        window: CropWindow,
        candidate: Candidate,
        probability: NDArray[np.float32] | None,
    ) -> TrackResult:
        mask = None
        if probability is not None:
            mask, region = paste_mask(
                probability, window, candidate.cell, image.shape, self.config.mask_threshold
            )
            shape = outline(mask, region, self.config.rotated_box)
            if shape is not None:
                return TrackResult(shape.box_xywh, shape.rotated_box, candidate.score, mask)
        center_x, center_y, width, height = _in_image(window, candidate)
        box = np.array([center_x - width / 2, center_y - height / 2, width, height])
        return TrackResult(box, RotatedBox(center_x, center_y, width, height, 0.0), candidate.score, mask)

    def _follow(
        self, target: Target, window: CropWindow, candidate: Candidate, image_shape: tuple[int, ...]
    ) -> None:
        """Move the target to the candidate; its size follows as fast as the candidate is believed."""
        rate = candidate.penalty * candidate.score * self.config.size_lr
        center_x, center_y, width, height = _in_image(window, candidate)
        image_height, image_width = image_shape[:2]
        target.center_x = float(np.clip(center_x, 0, image_width))
        target.center_y = float(np.clip(center_y, 0, image_height))
        target.width = float(np.clip(target.width + rate * (width - target.width), 10, image_width))
        target.height = float(np.clip(target.height + rate * (height - target.height), 10, image_height))

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


def _check_image(image: Image) -> None:
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        got = f"{image.dtype} {image.shape}" if isinstance(image, np.ndarray) else type(image).__name__
        raise ImageError(f"a BGR image, uint8 [height, width, 3], is expected, not {got}")
    if not image.size:
        raise ImageError(f"the image is empty: {image.shape}")
