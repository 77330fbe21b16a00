"""Objects beside the target: who they are, and who is the target after they met."""

import pytest

from siammaskpp_core.tracking.boxes import Place
from siammaskpp_core.tracking.long_term.distractors import (
    EXCHANGE_LOG_ODDS,
    IDENTITY_CERTAIN,
    MAX_COUNT,
    MAX_HIDDEN_MISSES,
    MAX_MISSES,
    Distractor,
    Peak,
    identity_log_odds,
    identity_probability,
    updated,
    visible_rival,
)

TARGET = Place(100.0, 100.0, 40.0, 80.0)
STEP_S = 1 / 30


def peak(x: float, appearance: float = 0.3, probability: float = 0.5) -> Peak:
    return Peak(Place(x, 100.0, 40.0, 80.0), appearance, probability)


def seen(distractors, *peaks, target=TARGET, may_begin=True):
    """The distractors after one more image with these peaks."""
    predicted = [distractor.predicted(STEP_S) for distractor in distractors]
    return updated(predicted, list(peaks), target, may_begin)


def followed(*positions: float) -> tuple[Distractor, ...]:
    """One distractor, seen at these positions."""
    distractors: tuple[Distractor, ...] = ()
    for x in positions:
        distractors = seen(distractors, peak(x))
    return distractors


def test_a_peak_beside_a_recognised_target_becomes_a_distractor():
    assert seen((), peak(200), may_begin=False) == ()
    (distractor,) = seen((), peak(200))
    assert not distractor.is_established
    (distractor,) = seen((distractor,), peak(203))
    assert distractor.is_established
    assert distractor.place.center_x == pytest.approx(202, abs=2)


def test_distractors_are_followed_apart():
    distractors = seen((), peak(200), peak(300))
    for step in range(1, 20):
        distractors = seen(distractors, peak(300 - 3 * step), peak(200 + step))
    near, far = sorted(distractors, key=lambda each: each.motion.x)
    assert near.motion.x == pytest.approx(219, abs=4)
    assert far.motion.x == pytest.approx(243, abs=4)
    assert near.hits == far.hits == 20


def test_it_is_forgotten_when_it_is_not_seen():
    distractors = followed(300, 300, 300)
    for _ in range(MAX_MISSES - 1):
        distractors = seen(distractors)
        assert len(distractors) == 1
    assert seen(distractors) == ()


def test_it_is_remembered_while_the_target_hides_it():
    distractors = followed(200, 190, 180, 170, 160, 150, 140, 130)
    for _ in range(MAX_MISSES + 5):
        distractors = seen(distractors)
    (distractor,) = distractors
    assert distractor.has_merged_with(TARGET)
    assert distractor.is_rival
    for _ in range(MAX_HIDDEN_MISSES):
        distractors = seen(distractors)
    assert distractors == ()


@pytest.mark.parametrize(("probability", "has_merged"), [(0.95, True), (0.5, False)])
def test_one_sighting_is_enough_when_it_is_clear(probability, has_merged):
    (distractor,) = seen(seen((), peak(130, probability=probability)))
    assert distractor.has_merged_with(TARGET) is has_merged
    assert distractor.is_rival is has_merged


def test_an_object_seen_beside_the_target_has_not_merged_with_it():
    (distractor,) = followed(140, 130, 125)
    assert not distractor.has_merged_with(TARGET)


def test_the_most_certain_ones_are_kept():
    positions = [200 + 100 * index for index in range(MAX_COUNT + 3)]
    distractors = seen((), *[peak(x) for x in positions])
    assert len(distractors) == MAX_COUNT
    distractors = seen(distractors, peak(positions[2]), peak(positions[-1]))
    assert distractors[0].motion.x == pytest.approx(positions[2])


def rival(appearance: float, misses: int = 0) -> Distractor:
    return Distractor.starting_at(peak(200, appearance))._replace(hits=9, misses=misses, is_rival=True)


def test_identity_is_in_doubt_while_two_objects_are_one_peak():
    merged = Distractor.starting_at(peak(110))._replace(hits=9, misses=3)
    log_odds = IDENTITY_CERTAIN
    for _ in range(10):
        log_odds = identity_log_odds(log_odds, [merged], TARGET, 0.9)
    assert 0 < log_odds < 0.2
    assert identity_probability(log_odds) == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize(("own", "other", "is_restored"), [(0.9, 0.3, True), (0.3, 0.9, False)])
def test_the_appearance_decides_once_both_are_seen(own, other, is_restored):
    log_odds = 0.0
    for _ in range(10):
        log_odds = identity_log_odds(log_odds, [rival(other)], TARGET, own)
    assert (log_odds == IDENTITY_CERTAIN) is is_restored
    assert (log_odds < EXCHANGE_LOG_ODDS) is not is_restored


def test_alone_only_a_good_appearance_restores_the_identity():
    doubtful = good = 0.0
    for _ in range(20):
        doubtful = identity_log_odds(doubtful, [rival(0.9, misses=2)], TARGET, 0.5)
        good = identity_log_odds(good, [rival(0.9, misses=2)], TARGET, 0.95)
    assert doubtful == 0.0
    assert good == IDENTITY_CERTAIN


def test_an_identity_that_is_certain_stays_so():
    """A target whose looks change is no other object when there is none."""
    assert identity_log_odds(IDENTITY_CERTAIN, [rival(0.9)], TARGET, 0.1) == IDENTITY_CERTAIN
    assert identity_log_odds(1.0, [], TARGET, None) == 1.0
    assert identity_probability(IDENTITY_CERTAIN) == 1.0


def test_the_rival_that_is_seen_and_looks_most_like_the_target():
    rivals = [rival(0.4), rival(0.8), rival(0.9, misses=1), Distractor.starting_at(peak(300, 1.0))]
    assert visible_rival(rivals) is rivals[1]
    assert visible_rival([]) is None
