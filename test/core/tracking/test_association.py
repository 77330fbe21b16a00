"""Joint probabilities of which peak is which object."""

import itertools
import math

import numpy as np
import pytest

from siammaskpp_core.tracking.long_term.association import association_probabilities


def enumerated(log_ratios: np.ndarray) -> np.ndarray:
    """The same by brute force over all assignments."""
    tracks, peaks = log_ratios.shape
    result = np.zeros((tracks, peaks + 1))
    for assignment in itertools.product(range(peaks + 1), repeat=tracks):
        taken = [peak for peak in assignment if peak < peaks]
        if len(set(taken)) == len(taken):
            weight = math.exp(
                sum(log_ratios[track, peak] for track, peak in enumerate(assignment) if peak < peaks)
            )
            for track, peak in enumerate(assignment):
                result[track, peak] += weight
    return result / result.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("tracks", [1, 2, 4])
@pytest.mark.parametrize("peaks", [1, 3, 4])
def test_it_equals_the_sum_over_all_assignments(tracks, peaks):
    log_ratios = np.random.default_rng(tracks * 10 + peaks).normal(0, 3, (tracks, peaks))
    np.testing.assert_allclose(association_probabilities(log_ratios), enumerated(log_ratios), rtol=1e-9)


def test_one_track_and_one_peak_is_a_logistic():
    assert association_probabilities(np.array([[2.0]]))[0, 0] == pytest.approx(1 / (1 + math.exp(-2)))


def test_two_equal_explanations_share_the_probability():
    first, second, none = association_probabilities(np.array([[6.0, 6.0]]))[0]
    assert first == second == pytest.approx(0.5, abs=0.01)
    assert none < 0.01


def test_a_peak_that_is_another_object_is_not_the_target():
    """The only peak fits the target fairly, and a distractor better: the target is probably hidden."""
    alone = association_probabilities(np.array([[2.0]]))[0, 0]
    beside = association_probabilities(np.array([[2.0], [5.0]]))[0, 0]
    assert alone > 0.85
    assert beside < 0.1


def test_both_are_seen_where_there_are_two_peaks():
    """Both peaks resemble the target; that the distractor explains one of them decides for the other."""
    probabilities = association_probabilities(np.array([[3.0, 4.0], [-3.0, 5.0]]))
    assert probabilities[0, 0] > 0.85
    assert probabilities[1, 1] > 0.85


def test_huge_ratios_stay_finite():
    probabilities = association_probabilities(np.array([[1e6, -1e6], [-1e6, 1e6]]))
    np.testing.assert_allclose(probabilities, [[1, 0, 0], [0, 1, 0]], atol=1e-6)


def test_no_peak_means_not_seen():
    np.testing.assert_array_equal(association_probabilities(np.zeros((2, 0))), [[1.0], [1.0]])
