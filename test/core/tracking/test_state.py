"""TRACKING, UNCERTAIN, LOST: every transition, by tables worked out by hand."""

from dataclasses import replace

import numpy as np
import pytest

from siammaskpp_core.config import ConfigError
from siammaskpp_core.io.stamps import has_jumped_back
from siammaskpp_core.tracking.long_term.config import LongTermConfig
from siammaskpp_core.tracking.long_term.state import (
    Evidence,
    Observation,
    State,
    Streak,
    TrackStatus,
    advance,
    evidence,
    is_near,
    is_searched_for,
)

NAN, INF = float("nan"), float("inf")
BOX = (100.0, 50.0, 40.0, 10.0)  # mean side 20
CONFIG = LongTermConfig(
    confidence_high=0.5,
    confidence_low=0.25,
    lost_after_frames=4,
    lost_after_s=10.0,
    confirm_frames=3,
    confirm_max_shift_sizes=1.0,
)
GOOD, WEAK, NONE = Observation(0.9, BOX), Observation(0.3, BOX), Observation(0.1, BOX)
FAR, FAR_WEAK = (Observation(score, (200.0, 50.0, 40.0, 10.0), is_elsewhere=True) for score in (0.9, 0.3))
FOLLOWED = NONE._replace(is_followed=True)
OBSERVATIONS = {"b": FOLLOWED, "G": GOOD, "w": WEAK, ".": NONE, "F": FAR, "f": FAR_WEAK}
LETTERS = {State.TRACKING: "T", State.UNCERTAIN: "U", State.LOST: "L"}


def course(
    seen: str, config: LongTermConfig = CONFIG, start: TrackStatus | None = None, step_s: float = 0.1
) -> str:
    """The states after each of the observations, a letter each."""
    status, states = start or TrackStatus(), ""
    for index, letter in enumerate(seen):
        status = advance(status, OBSERVATIONS[letter], round((1 + index * step_s) * 1e9), config)
        states += LETTERS[status.state]
    return states


@pytest.mark.parametrize(
    ("observation", "expected"),
    [
        (GOOD, Evidence.GOOD),
        (Observation(0.5, BOX), Evidence.GOOD),
        (Observation(0.499, BOX), Evidence.WEAK),
        (Observation(0.25, BOX), Evidence.WEAK),
        (Observation(0.249, BOX), Evidence.NONE),
        (Observation(NAN, BOX), Evidence.NONE),
        (Observation(INF, BOX), Evidence.NONE),
        (Observation(0.9, (NAN, 0.0, 1.0, 1.0)), Evidence.NONE),
        (Observation(0.9, np.array([0.0, 0.0, INF, 1.0])), Evidence.NONE),
        (Observation(0.9, BOX, has_mask=False), Evidence.WEAK),
        (Observation(0.2, BOX, has_mask=False), Evidence.NONE),
    ],
)
def test_what_counts_as_evidence(observation, expected):
    assert evidence(observation, CONFIG) is expected


@pytest.mark.parametrize(
    ("seen", "states"),
    [
        ("GGG", "TTT"),
        ("GwG", "TUT"),  # doubtful for a moment
        ("GwwwwwwwwG", "TUUUUUUUUT"),  # doubt alone is no loss, however long
        ("G...G", "TUUUT"),  # three missing images are no loss
        ("G....", "TUUUL"),  # the fourth is
        ("G...w...w", "TUUUUUUUU"),  # missing images count in a row
        ("....", "UUUL"),  # never seen after the start
        ("....GGG", "UUULLLT"),  # three that agree bring it back
        ("....GGwGGG", "UUULLLLLLT"),  # in a row
        ("....GG.GGG", "UUULLLLLLT"),
        ("....wwwww", "UUULLLLLL"),  # doubtful ones do not
        ("....GFGFG", "UUULLLLLL"),  # nor those that jump about
        ("....GFFF", "UUULLLLT"),
        ("GwFFF", "TUUUT"),  # elsewhere it is believed when it is confirmed
        ("GwFwFG", "TUUUUT"),  # a place elsewhere that is not confirmed changes nothing
        ("GFFGFF", "TUUTUU"),
        ("GfffwG", "TUUUUT"),
        ("Gffff", "TUUUL"),  # doubtful ones elsewhere are misses
        ("GbbbbbbG", "TUUUUUUT"),  # what is followed without being believed is not lost
        ("G..b..b..", "TUUUUUUUU"),
        ("....bbbb", "UUULLLLL"),
    ],
)
def test_transitions(seen, states):
    assert course(seen) == states


