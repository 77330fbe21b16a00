"""What one image changes in the memory of a target, without a network."""

from types import SimpleNamespace

import numpy as np
import pytest

from siammaskpp_core.tracking import LongTermConfig, Place, RotatedBox, State, TrackResult
from siammaskpp_core.tracking.long_term.decision import Weighed
from siammaskpp_core.tracking.long_term.distractors import IDENTITY_CERTAIN, Distractor, Peak
from siammaskpp_core.tracking.long_term.target import TrackState
from siammaskpp_core.tracking.long_term.update import Sighting, after_image

SIDE = 40.0
STEP_NS = 33_333_333


def place(x: float) -> Place:
    return Place(x, 100.0, SIDE, SIDE)


def weighed(x: float, appearance: float = 0.7, probability: float = 0.95, **others) -> Weighed:
    candidate = SimpleNamespace(
        place=place(x), peak=SimpleNamespace(probability=0.9), region=SimpleNamespace(scale=1.0)
    )
    return Weighed(candidate, probability, probability, appearance, None, **others)


def distractor(x: float, appearance: float, is_rival: bool) -> Distractor:
    return Distractor.starting_at(Peak(place(x), appearance, 0.9))._replace(hits=9, is_rival=is_rival)


def after(track: TrackState, chosen: Weighed, confidence: float = 0.9) -> TrackState:
    """The track state after one more image."""
    box = np.asarray(chosen.candidate.place.box_xywh, np.float64)
    result = TrackResult(box, RotatedBox.axis_aligned(box), confidence, None)
    stamp_ns = (track.status.stamp_ns or 0) + STEP_NS
    sighting = Sighting(chosen, result, chosen.candidate.place)
    return after_image(track.predicted(stamp_ns, (480, 640)), sighting, [], stamp_ns, LongTermConfig())


def track_with(*distractors: Distractor, log_odds: float = IDENTITY_CERTAIN) -> TrackState:
    start = TrackState.starting_at(place(100))
    return TrackState(start.place, start.motion, distractors=distractors, identity_log_odds=log_odds)


@pytest.mark.parametrize(
    ("is_jump", "distractors", "in_doubt"),
    [(True, True, True), (False, True, False), (True, False, False)],
)
def test_a_jump_where_others_are_known_may_be_to_one_of_them(is_jump, distractors, in_doubt):
    known = [distractor(300, 0.3, is_rival=False)] if distractors else []
    track = after(track_with(*known), weighed(160, is_jump=is_jump))
    assert track.place.center_x == 160
    assert (track.identity_log_odds <= 0) is in_doubt
    assert track.status.state is State.TRACKING


def test_a_rival_that_looks_more_like_the_target_becomes_the_target():
    track = track_with(distractor(180, 0.9, is_rival=True), log_odds=-0.4)
    other = weighed(180, 0.9, probability=0.1)
    track = after(track, weighed(100, 0.1, beside=(other,)))
    assert track.place.center_x == pytest.approx(180, abs=2)
    assert track.identity_log_odds > 1
    (former,) = track.distractors
    assert former.place.center_x == pytest.approx(100, abs=2)
    assert former.appearance == pytest.approx(0.1)


def test_a_rival_that_looks_less_like_the_target_does_not():
    track = track_with(distractor(180, 0.2, is_rival=True), log_odds=-0.4)
    other = weighed(180, 0.2, probability=0.1)
    for _ in range(5):
        track = after(track, weighed(100, 0.9, beside=(other,)))
    assert track.place.center_x == pytest.approx(100, abs=2)
    assert track.identity_log_odds > 1


def test_what_is_not_followed_moves_nothing():
    track = after(track_with(), weighed(160, probability=0.1), confidence=0.1)
    assert track.place.center_x == pytest.approx(100)
    assert track.status.state is State.UNCERTAIN
