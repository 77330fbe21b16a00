"""Where to look for a target: around its place, wider in doubt, over the whole image when it is lost."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from siammaskpp_core.config import option
from siammaskpp_core.tracking.long_term.redetection import Point, Region, regions_of
from siammaskpp_core.tracking.long_term.state import Box, State, StateConfig
from siammaskpp_core.tracking.tracker import Target, View

# A new velocity counts as much as the old one after this time; a single image's is mostly noise.
_VELOCITY_HALF_LIFE_S = 0.1
# After a longer pause of the camera nobody knows where a target has gone: it is looked for where it was.
_LONGEST_PAUSE_S = 0.5
# By which a target may come back larger, or smaller.
_LARGEST_GROWTH = 3.0


@dataclass(frozen=True)
class LongTermConfig(StateConfig):
    """When a target is lost, and how it is searched for then."""

    search_scale_step: float = option(
        0.1,
        "Each image that does not show a target widens its search region by so much",
        low=0.0,
        high=2.0,
    )
    search_scale_max: float = option(
        1.5,
        "Up to so many times the usual one; while LOST such regions have their turn too",
        low=1.0,
        high=4.0,
    )
    search_regions_per_image: int = option(
        2, "Search regions of a target that is not seen, in each image; each costs a step", low=1, high=64
    )


def views(
    target: Target, image_shape: tuple[int, ...], stamp_ns: int, reach_px: float, config: LongTermConfig
) -> list[View]:
    """Where to look for `target` in an image with this shape and stamp: one view while it is seen.

    `reach_px` is how wide its usual search region sees (:meth:`Tracker.reach_px`).
    """
    presence = target.presence
    if presence.state is State.LOST:
        return _views_of_lost(target, image_shape, reach_px, config)
    if not presence.misses:
        return [View.of(target)]
    place = predicted(target, stamp_ns, image_shape)
    widening = min(1 + config.search_scale_step * presence.misses, config.search_scale_max)
    result = [View(target, *place, scale, is_anywhere=True) for scale in (widening, 1.0)]
    return result[: config.search_regions_per_image]


def _views_of_lost(
    target: Target, image_shape: tuple[int, ...], reach_px: float, config: LongTermConfig
) -> list[View]:
    """The place that is being confirmed, then regions of the sweep over the image."""
    candidate = target.presence.candidate_box_xywh
    result = [_view_of_candidate(target, candidate)] if candidate else []
    lost_at = target.center_x, target.center_y
    regions = regions_of(image_shape, reach_px, lost_at, config.search_scale_max)
    due = target.sweep.next(regions, config.search_regions_per_image - len(result))
    return result + [View(target, *region, is_anywhere=True) for region in due]


def region_of(view: View) -> Region:
    """The region that a view of a lost target searches."""
    return Region(view.center_x, view.center_y, view.widening)


def _view_of_candidate(target: Target, candidate_box_xywh: Box) -> View:
    """Around a observation that is being confirmed, as wide as suits its size: the target may have grown."""
    width, height = candidate_box_xywh[2:]
    growth = math.sqrt(width * height / (target.width * target.height))
    widening = min(max(growth, 1 / _LARGEST_GROWTH), _LARGEST_GROWTH)
    return View(target, *_centre(candidate_box_xywh), widening)


def predicted(target: Target, stamp_ns: int, image_shape: tuple[int, ...]) -> Point:
    """Where a target at constant velocity is at `stamp_ns`, within the image."""
    elapsed_s = _elapsed_s(target, stamp_ns)
    if elapsed_s > _LONGEST_PAUSE_S:
        return target.center_x, target.center_y
    height, width = image_shape[:2]
    x = target.center_x + elapsed_s * target.velocity_px_s[0]
    y = target.center_y + elapsed_s * target.velocity_px_s[1]
    return float(np.clip(x, 0, width)), float(np.clip(y, 0, height))


def smoothed_velocity(target: Target, before: Point, stamp_ns: int) -> Point:
    """The velocity (px/s) of a target that was at `before` in the image before and has been followed."""
    elapsed_s = _elapsed_s(target, stamp_ns)
    if elapsed_s <= 0:
        return target.velocity_px_s
    share = 1 - 0.5 ** (elapsed_s / _VELOCITY_HALF_LIFE_S)
    old_x, old_y = target.velocity_px_s
    now_x, now_y = (target.center_x - before[0]) / elapsed_s, (target.center_y - before[1]) / elapsed_s
    return old_x + share * (now_x - old_x), old_y + share * (now_y - old_y)


def _elapsed_s(target: Target, stamp_ns: int) -> float:
    """Since the image before; 0 when that is not known, or time has jumped back."""
    before_ns = target.presence.stamp_ns
    return 0.0 if before_ns is None else max(stamp_ns - before_ns, 0) * 1e-9


def _centre(box_xywh: Box) -> Point:
    x, y, width, height = box_xywh
    return x + width / 2, y + height / 2
