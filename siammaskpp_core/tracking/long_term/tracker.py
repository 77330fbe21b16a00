"""The long-term tracker: it follows targets that are occluded, leave the image and come back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice

import numpy as np
from numpy.typing import ArrayLike

from siammaskpp_core.arrays import Image
from siammaskpp_core.tracking.long_term.appearance import learn
from siammaskpp_core.tracking.long_term.config import LongTermConfig
from siammaskpp_core.tracking.long_term.decision import (
    OtherObject,
    Weighed,
    choose,
    size_cells,
    weigh,
    without_shared_peaks,
)
from siammaskpp_core.tracking.long_term.distractors import identity_probability
from siammaskpp_core.tracking.long_term.regions import Regions, search_regions
from siammaskpp_core.tracking.long_term.state import Evidence, Observation, State, TrackStatus, evidence
from siammaskpp_core.tracking.long_term.target import Target, TrackState
from siammaskpp_core.tracking.long_term.update import Sighting, after_image
from siammaskpp_core.tracking.masks import separate_masks
from siammaskpp_core.tracking.tracker import Candidate, SearchRegion, Tracker, TrackResult

PEAKS = 4
"""Peaks of the response that are considered in each search region."""


class LongTermTracker:
    """A tracker that decides over time: which candidate is the target, and where to search for it.

    While a target is seen clearly it is followed by one search region per image, as by the plain step of
    :class:`~siammaskpp_core.tracking.tracker.Tracker`, but at the place that its motion predicts. A target
    that has not been seen clearly for a while is searched for in the whole image as well. The tracker keeps
    no target: all memory is in the :class:`Target` objects of the caller.
    """

    def __init__(self, tracker: Tracker) -> None:
        self._tracker = tracker

    @property
    def engine_name(self) -> str:
        """Name of the engine that runs the network."""
        return self._tracker.engine.name

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
        region, candidate, result = self._tracker.init(image, box_xywh)
        observation = Observation(result.confidence, result.box_xywh.tolist())
        is_seen = evidence(observation, config or LongTermConfig()) is not Evidence.NONE
        track = TrackState.starting_at(region.place, TrackStatus(is_seen=is_seen))
        track = replace(track, angle_rad=result.rotated_box.angle_rad)
        features = candidate.output.conv3
        if self._tracker.config.evidence_appearance and features is not None:
            model = learn(np.asarray(features, np.float32), size_cells(region.place, candidate))
            track = replace(track, appearance=model)
        return Target(region.template, track), result

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

        Returns one result for each target, in their order; `target.is_seen` says whether to accept it. No two
        masks share a pixel. No target is changed when an error is raised.
        """
        if isinstance(targets, Target):
            raise TypeError("step takes a list of targets: step(image, [target], stamp_ns)")
        config = config or LongTermConfig()
        predicted = [
            Target(target.template, target.track.predicted(stamp_ns, image.shape)) for target in targets
        ]
        regions = [self._regions(target, image.shape, config) for target in predicted]
        found = iter(self._tracker.search(image, [each for group in regions for each in group.all], PEAKS))
        with self._tracker.timed("decide"):
            chosen = without_shared_peaks(
                [
                    self._choose(target.track, group, found, _others(target, predicted), config)
                    for target, group in zip(predicted, regions, strict=True)
                ]
            )
        results = [
            _in_context(result, target.track, each)
            for result, target, each in zip(
                self._tracker.refine(image, [each.candidate for each in chosen]),
                predicted,
                chosen,
                strict=True,
            )
        ]
        separate_masks([result.mask for result in results], [result.confidence for result in results])
        with self._tracker.timed("learn"):
            advanced = [
                after_image(target.track, self._sighting(each, result, image), group.grid, stamp_ns, config)
                for target, group, each, result in zip(predicted, regions, chosen, results, strict=True)
            ]
        for target, track in zip(targets, advanced, strict=True):
            target.track = track
        return results

    def _regions(self, target: Target, image_shape: tuple[int, ...], config: LongTermConfig) -> Regions:
        usual = SearchRegion(target.template, target.track.place)
        return search_regions(target, image_shape, self._tracker.response_extent_px(usual), config)

    def _choose(
        self,
        track: TrackState,
        regions: Regions,
        found: Iterator[list[Candidate]],
        others: Sequence[OtherObject],
        config: LongTermConfig,
    ) -> Weighed:
        """Weigh the candidates that were found in a target's regions, and choose one."""
        expected, elsewhere = (
            [
                each
                for candidates in islice(found, len(searched))
                for each in weigh(track, candidates, others, self._tracker.config, is_elsewhere)
            ]
            for searched, is_elsewhere in ((regions.expected, False), (regions.elsewhere, True))
        )
        return choose(expected, elsewhere, track.status.state, config)

    def _sighting(self, chosen: Weighed, result: TrackResult, image: Image) -> Sighting:
        place = self._tracker.next_place(
            chosen.candidate, result, image.shape, adopts_size=chosen.is_elsewhere
        )
        return Sighting(chosen, result, place)


def _others(target: Target, targets: Sequence[Target]) -> list[OtherObject]:
    """Return the objects that are known not to be a target: the other targets that are seen, distractors."""
    others = [
        OtherObject(other.track.motion, other.track.place)
        for other in targets
        if other is not target and other.state is not State.LOST
    ]
    return others + [
        OtherObject(distractor.motion, distractor.place)
        for distractor in target.track.distractors
        if distractor.is_established
    ]


def _in_context(result: TrackResult, track: TrackState, chosen: Weighed) -> TrackResult:
    """Return the result with the confidence, and the description of its rotated box, that the track gives.

    A mask in pieces lowers the confidence: it shows something that covers the target, or several objects.
    """
    identity = 1.0 if chosen.is_elsewhere else identity_probability(track.identity_log_odds)
    return replace(
        result,
        confidence=chosen.belief * identity * result.mask_fraction,
        rotated_box=result.rotated_box.described_near(track.angle_rad),
    )
