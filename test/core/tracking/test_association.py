"""Joint probabilities of which peak is the target."""

import itertools
import math

import numpy as np
import pytest

from siammaskpp_core.tracking.config import TrackingConfig
from siammaskpp_core.tracking.long_term.association import elsewhere_log_ratio, peak_probabilities


def enumerated(target: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return the probabilities of the peaks by brute force over all assignments."""
    log_ratios = np.vstack([target, others])
    objects, peaks = log_ratios.shape
    result = np.zeros(peaks + 1)
    for assignment in itertools.product(range(peaks + 1), repeat=objects):
        taken = [peak for peak in assignment if peak < peaks]
        if len(set(taken)) == len(taken):
            chosen = [log_ratios[row, peak] for row, peak in enumerate(assignment) if peak < peaks]
            result[assignment[0]] += math.exp(sum(chosen))
    return (result / result.sum())[:-1]


def probabilities(target: list[float], *others: list[float]) -> np.ndarray:
    return peak_probabilities(np.array(target), np.array(others).reshape(-1, len(target)))


@pytest.mark.parametrize("others", [0, 1, 3])
@pytest.mark.parametrize("peaks", [1, 3, 4])
def test_it_equals_the_sum_over_all_assignments(others, peaks):
    rng = np.random.default_rng(others * 10 + peaks)
    target, other = rng.normal(0, 3, peaks), rng.normal(0, 3, (others, peaks))
    np.testing.assert_allclose(peak_probabilities(target, other), enumerated(target, other), rtol=1e-9)


def test_one_peak_alone_is_a_logistic():
    assert probabilities([2.0])[0] == pytest.approx(1 / (1 + math.exp(-2)))


def test_two_equal_peaks_share_the_probability():
    first, second = probabilities([6.0, 6.0])
    assert first == second == pytest.approx(0.5, abs=0.01)


def test_a_peak_that_is_another_object_is_not_the_target():
    """The only peak fits the target fairly, and a distractor better: the target is probably hidden."""
    assert probabilities([2.0])[0] > 0.85
    assert probabilities([2.0], [5.0])[0] < 0.1


def test_both_are_seen_where_there_are_two_peaks():
    """Both peaks resemble the target; that the distractor explains one of them decides for the other."""
    assert probabilities([3.0, 4.0])[0] < 0.3
    assert probabilities([3.0, 4.0], [-3.0, 5.0])[0] > 0.85


def test_huge_ratios_stay_finite():
    np.testing.assert_allclose(probabilities([1e6, -1e6], [-1e6, 1e6]), [1, 0], atol=1e-6)


def test_a_jump_becomes_more_probable_the_longer_the_target_is_not_seen_clearly():
    config = TrackingConfig(evidence_elsewhere=3.0)
    assert elsewhere_log_ratio(0, config) == -3
    assert elsewhere_log_ratio(9, config) == pytest.approx(-3 + math.log(10))
    assert elsewhere_log_ratio(1000, config) == 0
