"""Where a target is searched for in the next image."""

from __future__ import annotations

import math
from typing import NamedTuple

from siammaskpp_core.tracking.long_term.config import LongTermConfig
from siammaskpp_core.tracking.long_term.redetection import GridRegion, grid_regions
from siammaskpp_core.tracking.long_term.state import Box, State, is_searched_for
from siammaskpp_core.tracking.long_term.target import Target
from siammaskpp_core.tracking.tracker import SearchRegion

# A LOST target may reappear larger or smaller by up to this factor.
_MAX_GROWTH = 3.0
# Where a LOST target is expected, it is searched for in every third image; the grid has the others.
_LOCAL_SEARCH_INTERVAL = 3


class Regions(NamedTuple):
    """The search regions of one target: where it is expected, and elsewhere."""

    expected: list[SearchRegion]
    elsewhere: list[SearchRegion]
    grid: list[GridRegion]
    """The regions of the global search that `elsewhere` contains."""

    @property
    def all(self) -> list[SearchRegion]:
        """Return those where the target is expected, then the others."""
        return self.expected + self.elsewhere


def search_regions(
    target: Target,
    image_shape: tuple[int, ...],
    extent_px: float,
    config: LongTermConfig,
) -> Regions:
    """Return the regions in which to search for a target whose track state is predicted for an image.

    It is one region while the target is seen clearly. `extent_px` is the side of the square in which peaks
    can lie in a region of the usual size
    (:meth:`~siammaskpp_core.tracking.tracker.Tracker.response_extent_px`).
    """
    status, expected = target.track.status, target.track.place
    count = config.search_regions_per_image
    local = _expected_regions(target, config)[:count]
    if not is_searched_for(status, config):
        return Regions(local, [], [])
    candidate = status.candidate_box_xywh
    is_local_due = status.state is not State.LOST or status.missed.images % _LOCAL_SEARCH_INTERVAL == 0
    local = local[:1] if is_local_due and (count > 1 or candidate is None) else []
    if candidate is not None:
        return Regions(local, [_region_around(target, candidate)], [])
    lost_at = expected.center_x, expected.center_y
    grid = grid_regions(image_shape, extent_px, lost_at, config.search_scale_max)
    chosen = target.track.global_search.next(grid, count - len(local))
    elsewhere = [
        SearchRegion(target.template, expected._replace(center_x=x, center_y=y), scale, prefers_center=False)
        for x, y, scale in chosen
    ]
    return Regions(local, elsewhere, chosen)


def _expected_regions(target: Target, config: LongTermConfig) -> list[SearchRegion]:
    """Return the region of the usual size; after misses a larger one first, which grows."""
    expected = target.track.place
    misses = target.track.status.missed.images
    if not misses:
        return [SearchRegion(target.template, expected)]
    scale = min(1 + config.search_scale_step * misses, config.search_scale_max)
    return [SearchRegion(target.template, expected, each, prefers_center=False) for each in (scale, 1.0)]


def _region_around(target: Target, candidate_xywh: Box) -> SearchRegion:
    """Return the region around a candidate, scaled by its size: the target may have grown or shrunk."""
    x, y, width, height = candidate_xywh
    place = target.track.place._replace(center_x=x + width / 2, center_y=y + height / 2)
    growth = math.sqrt(width * height / (place.width * place.height))
    return SearchRegion(target.template, place, min(max(growth, 1 / _MAX_GROWTH), _MAX_GROWTH))
