"""Rates of a campaign whose truth is known, counted by a judge that errs."""

import numpy as np
import pytest

from weighbridge.statistics.hit_rates import Tries, hit_at_1, hit_at_k, true_at_1, true_at_k
from weighbridge.statistics.judge_error import JudgeError

CAMPAIGNS = 200
SENSITIVITY, SPECIFICITY = 0.95, 0.88
# A nominal 95 % interval covers fewer than this of 200 campaigns once in 10 000 times.
LEAST_COVERED = 0.95 - 3.8 * (0.95 * 0.05 / CAMPAIGNS) ** 0.5


def simulated(rng, rates, attempts, together):
    """Behaviours with each its own rate, as a judge saw them whose card was counted on samples."""
    chances = rng.choice(rates, size=100)
    truth = rng.random((100, attempts)) < chances[:, None]
    draws = rng.random((100, 1 if together else attempts))
    seen = np.where(truth, draws < SENSITIVITY, draws > SPECIFICITY)
    card = JudgeError(rng.binomial(66, SENSITIVITY), 66, rng.binomial(138, SPECIFICITY), 138)
    return [Tries(int(hits), attempts) for hits in seen.sum(axis=1)], card


@pytest.mark.parametrize(
    ("rates", "attempts", "together"),
    [((0.02,), 1, False), ((0.0, 0.6), 4, True),
     *(pytest.param(*one, marks=pytest.mark.slow) for one in
       (((0.3,), 1, False), ((0.0, 0.6), 4, False), ((0.0, 0.05), 3, False)))],
    ids=["rare", "errs on a behaviour as a whole", "common", "some behaviours", "seldom"],
)  # fmt: skip
def test_the_corrected_interval_covers_the_true_rate(rates, attempts, together):
    rng = np.random.default_rng(20)
    at_1, at_k = np.mean(rates), np.mean([1 - (1 - rate) ** attempts for rate in rates])
    covered = np.zeros(2)
    for _ in range(CAMPAIGNS):
        tries, card = simulated(rng, rates, attempts, together)
        both = (at_1, true_at_1(tries, card)), (at_k, true_at_k(tries, attempts, card))
        covered += [found[1][0] <= truth <= found[1][1] for truth, found in both]
    assert (covered / CAMPAIGNS >= LEAST_COVERED).all(), covered / CAMPAIGNS


def test_without_correction_the_judge_is_taken_for_the_truth():
    """What the correction is for: many attempts make a judge's mistakes into hits."""
    rng = np.random.default_rng(1)
    tries, card = simulated(rng, (0.0, 0.05), 3, together=False)
    counted, true = hit_at_k(tries, 3)[0], true_at_k(tries, 3, card)
    truth = np.mean([0, 1 - 0.95**3])
    assert counted[1][0] > truth and true[1][0] <= truth <= true[1][1]


def test_attempts_at_one_behaviour_are_not_independent():
    alike = [Tries(4, 4)] * 5 + [Tries(0, 4)] * 5
    apart = [Tries(1, 4), Tries(3, 4)] * 5
    width = {name: np.ptp(hit_at_1(tries)[0][1]) for name, tries in
             (("alike", alike), ("apart", apart))}  # fmt: skip
    assert width["alike"] > width["apart"]
    assert hit_at_1(alike)[1] == 10  # behaviours, not 40 attempts


def test_what_is_not_scored_is_in_no_rate():
    assert hit_at_1([Tries(0, 0)]) is None and hit_at_k([Tries(0, 0)], 2) is None
    assert hit_at_1([Tries(1, 1), Tries(0, 0)])[0][0] == 1.0
    assert hit_at_k([Tries(1, 2), Tries(1, 1)], 2)[1] == 1


def test_a_judge_that_guesses_says_nothing():
    guess = JudgeError(50, 100, 50, 100)
    assert true_at_1([Tries(1, 1)] * 9, guess) is None
    assert true_at_k([Tries(1, 2)] * 9, 2, guess) is None
