"""The long-term tracker: it follows targets that are occluded, leave the image and come back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice

import numpy as np
from numpy.typing import ArrayLike

from siammaskpp_core.arrays import Image
from siammaskpp_core.tracking.boxes import overlap
from siammaskpp_core.tracking.long_term.appearance import learn, update
from siammaskpp_core.tracking.long_term.config import LongTermConfig
from siammaskpp_core.tracking.long_term.decision import (
    OtherObject,
    Weighed,
    center_cells,
    choose,
    size_cells,
    weigh,
)
from siammaskpp_core.tracking.long_term.distractors import (
    EXCHANGE_LOG_ODDS,
    IDENTITY_CERTAIN,
    Peak,
    identity_log_odds,
    identity_probability,
    visible_rival,
)
from siammaskpp_core.tracking.long_term.distractors import updated as updated_distractors
from siammaskpp_core.tracking.long_term.motion import Motion
from siammaskpp_core.tracking.long_term.redetection import GlobalSearch
from siammaskpp_core.tracking.long_term.regions import Regions, search_regions
from siammaskpp_core.tracking.long_term.state import (
    Evidence,
    Observation,
    State,
    TrackStatus,
    advance,
    evidence,
    is_searched_for,
)
from siammaskpp_core.tracking.long_term.target import Target, TrackState
from siammaskpp_core.tracking.masks import separate_masks
from siammaskpp_core.tracking.tracker import Candidate, SearchRegion, Tracker, TrackResult

PEAKS = 4
"""Peaks of the response that are considered in each search region."""
FOLLOW_PROBABILITY = 0.2
"""A candidate with at least this probability moves the place where the target is expected."""
LEARN_PROBABILITY = 0.6
"""The appearance model learns from a candidate that is the target with at least this probability."""
LEARN_LOGIT = 0.5
"""It learns only at this fraction of the usual logit or more: it would learn what hides the target."""
USUAL_LOGIT_RATE = 0.1
"""Weight of the newest logit in the usual one."""
RECOGNISED_PROBABILITY = 0.7
"""Peaks beside a target that is recognised with at least this probability are distractors."""
DISTRACTOR_PROBABILITY = 0.3
"""A distractor has at least this probability by the network."""
SAME_OBJECT_OVERLAP = 0.2
"""Peaks whose boxes overlap by more than this may be one object."""
SAME_PEAK_OVERLAP = 0.7
"""Candidates of two targets whose boxes overlap by more than this are one peak."""


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
        is_seen = evidence(_observation(result), config or LongTermConfig()) is not Evidence.NONE
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
                self._advanced(target.track, group, each, result, image.shape, stamp_ns, config)
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
        is_lost = track.status.state is State.LOST
        return choose(expected, elsewhere, config.confidence_low if is_lost else config.confidence_high)

    def _advanced(
        self,
        track: TrackState,
        regions: Regions,
        chosen: Weighed,
        result: TrackResult,
        image_shape: tuple[int, ...],
        stamp_ns: int,
        config: LongTermConfig,
    ) -> TrackState:
        """Return the track state after an image in which `chosen` is probably the target."""
        status = advance(track.status, _observation(result, chosen), stamp_ns, config)
        track = replace(track, status=status, angle_rad=result.rotated_box.angle_rad)
        if status.is_seen or (not chosen.is_elsewhere and chosen.probability >= FOLLOW_PROBABILITY):
            track = self._moved(track, chosen, result, image_shape, config)
        track = _with_distractors(track, chosen)
        if status.state is State.TRACKING:
            track = replace(track, usual_logit=_smoothed(track.usual_logit, chosen.logit))
        if _may_learn(track, chosen, result):
            assert track.appearance is not None
            assert chosen.response is not None
            size = size_cells(track.place, chosen.candidate)
            model = update(track.appearance, chosen.response, center_cells(chosen.candidate), size)
            track = replace(track, appearance=model)
        if not is_searched_for(status, config):
            return replace(track, global_search=GlobalSearch())
        return replace(track, global_search=track.global_search.searched(regions.grid))

    def _moved(
        self,
        track: TrackState,
        chosen: Weighed,
        result: TrackResult,
        image_shape: tuple[int, ...],
        config: LongTermConfig,
    ) -> TrackState:
        """Return the track state with place and motion after an observation of the target."""
        place = self._tracker.next_place(
            chosen.candidate, result, image_shape, adopts_size=chosen.is_elsewhere
        )
        is_vague = chosen.probability < config.confidence_low or _has_merged(track)
        if is_vague and not chosen.is_elsewhere:
            place = place._replace(width=track.place.width, height=track.place.height)
        x, y = place.center_x, place.center_y
        if chosen.is_elsewhere:
            motion = Motion.starting_at(x, y, place.mean_side)
        else:
            motion = track.motion.observed(x, y, track.place.mean_side)
        return replace(track, place=place, motion=motion)


def without_shared_peaks(chosen: Sequence[Weighed]) -> list[Weighed]:
    """Return the choices of all targets; of several that chose one peak, only the most probable keeps it."""
    result = list(chosen)
    order = sorted(range(len(result)), key=lambda index: -result[index].probability)
    for rank, index in enumerate(order):
        if any(_is_same_peak(result[index], result[better]) for better in order[:rank]):
            result[index] = result[index]._replace(probability=0.0, belief=0.0)
    return result


def _is_same_peak(first: Weighed, second: Weighed) -> bool:
    boxes = (each.candidate.place.box_xywh for each in (first, second))
    return bool(overlap(*boxes) > SAME_PEAK_OVERLAP)


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


def _with_distractors(track: TrackState, chosen: Weighed) -> TrackState:
    """Return the track state with the distractors of this image, and the identity that they leave."""
    beside: list[Peak] = []
    appearance, is_recognised = None, False
    if not chosen.is_elsewhere:
        box = chosen.candidate.place.box_xywh
        beside = [
            Peak(each.candidate.place, each.appearance or 0.0)
            for each in chosen.beside
            if each.candidate.peak.probability >= DISTRACTOR_PROBABILITY
            and overlap(each.candidate.place.box_xywh, box) < SAME_OBJECT_OVERLAP
        ]
        is_recognised = chosen.probability >= RECOGNISED_PROBABILITY
        appearance = chosen.appearance if chosen.is_followed else None
    distractors = updated_distractors(track.distractors, beside, track.place, may_begin=is_recognised)
    log_odds = identity_log_odds(track.identity_log_odds, distractors, track.place, appearance)
    if track.status.state is State.LOST:  # nothing is followed that might be somebody else
        log_odds = IDENTITY_CERTAIN
    if log_odds >= IDENTITY_CERTAIN:
        distractors = tuple(distractor._replace(is_rival=False) for distractor in distractors)
    return _exchanged(replace(track, distractors=distractors, identity_log_odds=log_odds))


def _exchanged(track: TrackState) -> TrackState:
    """Return the track state in which a rival that looks more like the target has become the target."""
    rival = visible_rival(track.distractors)
    if rival is None or track.identity_log_odds > EXCHANGE_LOG_ODDS:
        return track
    place = track.place._replace(center_x=rival.motion.x, center_y=rival.motion.y)
    followed = rival._replace(motion=track.motion, width_px=track.place.width, height_px=track.place.height)
    distractors = tuple(followed if each is rival else each for each in track.distractors)
    return replace(
        track,
        place=place,
        motion=rival.motion,
        distractors=distractors,
        identity_log_odds=-track.identity_log_odds,
    )


def _has_merged(track: TrackState) -> bool:
    return any(distractor.has_merged_with(track.place) for distractor in track.distractors)


def _may_learn(track: TrackState, chosen: Weighed, result: TrackResult) -> bool:
    """Return True when the appearance model may learn: the target is certain, and alone in its place."""
    return (
        chosen.response is not None
        and track.status.state is not State.LOST
        and chosen.probability * identity_probability(track.identity_log_odds) >= LEARN_PROBABILITY
        and not chosen.is_elsewhere
        and chosen.candidate.region.scale == 1.0
        and chosen.logit >= _least_logit(track)
        and not _has_merged(track)
    )


def _least_logit(track: TrackState) -> float:
    """Return the logit below which an image does not show the target as well as usual."""
    usual = track.usual_logit or 0.0
    return min(LEARN_LOGIT * usual, usual)


def _smoothed(usual: float | None, newest: float) -> float:
    return newest if usual is None else usual + USUAL_LOGIT_RATE * (newest - usual)


def _observation(result: TrackResult, chosen: Weighed | None = None) -> Observation:
    has_mask = result.mask is None or bool(result.mask.any())
    box = result.box_xywh.tolist()
    if chosen is None:
        return Observation(result.confidence, box, has_mask)
    return Observation(result.confidence, box, has_mask, chosen.is_elsewhere, chosen.is_followed)
