"""The search regions that together see a whole image, in which a lost target may be anywhere."""

from __future__ import annotations

import math
from itertools import product

Point = tuple[float, float]

# Networks know a target best in a region of the usual size. Where those would be more, they are wider.
_REGIONS_OF_A_SWEEP = 12


def sweep(
    image_shape: tuple[int, ...], reach_px: float, nearest_to: Point, widest: float
) -> list[tuple[Point, float]]:
    """Centres and widenings of search regions that together see the whole image.

    Regions of the usual size, which see squares of `reach_px`, unless these are too many; then `widest`
    ones, in which a target that has become larger is known again. Each from a point outwards.
    """
    usual = len(_grid(image_shape, reach_px))
    narrow = min(max(math.sqrt(usual / _REGIONS_OF_A_SWEEP), 1.0), widest)
    places = []
    for widening in sorted({narrow, widest}):
        centres = _grid(image_shape, reach_px * widening)
        centres.sort(key=lambda centre: math.dist(centre, nearest_to))
        places += [(centre, widening) for centre in centres]
    return places


def _grid(image_shape: tuple[int, ...], side_px: float) -> list[Point]:
    """Centres of the fewest squares that cover the image, evenly over it."""
    height, width = image_shape[:2]
    columns, rows = (max(math.ceil(side / side_px), 1) for side in (width, height))
    return [
        ((column + 0.5) * width / columns, (row + 0.5) * height / rows)
        for row, column in product(range(rows), range(columns))
    ]
