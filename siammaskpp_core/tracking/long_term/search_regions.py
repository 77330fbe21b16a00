"""Where a target is searched for: around its place, in larger regions when missed, everywhere when LOST."""

from __future__ import annotations

import math

from siammaskpp_core.tracking.boxes import Place
from siammaskpp_core.tracking.long_term.config import LongTermConfig
from siammaskpp_core.tracking.long_term.redetection import GridRegion, grid_regions
from siammaskpp_core.tracking.long_term.state import Box, State
from siammaskpp_core.tracking.long_term.target import Target, predicted_place
from siammaskpp_core.tracking.tracker import SearchRegion

# A LOST target may reappear larger or smaller by up to this factor.
_MAX_GROWTH = 3.0


def usual_region(target: Target) -> SearchRegion:
    """Return the search region of the usual size around the target's place."""
    return SearchRegion(target.template, target.track.place)


def search_regions(
    target: Target,
    image_shape: tuple[int, ...],
    stamp_ns: int,
    extent_px: float,
    config: LongTermConfig,
) -> list[SearchRegion]:
    """Return the regions in which to search for a target in an image of this shape and stamp.

    It is one region while the target is seen. `extent_px` is the side of the square in which peaks can lie in
    its usual region (:meth:`~siammaskpp_core.tracking.tracker.Tracker.response_extent_px`).
    """
    status = target.track.status
    if status.state is State.LOST:
        return _regions_of_lost(target, image_shape, extent_px, config)
    if not status.misses:
        return [usual_region(target)]
    place = predicted_place(target.track, stamp_ns, image_shape)
    scale = min(1 + config.search_scale_step * status.misses, config.search_scale_max)
    regions = [SearchRegion(target.template, place, each, prefers_center=False) for each in (scale, 1.0)]
    return regions[: config.search_regions_per_image]


def grid_region(region: SearchRegion) -> GridRegion:
    """Return the grid region of the global search that a search region covers."""
    return GridRegion(region.place.center_x, region.place.center_y, region.scale)


def _regions_of_lost(
    target: Target, image_shape: tuple[int, ...], extent_px: float, config: LongTermConfig
) -> list[SearchRegion]:
    """Return the region around the candidate that is being confirmed, then regions of the global search."""
    track = target.track
    candidate = track.status.candidate_box_xywh
    regions = [_region_around(target, candidate)] if candidate else []
    lost_at = track.place.center_x, track.place.center_y
    grid = grid_regions(image_shape, extent_px, lost_at, config.search_scale_max)
    for x, y, scale in track.global_search.next(grid, config.search_regions_per_image - len(regions)):
        place = track.place._replace(center_x=x, center_y=y)
        regions.append(SearchRegion(target.template, place, scale, prefers_center=False))
    return regions


def _region_around(target: Target, candidate_xywh: Box) -> SearchRegion:
    """Return the region around a candidate, scaled by its size: the target may have grown or shrunk."""
    x, y, width, height = candidate_xywh
    place: Place = target.track.place._replace(center_x=x + width / 2, center_y=y + height / 2)
    growth = math.sqrt(width * height / (place.width * place.height))
    return SearchRegion(target.template, place, min(max(growth, 1 / _MAX_GROWTH), _MAX_GROWTH))
