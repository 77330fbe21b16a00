"""What one image changes in the memory of a target: place, motion, distractors, identity, appearance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from siammaskpp_core.tracking.boxes import Place, overlap
from siammaskpp_core.tracking.long_term.appearance import update
from siammaskpp_core.tracking.long_term.config import LongTermConfig
from siammaskpp_core.tracking.long_term.decision import Weighed, center_cells, size_cells
from siammaskpp_core.tracking.long_term.distractors import (
    EXCHANGE_LOG_ODDS,
    IDENTITY_CERTAIN,
    Peak,
    identity_log_odds,
    identity_probability,
    updated,
    visible_rival,
)
from siammaskpp_core.tracking.long_term.motion import Motion
from siammaskpp_core.tracking.long_term.redetection import GlobalSearch, GridRegion
from siammaskpp_core.tracking.long_term.state import Observation, State, advance, is_searched_for
from siammaskpp_core.tracking.long_term.target import TrackState
from siammaskpp_core.tracking.tracker import TrackResult

FOLLOW_PROBABILITY = 0.2
"""A candidate with at least this probability moves the place where a target is expected that is not LOST."""
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
JUMP_LOG_ODDS = 0.0
"""Log odds of the identity after a jump where distractors are known: it may have been to one of them."""
SAME_OBJECT_OVERLAP = 0.2
"""Peaks whose boxes overlap by more than this may be one object."""


class Sighting(NamedTuple):
    """What an image shows of a target: the chosen candidate, its result, and where that moves the target."""

    chosen: Weighed
    result: TrackResult
    place: Place
    """Where the target is searched for next if it has been found
    (:meth:`~siammaskpp_core.tracking.tracker.Tracker.next_place`)."""

    @property
    def observation(self) -> Observation:
        """The observation on which the next track state depends."""
        mask = self.result.mask
        return Observation(
            self.result.confidence,
            self.result.box_xywh.tolist(),
            mask is None or bool(mask.any()),
            self.chosen.is_elsewhere,
            self.chosen.is_followed,
        )


def after_image(
    track: TrackState,
    sighting: Sighting,
    searched: Sequence[GridRegion],
    stamp_ns: int,
    config: LongTermConfig,
) -> TrackState:
    """Return the track state after an image; `track` is predicted for it.

    `searched` are the regions of the global search that were searched in it.
    """
    chosen, result = sighting.chosen, sighting.result
    status = advance(track.status, sighting.observation, stamp_ns, config)
    track = replace(track, status=status, angle_rad=result.rotated_box.angle_rad)
    if status.is_seen or (status.state is not State.LOST and _is_followed(chosen)):
        track = _moved(track, sighting, config)
    track = _with_distractors(track, chosen)
    if status.state is State.TRACKING:
        track = replace(track, usual_logit=_smoothed(track.usual_logit, chosen.logit))
    track = _learned(track, chosen)
    if not is_searched_for(status, config):
        return replace(track, global_search=GlobalSearch())
    return replace(track, global_search=track.global_search.searched(searched))


def _is_followed(chosen: Weighed) -> bool:
    return not chosen.is_elsewhere and chosen.probability >= FOLLOW_PROBABILITY


def _moved(track: TrackState, sighting: Sighting, config: LongTermConfig) -> TrackState:
    """Return the track state with place and motion after an observation of the target."""
    place, chosen = sighting.place, sighting.chosen
    x, y = place.center_x, place.center_y
    if chosen.is_elsewhere:
        return replace(track, place=place, motion=Motion.starting_at(x, y, place.mean_side))
    if chosen.probability < config.confidence_low or _has_merged(track):  # its size would be another object's
        place = place._replace(width=track.place.width, height=track.place.height)
    return replace(track, place=place, motion=track.motion.observed(x, y, track.place.mean_side))


def _with_distractors(track: TrackState, chosen: Weighed) -> TrackState:
    """Return the track state with the distractors of this image, and the identity that they leave."""
    beside: list[Peak] = []
    appearance, is_recognised = None, False
    if not chosen.is_elsewhere:
        box = chosen.candidate.place.box_xywh
        beside = [
            Peak(each.candidate.place, each.appearance or 0.0, each.candidate.peak.probability)
            for each in chosen.beside
            if each.candidate.peak.probability >= DISTRACTOR_PROBABILITY
            and overlap(each.candidate.place.box_xywh, box) < SAME_OBJECT_OVERLAP
        ]
        is_recognised = chosen.probability >= RECOGNISED_PROBABILITY
        appearance = chosen.appearance if chosen.is_followed else None
    distractors = updated(track.distractors, beside, track.place, may_begin=is_recognised)
    before = track.identity_log_odds
    if chosen.is_jump and _is_followed(chosen) and any(each.is_established for each in track.distractors):
        before = min(before, JUMP_LOG_ODDS)
    log_odds = identity_log_odds(before, distractors, track.place, appearance)
    if track.status.state is State.LOST:  # nothing is followed that might be somebody else
        log_odds = IDENTITY_CERTAIN
    if log_odds >= IDENTITY_CERTAIN:
        distractors = tuple(distractor._replace(is_rival=False) for distractor in distractors)
    return _exchanged(replace(track, distractors=distractors, identity_log_odds=log_odds), appearance or 0.0)


def _exchanged(track: TrackState, appearance: float) -> TrackState:
    """Return the track state in which a rival that looks more like the target has become the target.

    What has been followed, with this `appearance`, becomes the rival.
    """
    rival = visible_rival(track.distractors)
    if rival is None or track.identity_log_odds > EXCHANGE_LOG_ODDS:
        return track
    place = track.place._replace(center_x=rival.motion.x, center_y=rival.motion.y)
    followed = rival._replace(
        motion=track.motion,
        width_px=track.place.width,
        height_px=track.place.height,
        appearance=appearance,
    )
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


def _learned(track: TrackState, chosen: Weighed) -> TrackState:
    """Return the track state with what the appearance model learns from an image, if it may learn."""
    if track.appearance is None or chosen.response is None or not _may_learn(track, chosen):
        return track
    size = size_cells(track.place, chosen.candidate)
    model = update(track.appearance, chosen.response, center_cells(chosen.candidate), size)
    return replace(track, appearance=model)


def _may_learn(track: TrackState, chosen: Weighed) -> bool:
    """Return True when the target is certain, and alone in its place."""
    return (
        track.status.state is not State.LOST
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
