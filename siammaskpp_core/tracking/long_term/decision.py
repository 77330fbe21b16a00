"""Decides which candidate is the target, from looks, motion, and the objects around it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np

from siammaskpp_core.arrays import Float64Array
from siammaskpp_core.network.config import STRIDE
from siammaskpp_core.tracking.boxes import Place, overlap
from siammaskpp_core.tracking.config import TrackingConfig
from siammaskpp_core.tracking.decoding import logit
from siammaskpp_core.tracking.long_term.appearance import AppearanceResponse, Point, respond
from siammaskpp_core.tracking.long_term.association import (
    OTHER_APPEARANCE,
    elsewhere_log_ratio,
    following_log_ratio,
    identity_log_ratio,
    motion_log_ratio,
    peak_probabilities,
    size_log_ratio,
)
from siammaskpp_core.tracking.long_term.config import LongTermConfig
from siammaskpp_core.tracking.long_term.motion import Motion
from siammaskpp_core.tracking.long_term.state import State
from siammaskpp_core.tracking.long_term.target import TrackState
from siammaskpp_core.tracking.tracker import Candidate

IS_FOLLOWED_PROBABILITY = 0.5
"""A candidate with at least this probability is the object that has been followed."""
MAX_OTHERS = 3
"""Known other objects that are considered beside the target in one region: the most certain ones."""
SAME_PEAK_OVERLAP = 0.7
"""Candidates of two targets whose boxes overlap by more than this are one peak."""


Witness: TypeAlias = Callable[[float, float | None, TrackingConfig], float]


class OtherObject(NamedTuple):
    """A known object that is not the target: a distractor, or another target."""

    motion: Motion
    place: Place


class Weighed(NamedTuple):
    """A candidate and what is known about it."""

    candidate: Candidate
    probability: float
    """Probability that it is the object which has been followed."""
    belief: float
    """Probability that it is the target: what is published."""
    appearance: float | None
    """Response of the target's appearance model at the candidate; None without a model."""
    response: AppearanceResponse | None
    beside: tuple[Weighed, ...] = ()
    """The other candidates of the same region."""
    is_elsewhere: bool = False
    is_jump: bool = False
    """It is where the target is searched for, but farther from the prediction than a target moves."""

    @property
    def is_followed(self) -> bool:
        """True when this is probably the object that has been followed, whether or not it is the target."""
        return not self.is_elsewhere and self.probability >= IS_FOLLOWED_PROBABILITY

    @property
    def logit(self) -> float:
        """The logit of the network."""
        return logit(self.candidate.peak.probability)


def weigh(
    track: TrackState,
    candidates: Sequence[Candidate],
    others: Sequence[OtherObject],
    config: TrackingConfig,
    is_elsewhere: bool,
) -> list[Weighed]:
    """Weigh the candidates of one search region.

    `track` and `others` are predicted for this image. The region is where the target is expected, or
    elsewhere.
    """
    response = _response(track, candidates[0])
    appearances = [None if response is None else response.at(center_cells(each)) for each in candidates]
    # A peak far from the prediction is worth as much as one elsewhere.
    far = elsewhere_log_ratio(track.status.unclear.images, config)
    where, jumps = np.full(len(candidates), far), np.zeros(len(candidates), bool)
    if not is_elsewhere:
        side_px = track.place.mean_side
        near = np.array([motion_log_ratio(track.motion, each.place, side_px, config) for each in candidates])
        where, jumps = np.maximum(far, near), near < far
    believes = _probabilities(identity_log_ratio, candidates, appearances, where, others, config)
    follows = believes
    if not is_elsewhere:
        follows = _probabilities(following_log_ratio, candidates, appearances, where, others, config)
    weighed = [
        Weighed(
            candidate,
            followed,
            believed,
            appearance,
            response,
            is_elsewhere=is_elsewhere,
            is_jump=is_jump,
        )
        for candidate, followed, believed, appearance, is_jump in zip(
            candidates, follows, believes, appearances, jumps.tolist(), strict=True
        )
    ]
    return [each._replace(beside=tuple(other for other in weighed if other is not each)) for each in weighed]


def choose(
    expected: Sequence[Weighed], elsewhere: Sequence[Weighed], state: State, config: LongTermConfig
) -> Weighed:
    """Return the candidate that is probably the target.

    Of a LOST target it is the one that is believed most, wherever it is. Otherwise it is what has been
    followed, unless a candidate elsewhere is believed clearly and that one is not.
    """
    if state is State.LOST:
        return max((*expected, *elsewhere), key=lambda each: each.belief)
    best = max(expected, key=lambda each: each.probability, default=None)
    rival = max(elsewhere, key=lambda each: each.probability, default=None)
    if best is None or rival is None:
        chosen = best or rival
        assert chosen is not None
        return chosen
    is_preferred = rival.belief >= config.confidence_high > best.belief
    return rival if is_preferred else best


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


def center_cells(candidate: Candidate) -> Point:
    """Return the centre of a candidate's box in cells of the response, relative to the region's centre."""
    x, y = candidate.peak.center_xy / STRIDE
    return float(x), float(y)


def size_cells(place: Place, candidate: Candidate) -> Point:
    """Return the size of a place in cells of the response in which a candidate lies."""
    scale = candidate.window.scale / STRIDE
    return place.width * scale, place.height * scale


def _response(track: TrackState, candidate: Candidate) -> AppearanceResponse | None:
    features = candidate.output.conv3
    if track.appearance is None or features is None:
        return None
    return respond(track.appearance, np.asarray(features, np.float32))


def _probabilities(
    witness: Witness,
    candidates: Sequence[Candidate],
    appearances: Sequence[float | None],
    where: Float64Array,
    others: Sequence[OtherObject],
    config: TrackingConfig,
) -> list[float]:
    """Return the probability of each candidate, by what a witness says about looks."""
    logits = [logit(each.peak.probability) for each in candidates]
    looks = [witness(*each, config) for each in zip(logits, appearances, strict=True)]
    usual = None if appearances[0] is None else OTHER_APPEARANCE
    explained = [
        [
            witness(each_logit, usual, config)
            + motion_log_ratio(other.motion, each.place, other.place.mean_side, config)
            + size_log_ratio(each.place, other.place)
            for each, each_logit in zip(candidates, logits, strict=True)
        ]
        for other in others[:MAX_OTHERS]
    ]
    explained_by_others = np.array(explained).reshape(-1, len(candidates))
    return list(map(float, peak_probabilities(np.array(looks) + where, explained_by_others)))