def test_a_target_in_doubt_is_searched_for_after_the_time_of_a_loss():
    status = TrackStatus()
    for index, letter in enumerate("Gw.w"):
        status = advance(status, OBSERVATIONS[letter], index, CONFIG)
        assert not is_searched_for(status, CONFIG)
    status = advance(status, WEAK, 4, CONFIG)
    assert is_searched_for(status, CONFIG)
    assert (status.state, status.is_seen, status.missed.images) == (State.UNCERTAIN, True, 0)
    assert not is_searched_for(advance(status, GOOD, 5, CONFIG), CONFIG)
    assert is_searched_for(TrackStatus(State.LOST), CONFIG)
    # By time as well.
    status = advance(advance(TrackStatus(), WEAK, 0, CONFIG), WEAK, 10 * 10**9, CONFIG)
    assert is_searched_for(status, CONFIG)


def test_time_and_number_of_images_whichever_is_first():
    slow = replace(CONFIG, lost_after_frames=1000, lost_after_s=0.5)
    # Missing from 1.1 s on: lost at 1.6 s, at whatever rate.
    assert course("G.......", slow) == "TUUUUULL"
    assert course("G..", slow, step_s=0.5) == "TUL"
    assert course("G..", replace(slow, lost_after_s=0.6), step_s=0.5) == "TUU"
    assert course("G.", replace(CONFIG, lost_after_s=0.0)) == "TL"
    assert course("G.", replace(CONFIG, lost_after_frames=1)) == "TL"


def test_one_confirming_image_may_do():
    assert course("....G", replace(CONFIG, confirm_frames=1)) == "UUULT"


@pytest.mark.parametrize(("x", "near"), [(100, True), (120, True), (121, False), (79, False)])
def test_places_agree_within_mean_sides(x, near):
    assert is_near((x, 50, 40, 10), BOX, CONFIG) is near


def test_a_moving_target_is_confirmed_step_by_step():
    status = TrackStatus(State.LOST)
    for index in range(3):
        seen = Observation(0.9, (100 + 15 * index, 50, 40, 10))
        status = advance(status, seen, index, CONFIG)
    assert status.state is State.TRACKING


def test_a_weak_observation_of_a_lost_target_is_searched_again_and_is_no_hit():
    doubtful = advance(TrackStatus(State.LOST), WEAK, 1, CONFIG)
    assert (doubtful.candidate_box_xywh, doubtful.hits, doubtful.is_seen) == (BOX, 0, False)
    assert advance(doubtful, GOOD, 2, CONFIG).hits == 1


def test_a_jump_back_in_time_begins_anew():
    status = advance(TrackStatus(), GOOD, 10**9, CONFIG)
    for index in range(3):
        status = advance(status, NONE, 2 * 10**9 + index, CONFIG)
    assert (status.state, status.missed.images) == (State.UNCERTAIN, 3)
    assert has_jumped_back(status.stamp_ns, 10**9)
    assert not has_jumped_back(status.stamp_ns, status.stamp_ns)
    after = advance(status, NONE, 10**9, CONFIG)
    assert (after.state, after.missed) == (State.UNCERTAIN, Streak(1, 10**9))
    lost = replace(status, state=State.LOST, candidate_box_xywh=BOX, hits=2)
    assert advance(lost, GOOD, 10**9, CONFIG).state is State.LOST


def test_the_same_stamps_give_the_same_states_again():
    """Nothing but the arguments decides."""
    rng = np.random.default_rng(0)
    seen = "".join(rng.choice(list(OBSERVATIONS), 500))
    assert course(seen) == course(seen)
    assert set(course(seen)) == {"T", "U", "L"}


@pytest.mark.parametrize(
    ("seen", "is_seen"),
    [
        ("G", True),
        ("w", True),
        (".", False),
        ("GF", False),
        ("GwF", False),
        ("GwFFF", True),
        ("Gb", False),
        ("....GG", False),
        ("....GGG", True),
    ],
)
def test_a_place_counts_only_when_it_is_believed(seen, is_seen):
    status = TrackStatus()
    for index, letter in enumerate(seen):
        status = advance(status, OBSERVATIONS[letter], index, CONFIG)
    assert status.is_seen is is_seen


def test_thresholds_are_in_order():
    with pytest.raises(ConfigError, match="above confidence_high"):
        LongTermConfig(confidence_low=0.9)
    with pytest.raises(ConfigError, match="confirm_frames"):
        LongTermConfig(confirm_frames=0)
