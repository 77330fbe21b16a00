"""Which candidate is the target: looks, motion and the objects around it."""

import numpy as np
import pytest

from siammaskpp_core.tracking import Place
from siammaskpp_core.tracking.config import TrackingConfig
from siammaskpp_core.tracking.long_term.association import (
    following_log_ratio,
    identity_log_ratio,
    motion_log_ratio,
    size_log_ratio,
)
from siammaskpp_core.tracking.long_term.config import LongTermConfig
from siammaskpp_core.tracking.long_term.decision import Weighed, choose, without_shared_peaks
from siammaskpp_core.tracking.long_term.motion import Motion
from siammaskpp_core.tracking.long_term.state import State
from siammaskpp_core.tracking.tracker import Candidate

CONFIG = TrackingConfig(
    evidence_logit=0.5,
    evidence_appearance=6.0,
    evidence_appearance_offset=-1.0,
    identity_logit=1.0,
    identity_logit_offset=2.0,
    identity_appearance=8.0,
    identity_appearance_offset=-2.0,
)
SIDE = 40.0


class At:
    """A candidate, of which only the place counts here."""

    def __init__(self, x: float):
        self.place = Place(x, 100.0, SIDE, SIDE)


def weighed(x: float, probability: float, is_elsewhere: bool = False) -> Weighed:
    candidate: Candidate = At(x)  # type: ignore[assignment]
    return Weighed(candidate, probability, probability, 0.5, None, is_elsewhere=is_elsewhere)


def log_ratio(x: float, misses: int = 0) -> float:
    motion = Motion.starting_at(100, 100, SIDE)
    for _ in range(20):
        motion = motion.predicted(1 / 30, SIDE).observed(100, 100, SIDE)
    for _ in range(misses + 1):
        motion = motion.predicted(1 / 30, SIDE)
    return motion_log_ratio(motion, Place(x, 100, SIDE, SIDE), SIDE, CONFIG)


def test_an_object_is_followed_by_network_and_model_together():
    assert following_log_ratio(4.0, 0.5, CONFIG) == pytest.approx(2.0 + 3.0 - 1.0)
    assert following_log_ratio(-4.0, 1.0, CONFIG) == pytest.approx(-2.0 + 6.0 - 1.0)
    assert following_log_ratio(4.0, None, CONFIG) == pytest.approx(2.0)


def test_it_is_believed_when_network_and_model_agree():
    assert identity_log_ratio(-4.0, 1.0, CONFIG) == pytest.approx(-2.0, abs=0.01)
    assert identity_log_ratio(8.0, 0.25, CONFIG) == pytest.approx(0.0, abs=0.01)
    assert identity_log_ratio(2.0, 0.75, CONFIG) == pytest.approx(4 - np.log(2))  # 4 and 4
    assert identity_log_ratio(4.0, None, CONFIG) == pytest.approx(2.0)


def test_a_peak_where_the_target_is_expected_has_no_handicap():
    assert log_ratio(100) == pytest.approx(0, abs=0.01)
    assert log_ratio(104) > -1
    assert np.all(np.diff([log_ratio(100 + step) for step in (0, 5, 10, 20, 40)]) < 0)


def test_the_longer_it_is_hidden_the_less_a_peak_near_by_means_and_the_more_one_aside():
    assert log_ratio(100, misses=20) < log_ratio(100) - 1
    assert log_ratio(140, misses=20) > log_ratio(140)


def test_another_size_speaks_against_an_object():
    usual = Place(0, 0, 40, 40)
    assert size_log_ratio(usual, usual) == 0
    assert size_log_ratio(Place(0, 0, 44, 44), usual) > -0.1
    assert size_log_ratio(Place(0, 0, 120, 120), usual) < -4
    assert size_log_ratio(Place(0, 0, 80, 20), usual) == 0


@pytest.mark.parametrize(
    ("near", "far", "expected"),
    [
        ([0.9, 0.1], [0.95], 0.9),  # seen where it is expected: no search elsewhere counts
        ([0.3], [0.4], 0.3),
        ([0.3], [0.6], 0.6),
        ([0.45], [0.5, 0.7], 0.7),
        ([], [0.1], 0.1),
        ([0.1], [], 0.1),
    ],
)
def test_where_the_target_is_expected_comes_first(near, far, expected):
    weighed_near, weighed_far = [weighed(100, p) for p in near], [weighed(500, p, True) for p in far]
    chosen = choose(weighed_near, weighed_far, State.UNCERTAIN, LongTermConfig(confidence_high=0.5))
    assert chosen.probability == expected


def test_a_lost_target_is_where_it_is_believed_most():
    near, far = weighed(100, 0.8)._replace(belief=0.4), weighed(500, 0.6, True)
    assert choose([near], [far], State.UNCERTAIN, LongTermConfig()) is far
    assert choose([near], [far._replace(belief=0.45)], State.UNCERTAIN, LongTermConfig()) is near
    assert choose([near], [far._replace(belief=0.45)], State.LOST, LongTermConfig()).is_elsewhere


def test_no_two_targets_believe_in_one_peak():
    first, second, third = without_shared_peaks([weighed(100, 0.8), weighed(101, 0.9), weighed(300, 0.7)])
    assert [each.probability for each in (first, second, third)] == [0.0, 0.9, 0.7]
    equal = without_shared_peaks([weighed(100, 0.8), weighed(100, 0.8)])
    assert sorted(each.probability for each in equal) == [0.0, 0.8]
    assert sorted(each.belief for each in equal) == [0.0, 0.8]
