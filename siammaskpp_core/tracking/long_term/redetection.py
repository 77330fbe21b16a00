"""Re-detection: the order in which a LOST target is searched for over the whole image."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import NamedTuple

Point = tuple[float, float]

# Regions of the usual size recognise a target best. They are enlarged when more than these would be needed.
_MAX_USUAL_REGIONS = 12
# Exponent of the preference for near regions: with 3, a region beside the place of the loss is searched eight
# times as often as one that is three regions away.
_DISTANCE_EXPONENT = 3


class GridRegion(NamedTuple):
    """A search region of the grid over the image: its centre in pixels, and its search scale."""

    center_x: float
    center_y: float
    scale: float


@dataclass(frozen=True)
class GlobalSearch:
    """The history of a global search: which grid regions have been searched, and in what order.

    Every region is searched once, beginning where the target was lost. From then on the first region of an
    image is the one that was searched least recently. The others are chosen by the time since they were
    searched and by their distance, because a target that was hidden mostly reappears near by.
    """

    searched_count: int = 0
    """Number of searches so far."""
    last_searched: Mapping[GridRegion, int] = field(default_factory=dict)
    """Number of searches before the last one of each region."""

    def next(self, regions: Mapping[GridRegion, float], count: int) -> list[GridRegion]:
        """Return up to `count` of `regions` (see :func:`grid_regions`) to search in the next image."""
        chosen: list[GridRegion] = []
        for _ in range(min(count, len(regions))):
            remaining = [region for region in regions if region not in chosen]
            chosen.append(self._most_urgent(remaining, regions if chosen else None))
        return chosen

    def searched(self, regions: Iterable[GridRegion]) -> GlobalSearch:
        """Return the history after `regions` have been searched."""
        searched = {region: number for number, region in enumerate(regions, self.searched_count)}
        return GlobalSearch(self.searched_count + len(searched), {**self.last_searched, **searched})

    def _most_urgent(
        self, remaining: Sequence[GridRegion], distances: Mapping[GridRegion, float] | None
    ) -> GridRegion:
        """Return the first region never searched, else the most urgent by age and, if given, by distance."""
        never_searched = next((region for region in remaining if region not in self.last_searched), None)
        if never_searched is not None:
            return never_searched

        def urgency(region: GridRegion) -> float:
            distance = distances[region] if distances else 0.0
            return (self.searched_count - self.last_searched[region]) / (1 + distance) ** _DISTANCE_EXPONENT

        return max(remaining, key=urgency)


def grid_regions(
    image_shape: tuple[int, ...], extent_px: float, lost_at: Point, max_scale: float
) -> dict[GridRegion, float]:
    """Return the search regions that cover the image, with their distance from where the target was lost.

    The distance is in multiples of a region's side. Regions of the usual size, in which peaks can lie in
    squares of `extent_px`, come first; they are enlarged where too many would be needed. Regions of
    `max_scale` follow, which recognise a target that has grown. Both are ordered by their distance from
    `lost_at`, in pixels.
    """
    usual_count = len(_grid(image_shape, extent_px))
    smaller = min(max(math.sqrt(usual_count / _MAX_USUAL_REGIONS), 1.0), max_scale)
    regions: dict[GridRegion, float] = {}
    for scale in sorted({smaller, max_scale}):
        side_px = extent_px * scale
        centers = _grid(image_shape, side_px)
        centers.sort(key=lambda center: math.dist(center, lost_at))
        regions |= {GridRegion(*center, scale): math.dist(center, lost_at) / side_px for center in centers}
    return regions


def _grid(image_shape: tuple[int, ...], side_px: float) -> list[Point]:
    """Return the centres of the fewest squares that cover the image, spaced evenly."""
    height, width = image_shape[:2]
    columns, rows = (max(math.ceil(side / side_px), 1) for side in (width, height))
    return [
        ((column + 0.5) * width / columns, (row + 0.5) * height / rows)
        for row, column in product(range(rows), range(columns))
    ]
