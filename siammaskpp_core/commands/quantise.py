"""`siammaskpp quantise`."""

from __future__ import annotations

import argparse
import math
from itertools import islice

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from siammaskpp_core.commands.extras import extra
from siammaskpp_core.engines import DEFAULT_MODEL
from siammaskpp_core.network.config import TEMPLATE_SIZE
from siammaskpp_core.tracking.crops import CropWindow, context_side, mean_colour
from siammaskpp_core.video import open_frames

Image = NDArray[np.uint8]
CropPair = tuple[Image, Image]

SIDE_SHARES = (0.1, 0.5)
LARGEST_SHIFT = 48
"""Pixels of the search crop; training shifts objects by as much (64) or less."""


def run(options: argparse.Namespace) -> None:
    """Quantise; raises ImportError when the packages for it are not installed."""
    with extra("quantise", "for quantising"):
        from siammaskpp_core.engines.quantise import quantise_model
    pairs = [pair for source in options.calibration for pair in crop_pairs(source, options.pairs)]
    differences = quantise_model(options.model or DEFAULT_MODEL, options.output, pairs, options.symmetric)
    print("relative root mean square difference to float, on crops that were not calibrated with:")
    for name, value in differences.items():
        print(f"  {name:12} {value:.3f}")


def crop_pairs(source: str, count: int) -> list[CropPair]:
    """`count` template and search crops of boxes at random places of the frames of `source`.

    Ranges of activations depend on pictures, not on what is an object in them. Raises
    :class:`~siammaskpp_core.video.VideoError` when there are no frames.
    """
    random = np.random.default_rng(0)
    frames = open_frames(source)
    total = frames.count or count
    every, per_frame = max(total // count, 1), math.ceil(count / total)
    pairs = (
        crop_pair(image, random)
        for index, image in enumerate(frames)
        if index % every == 0
        for _ in range(per_frame)
    )
    return list(tqdm(islice(pairs, count), total=count, unit="pair", desc=frames.name, mininterval=0.5))


def crop_pair(image: Image, random: np.random.Generator) -> CropPair:
    """The crops of a box at a random place of `image`, the search crop not quite centred on it."""
    height, width = image.shape[:2]
    size = min(height, width) * random.uniform(*SIDE_SHARES, 2)
    x, y = random.uniform(size / 2, (width, height) - size / 2)
    side, padding = context_side(*size), mean_colour(image)
    right, down = random.uniform(-LARGEST_SHIFT, LARGEST_SHIFT, 2) * side / TEMPLATE_SIZE
    return (
        CropWindow.template(x, y, side).cut(image, padding),
        CropWindow.search(x + right, y + down, side).cut(image, padding),
    )
