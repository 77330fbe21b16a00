"""The search for a lost target, which may be anywhere in the image, a few regions at a time."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import NamedTuple

Point = tuple[float, float]

# Networks know a target best in a region of the usual size. Where those would be more, they are wider.
_REGIONS_OF_A_SWEEP = 12
# By which nearer regions are preferred: one that is next to where the target was lost has its turn eight
# times as often as one that is three regions away.
_NEARNESS_POWER = 3


class Region(NamedTuple):
    """The centre of a search region, in image pixels, and how many times the usual one's side it has."""

    center_x: float
    center_y: float
    widening: float


@dataclass(frozen=True)
class Sweep:
    """Which regions have been searched since a target was lost, and when.

    First all have their turn, nearest to where it was lost first. From then on the first of an image's
    regions is the one that has waited longest; for the others nearer ones do not wait as long, because what
    was hidden mostly appears again near by.
    """

    turns: int = 0
    """How many regions have been searched."""
    turn_of: Mapping[Region, int] = field(default_factory=dict)
    """The last turn of each."""

    def next(self, regions: Mapping[Region, float], count: int) -> list[Region]:
        """Those of `regions` (see :func:`regions_of`) whose turn it is, `count` at most."""
        chosen: list[Region] = []
        for _ in range(min(count, len(regions))):
            waiting = [region for region in regions if region not in chosen]
            chosen.append(self._due(waiting, regions if chosen else None))
        return chosen

    def searched(self, regions: Iterable[Region]) -> Sweep:
        """The sweep after these had their turn."""
        turn_of = {region: turn for turn, region in enumerate(regions, self.turns)}
        return Sweep(self.turns + len(turn_of), {**self.turn_of, **turn_of})

    def _due(self, waiting: Sequence[Region], sides_away: Mapping[Region, float] | None) -> Region:
        """The region whose turn it is, by how long it has waited and, if given, by how near it is."""
        new = next((region for region in waiting if region not in self.turn_of), None)
        if new is not None:
            return new

        def urgency(region: Region) -> float:
            distance = sides_away[region] if sides_away else 0.0
            return (self.turns - self.turn_of[region]) / (1 + distance) ** _NEARNESS_POWER

        return max(waiting, key=urgency)


def regions_of(
    image_shape: tuple[int, ...], reach_px: float, lost_at: Point, widest: float
) -> dict[Region, float]:
    """Search regions that together see the whole image, and how many of their sides each is from `lost_at`.

    Regions of the usual size, which see squares of `reach_px`, unless these are too many; then `widest`
    ones, in which a target that has become larger is known again. Each from `lost_at` outwards.
    """
    usual = len(_grid(image_shape, reach_px))
    narrow = min(max(math.sqrt(usual / _REGIONS_OF_A_SWEEP), 1.0), widest)
    regions: dict[Region, float] = {}
    for widening in sorted({narrow, widest}):
        side_px = reach_px * widening
        centres = _grid(image_shape, side_px)
        centres.sort(key=lambda centre: math.dist(centre, lost_at))
        regions |= {Region(*centre, widening): math.dist(centre, lost_at) / side_px for centre in centres}
    return regions


def _grid(image_shape: tuple[int, ...], side_px: float) -> list[Point]:
    """Centres of the fewest squares that cover the image, evenly over it."""
    height, width = image_shape[:2]
    columns, rows = (max(math.ceil(side / side_px), 1) for side in (width, height))
    return [
        ((column + 0.5) * width / columns, (row + 0.5) * height / rows)
        for row, column in product(range(rows), range(columns))
    ]
