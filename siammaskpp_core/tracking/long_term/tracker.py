"""Following targets that are covered, leave the image and come back."""

from __future__ import annotations

from collections.abc import Sequence

from numpy.typing import ArrayLike

from siammaskpp_core.arrays import Image
from siammaskpp_core.tracking.long_term.redetection import Region, Sweep
from siammaskpp_core.tracking.long_term.search import (
    LongTermConfig,
    predicted,
    region_of,
    smoothed_velocity,
    views,
)
from siammaskpp_core.tracking.long_term.state import Observation, State, advance, moved
from siammaskpp_core.tracking.tracker import Found, Target, Tracker, TrackResult, View


class LongTermTracker:
    """A :class:`~siammaskpp_core.tracking.Tracker` that knows when a target is not there.

    While a target is TRACKING it is followed just as by `Tracker.step`. In doubt only its place changes, from
    sightings near where it is expected or by its velocity; its size waits. While LOST it is searched for in
    the whole image. All state is in the targets.
    """

    def __init__(self, tracker: Tracker) -> None:
        self._tracker = tracker

    @property
    def timings(self) -> dict[str, float]:
        """See :attr:`siammaskpp_core.tracking.Tracker.timings`."""
        return self._tracker.timings

    def init(self, image: Image, box_xywh: ArrayLike) -> Target:
        """See :meth:`siammaskpp_core.tracking.Tracker.init`."""
        return self._tracker.init(image, box_xywh)

    def try_boxes(self, image: Image, boxes_xywh: Sequence[ArrayLike]) -> list[TrackResult]:
        """See :meth:`siammaskpp_core.tracking.Tracker.try_boxes`."""
        return self._tracker.try_boxes(image, boxes_xywh)

    def step(
        self,
        image: Image,
        targets: Sequence[Target],
        stamp_ns: int,
        config: LongTermConfig | None = None,
    ) -> list[TrackResult]:
        """Find `targets` in the next image, taken at `stamp_ns`; update them, and their presence.

        One result each, in their order; whether it is the target is said by `target.presence`. No target is
        changed when an error is raised.
        """
        config = config or LongTermConfig()
        looks = [self._views(target, image.shape, stamp_ns, config) for target in targets]
        found = iter(self._tracker.look(image, [view for look in looks for view in look]))
        best = [max((next(found) for _ in look), key=_merit) for look in looks]
        results = self._tracker.results(image, best)
        for item, look, result in zip(best, looks, results, strict=True):
            swept = [region_of(view) for view in look if view.is_anywhere]
            self._update(item, result, image.shape, stamp_ns, swept, config)
        return results

    def _views(
        self, target: Target, image_shape: tuple[int, ...], stamp_ns: int, config: LongTermConfig
    ) -> list[View]:
        return views(target, image_shape, stamp_ns, self._tracker.reach_px(View.of(target)), config)

    def _update(
        self,
        found: Found,
        result: TrackResult,
        image_shape: tuple[int, ...],
        stamp_ns: int,
        swept: Sequence[Region],
        config: LongTermConfig,
    ) -> None:
        target, before = found.view.target, found.view.target.presence
        has_mask = result.mask is None or bool(result.mask.any())
        observation = Observation(result.score, result.box_xywh.tolist(), has_mask)
        presence = advance(before, observation, stamp_ns, config)
        place, size = (target.center_x, target.center_y), (target.width, target.height)
        if presence.is_seen:
            self._tracker.follow(found, result, image_shape, at_once=before.state is State.LOST)
        elif presence.state is State.UNCERTAIN and presence.misses:
            target.center_x, target.center_y = predicted(target, stamp_ns, image_shape)
            presence = moved(presence, target.center_x - place[0], target.center_y - place[1])
        if presence.state is State.UNCERTAIN:
            target.width, target.height = size
        if before.state is State.LOST:
            target.velocity_px_s = (0.0, 0.0)
        elif before.state is presence.state is State.TRACKING:
            target.velocity_px_s = smoothed_velocity(target, place, stamp_ns)
        is_still_lost = before.state is presence.state is State.LOST
        target.sweep = target.sweep.searched(swept) if is_still_lost else Sweep()
        target.presence = presence


def _merit(found: Found) -> float:
    return found.candidate.score * found.candidate.penalty
