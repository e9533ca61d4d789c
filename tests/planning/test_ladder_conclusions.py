"""What a ladder concludes: intervals that hold, differences by seed, worth in compute."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.optimize import brentq
from test_scaling_fit import TRUTH, design

from weighbridge.planning.scaling import parametric
from weighbridge.planning.scaling.equal_compute import (
    lower_of,
    paired_interval,
    worth_in_compute,
)
from weighbridge.planning.scaling.forms import tokens_at
from weighbridge.planning.scaling.prediction import predict


@pytest.mark.slow
def test_the_interval_holds_runs_that_were_not_fitted():
    """Of 60 simulated ladders with a run three times beyond, about 95 % hold that run's loss."""
    inside, alone = 0, 0
    for seed in range(60):
        points = design(noise=0.005, seed=seed, budgets=4, sizes=7)
        found = parametric.fit(points, bootstraps=200, seed=seed)
        flops = 3 * points.flops.max()
        size = float(TRUTH.optimal_parameters(flops))
        tokens = float(tokens_at(flops, size))
        noise = np.random.default_rng((seed, 1)).standard_normal()
        loss = float(TRUTH.loss(size, tokens)) * np.exp(0.005 * noise)
        made = predict(found, points, size, tokens, seed)
        inside += made.holds(loss)
        law = np.percentile(np.asarray(found.draws.loss(size, tokens)), (2.5, 97.5))
        alone += law[0] <= loss <= law[1]
    assert 52 <= inside <= 60
    assert alone < inside  # the law's own interval is too narrow for a run


@given(st.lists(st.floats(-1, 1), min_size=2, max_size=9).filter(lambda v: np.ptp(v) > 1e-3))
def test_the_interval_over_seeds_is_students(differences):
    """As scipy's one-sample t interval."""
    theirs = stats.ttest_1samp(differences, 0).confidence_interval(0.95)
    assert paired_interval(differences) == pytest.approx((theirs.low, theirs.high))


def test_a_single_seed_says_nothing():
    assert lower_of(paired_interval([-0.3])) == "undecided"
    assert lower_of((-0.2, -0.1)) == "mixture"
    assert lower_of((0.1, 0.2)) == "dense"


def lowest(budget):
    size = TRUTH.optimal_parameters(budget)
    return float(TRUTH.loss(size, tokens_at(budget, size)))


@given(st.floats(0.3, 30), st.floats(1e18, 1e22), st.floats(0.3, 3))
def test_worth_is_the_compute_between_two_losses_along_the_best_sizes(times, flops, off):
    """The dense model itself is `off` times the best size."""
    size = off * float(TRUTH.optimal_parameters(flops))
    tokens = float(tokens_at(flops, size))
    dense = float(TRUTH.loss(size, tokens))
    needed = brentq(lambda log_c: lowest(np.exp(log_c)) - dense, np.log(1e10), np.log(1e30))
    gain = lowest(times * np.exp(needed)) - dense
    assert worth_in_compute(TRUTH, size, tokens, gain) == pytest.approx(times, rel=1e-5)


def test_a_gain_beyond_the_irreducible_loss_is_worth_any_compute():
    assert worth_in_compute(TRUTH, 1e9, 2e10, -10.0) == float("inf")
