"""Pictures for the web page: an image with the masks of its targets, and what is known about them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from siammaskpp_core.arrays import Image
from siammaskpp_core.io.drawing import MASK_OPACITY, target_colour

_JPEG_QUALITY = 80


@dataclass(frozen=True)
class ShownTarget:
    """One target in one image."""

    id: str
    label: str
    state: str
    score: float
    """Confidence, 0 to 1; other values are shown as 0 or 1, NaN as 0."""
    mask_value: int = 0
    """Value of its pixels in the label image, which also gives its colour; 0 while it is not seen."""
    corners: Sequence[float] | None = None
    """Corners of the rotated box, x and y in turn [8], in pixels."""
    box_xywh: Sequence[float] | None = None
    """Axis-aligned box [4] in pixels."""


def encode_picture(
    image: Image,
    header: Mapping[str, Any],
    targets: Sequence[ShownTarget] | None,
    labels: Image | None,
    max_side_px: int,
) -> bytes:
    """Return the message for the page: length of the JSON text (4 bytes, big-endian), JSON text, JPEG.

    The `image` [H, W, 3] BGR is scaled down to a longer side of `max_side_px`; the coordinates in the text
    stay pixels of the original. `header` identifies the image in commands. `targets` is None for an image
    that was not tracked. `labels`, uint8 of any size, has the mask values of the targets.
    """
    height, width = image.shape[:2]
    text: dict[str, Any] = {"header": header, "width": width, "height": height}
    if targets is not None:
        text["objects"] = [_described(target) for target in targets]
    scale = min(1.0, max_side_px / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    picture = image
    if size != (width, height):
        picture = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    if labels is not None and targets:
        scaled = cv2.resize(labels, size, interpolation=cv2.INTER_NEAREST)
        picture = _with_masks(picture, np.asarray(scaled, np.uint8), targets)
    _, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    described = json.dumps(text, allow_nan=False).encode()
    return len(described).to_bytes(4, "big") + described + data.tobytes()


def _described(target: ShownTarget) -> dict[str, Any]:
    result: dict[str, Any] = {
        "id": target.id,
        "label": target.label,
        "state": target.state,
        "score": round(min(max(target.score, 0.0), 1.0), 3) if math.isfinite(target.score) else 0.0,
    }
    if target.mask_value:
        blue, green, red = target_colour(target.mask_value - 1)
        result["colour"] = f"#{red:02x}{green:02x}{blue:02x}"
        for name, values in (("corners", target.corners), ("box", target.box_xywh)):
            if values is not None and all(map(math.isfinite, values)):
                result[name] = [round(float(value), 2) for value in values]
    return result


def _with_masks(picture: Image, labels: Image, targets: Sequence[ShownTarget]) -> Image:
    """Return `picture` [H, W, 3] tinted in each target's colour where `labels` [H, W] is its mask value."""
    colours = np.zeros((256, 3), np.uint8)
    for target in targets:
        if target.mask_value:
            colours[target.mask_value] = target_colour(target.mask_value - 1)
    tinted = cv2.addWeighted(picture, 1 - MASK_OPACITY, colours[labels], MASK_OPACITY, 0)
    return np.where(labels[:, :, None] > 0, tinted, picture)
