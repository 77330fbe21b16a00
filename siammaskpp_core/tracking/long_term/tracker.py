"""The long-term tracker: it follows targets that are occluded, leave the image and come back."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from numpy.typing import ArrayLike

from siammaskpp_core.arrays import Image
from siammaskpp_core.tracking.boxes import Place
from siammaskpp_core.tracking.decoding import calibrated, updated_baseline
from siammaskpp_core.tracking.long_term.config import LongTermConfig
from siammaskpp_core.tracking.long_term.redetection import GlobalSearch, GridRegion, grid_regions
from siammaskpp_core.tracking.long_term.state import (
    Box,
    Evidence,
    Observation,
    State,
    TrackStatus,
    advance,
    evidence,
    moved,
)
from siammaskpp_core.tracking.long_term.target import Target, TrackState, predicted_place, smoothed_velocity
from siammaskpp_core.tracking.tracker import Candidate, SearchRegion, Tracker, TrackResult

# A LOST target may reappear larger or smaller by up to this factor.
_MAX_GROWTH = 3.0


class LongTermTracker:
    """A tracker that decides over time: which result is the target, and where to search when it is not seen.

    While a target is TRACKING it is followed exactly as by the plain step of
    :class:`~siammaskpp_core.tracking.tracker.Tracker`. While it is UNCERTAIN its size stays, and its place
    comes from observations near the expected one or from its velocity. While it is LOST it is searched for in
    the whole image. The tracker keeps no target: all memory is in the :class:`Target` objects of the caller.
    """

    def __init__(self, tracker: Tracker) -> None:
        self._tracker = tracker

    @property
    def timings(self) -> dict[str, float]:
        """Milliseconds of the last step by stage (:data:`~siammaskpp_core.tracking.tracker.STAGES`)."""
        return self._tracker.timings

    def init(
        self, image: Image, box_xywh: ArrayLike, config: LongTermConfig | None = None
    ) -> tuple[Target, TrackResult]:
        """Start a target on the object in a box, and return it with the result for that same image.

        `image` is BGR, uint8 [H, W, 3]; `box_xywh` is x, y, width, height in pixels. The target is TRACKING;
        `is_seen` says whether the image shows it with enough confidence. Raises the errors of
        :meth:`siammaskpp_core.tracking.tracker.Tracker.init`.
        """
        region, result = self._tracker.init(image, box_xywh)
        is_seen = evidence(_observation(result), config or LongTermConfig()) is not Evidence.NONE
        return Target(region.template, TrackState(region.place, TrackStatus(is_seen=is_seen))), result

    def try_boxes(self, image: Image, boxes_xywh: Sequence[ArrayLike]) -> list[TrackResult]:
        """See :meth:`siammaskpp_core.tracking.tracker.Tracker.try_boxes`."""
        return self._tracker.try_boxes(image, boxes_xywh)

    def step(
        self,
        image: Image,
        targets: Sequence[Target],
        stamp_ns: int,
        config: LongTermConfig | None = None,
    ) -> list[TrackResult]:
        """Find `targets` in the next image, taken at `stamp_ns`, and update their track states.

        Returns one result for each target, in their order; `target.is_seen` says whether to accept it. No
        target is changed when an error is raised.
        """
        config = config or LongTermConfig()
        regions = [self._search_regions(target, image.shape, stamp_ns, config) for target in targets]
        candidates = iter(self._tracker.search(image, [region for group in regions for region in group]))
        best = [max((next(candidates)[0] for _ in group), key=_rank) for group in regions]
        results = [
            self._with_confidence(target, candidate, result)
            for target, candidate, result in zip(
                targets, best, self._tracker.refine(image, best), strict=True
            )
        ]
        for target, group, candidate, result in zip(targets, regions, best, results, strict=True):
            target.track = self._advanced(
                target.track, group, candidate, result, image.shape, stamp_ns, config
            )
        return results

    def _search_regions(
        self, target: Target, image_shape: tuple[int, ...], stamp_ns: int, config: LongTermConfig
    ) -> list[SearchRegion]:
        extent_px = self._tracker.response_extent_px(usual_region(target))
        return search_regions(target, image_shape, stamp_ns, extent_px, config)

    def _with_confidence(self, target: Target, candidate: Candidate, result: TrackResult) -> TrackResult:
        """Return the result with a confidence that is relative to the target's baseline."""
        baseline = target.track.baseline_logit
        confidence = calibrated(candidate.peak.probability, baseline, self._tracker.config)
        return replace(result, confidence=confidence)

    def _advanced(
        self,
        track: TrackState,
        regions: Sequence[SearchRegion],
        candidate: Candidate,
        result: TrackResult,
        image_shape: tuple[int, ...],
        stamp_ns: int,
        config: LongTermConfig,
    ) -> TrackState:
        """Return the track state after an image in which `candidate` was the best of all `regions`."""
        before, status = track.status, advance(track.status, _observation(result), stamp_ns, config)
        place, baseline = track.place, track.baseline_logit
        if status.is_seen:
            was_lost = before.state is State.LOST
            place = self._tracker.next_place(candidate, image_shape, adopts_size=was_lost)
            baseline = updated_baseline(baseline, candidate.peak.probability, result.confidence)
        elif status.state is State.UNCERTAIN and status.misses:
            place = predicted_place(track, stamp_ns, image_shape)
            shift_x, shift_y = place.center_x - track.place.center_x, place.center_y - track.place.center_y
            status = moved(status, shift_x, shift_y)
        if status.state is State.UNCERTAIN:
            place = place._replace(width=track.place.width, height=track.place.height)
        velocity = track.velocity_px_s
        if before.state is State.LOST:
            velocity = (0.0, 0.0)
        elif before.state is status.state is State.TRACKING:
            velocity = smoothed_velocity(track, place, stamp_ns)
        global_search = GlobalSearch()
        if before.state is status.state is State.LOST:
            grid = [grid_region(region) for region in regions if not region.prefers_center]
            global_search = track.global_search.searched(grid)
        return TrackState(place, status, velocity, baseline, global_search)


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


def _observation(result: TrackResult) -> Observation:
    has_mask = result.mask is None or bool(result.mask.any())
    return Observation(result.confidence, result.box_xywh.tolist(), has_mask)


def _rank(candidate: Candidate) -> float:
    return candidate.peak.probability * candidate.peak.penalty
