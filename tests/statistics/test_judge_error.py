"""Rates freed of a judge's error: right on average, and their intervals hold what they promise."""

import numpy as np
import pytest

from weighbridge.statistics.judge_error import JudgeError, corrected_difference, corrected_rate


@pytest.mark.parametrize("true", [0.05, 0.3, 0.8])
def test_the_interval_covers_the_true_rate_though_the_judge_is_measured_on_few(true):
    rng = np.random.default_rng(1)
    sensitivity, specificity, n, known = 0.88, 0.94, 60, 120
    held, estimates = 0, []
    for _ in range(1500):
        judge = JudgeError(
            rng.binomial(known, sensitivity), known, rng.binomial(known, specificity), known
        )
        seen = true * sensitivity + (1 - true) * (1 - specificity)
        estimate, (low, high) = corrected_rate(rng.binomial(n, seen) / n, n, judge)
        held += low <= true <= high
        estimates.append(estimate)
    assert 0.93 < held / 1500 < 0.99
    assert np.mean(estimates) == pytest.approx(true, abs=0.02)


def test_a_perfect_judge_changes_nothing_and_a_blind_one_tells_nothing():
    perfect = JudgeError(1000, 1000, 1000, 1000)
    assert corrected_rate(0.3, 100, perfect)[0] == pytest.approx(0.3)
    difference, (low, high) = corrected_difference(0.1, (0.0, 0.2), perfect)
    assert (difference, low, high) == pytest.approx((0.1, 0.0, 0.2))
    blind = JudgeError(50, 100, 50, 100)
    assert corrected_rate(0.3, 100, blind) is None
    assert corrected_difference(0.1, (0.0, 0.2), blind) is None


def test_a_difference_grows_by_what_the_judge_overlooks():
    judge = JudgeError(80, 100, 90, 100)
    estimate, (low, high) = corrected_difference(0.14, (0.07, 0.21), judge)
    assert estimate == pytest.approx(0.2)
    assert low < 0.1 and high > 0.3
