"""Intervals hold at their stated rate, and verdicts err at theirs: by enumeration or simulation."""

import math
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize, stats

from weighbridge.statistics import mean_interval, wilson
from weighbridge.statistics.inference import fixed
from weighbridge.statistics.intervals import spread_of
from weighbridge.statistics.matched_pairs import tango_interval, tango_statistic


def monte_carlo(rate, rounds):
    return 3 * math.sqrt(rate * (1 - rate) / rounds)


def shares(rng, clusters, mean, correlation):
    """Beta-binomial: each cluster has its own rate; `correlation` is the intraclass one."""
    total = 1 / correlation - 1
    return rng.beta(mean * total, (1 - mean) * total, clusters)


def names(clusters, size):
    return [str(c) for c in np.repeat(np.arange(clusters), size)]


@pytest.mark.parametrize("n", [20, 50, 150])
def test_wilson_s_coverage_exactly_over_all_proportions(n):
    intervals = np.array([wilson(k, n) for k in range(n + 1)])
    p = np.linspace(0.005, 0.995, 397)[:, None]
    held = (intervals[:, 0] <= p) & (p <= intervals[:, 1])
    coverage = (stats.binom.pmf(np.arange(n + 1), n, p) * held).sum(axis=1)
    assert abs(coverage.mean() - 0.95) < 0.01
    assert coverage.min() > 0.82  # its known worst, next to 0 and 1


@pytest.mark.parametrize(
    ("clusters", "size", "p", "correlation"),
    [(20, 10, 0.02, 0.2), (57, 20, 0.01, 0.1), (10, 30, 0.98, 0.3), (20, 10, 0.3, 0.2),
     (57, 5, 0.95, 0.1), (8, 25, 0.5, 0.3)],
)  # fmt: skip
def test_clustered_proportions_cover_also_near_0_and_1(clusters, size, p, correlation):
    rng = np.random.default_rng(11)
    rounds, held, labels = 400, 0, names(clusters, size)
    for _ in range(rounds):
        rates = np.repeat(shares(rng, clusters, p, correlation), size)
        low, high = mean_interval((rng.random(clusters * size) < rates).astype(float), labels)
        held += low <= p <= high
    assert held / rounds >= 0.95 - monte_carlo(0.95, rounds)


@pytest.mark.parametrize("clusters", [None, 25])
def test_means_of_graded_values_cover(clusters):
    rng = np.random.default_rng(12)
    rounds, held, size = 500, 0, 6
    labels = names(clusters, size) if clusters else None
    for _ in range(rounds):
        centre = rng.normal(0.6, 0.08, 25) if clusters else np.full(25, 0.6)
        values = np.clip(rng.normal(np.repeat(centre, size), 0.1), 0, 1)
        low, high = mean_interval(values, labels)
        held += low <= 0.6 <= high
    assert abs(held / rounds - 0.95) <= monte_carlo(0.95, rounds) + 0.01


@given(st.integers(0, 12), st.integers(0, 12), st.integers(0, 12), st.floats(-0.95, 0.95))
def test_tango_s_statistic_is_the_score_at_the_constrained_maximum_likelihood(won, lost, same, d):
    n = won + lost + same + 1

    def unlikelihood(q):
        # B alone right: q; A alone right: q + d; alike: the rest.
        cells = np.array([q + d, q, 1 - 2 * q - d])
        return -float(np.dot([won, lost, n - won - lost], np.log(np.maximum(cells, 1e-300))))

    low, high = max(0.0, -d), (1 - d) / 2
    fit = optimize.minimize_scalar(
        unlikelihood, bounds=(low, high), method="bounded", options={"xatol": 1e-12}
    )
    ends = [(unlikelihood(low), low), (unlikelihood(high), high), (fit.fun, fit.x)]
    q = min(ends)[1]
    variance = n * (2 * q + d - d * d)
    if variance > 1e-3:
        expected = (won - lost - n * d) / math.sqrt(variance)
        assert tango_statistic(won, lost, n, d) == pytest.approx(expected, rel=1e-3, abs=1e-3)


@given(st.integers(0, 40), st.integers(0, 40), st.integers(0, 40))
def test_tango_s_interval_is_where_the_statistic_is_the_quantile_and_mirrors(won, lost, same):
    n = won + lost + same + 1
    low, high = tango_interval(won, lost, n)
    assert -1 <= low <= (won - lost) / n <= high <= 1
    assert tango_statistic(won, lost, n, low) == pytest.approx(1.959964, abs=1e-4)
    assert tango_statistic(won, lost, n, high) == pytest.approx(-1.959964, abs=1e-4)
    assert tango_interval(lost, won, n) == (-high, -low)


@cache
def tango_lows(n):
    return {(w, k): tango_interval(w, k, n)[0] for w in range(n + 1) for k in range(n + 1 - w)}


@pytest.mark.parametrize(("win", "lose"), [(0.0, 0.05), (0.01, 0.06), (0.1, 0.2), (0.25, 0.35)])
def test_unclustered_non_inferiority_errs_in_one_case_of_forty_exactly(win, lose):
    n, lows = 60, tango_lows(60)
    counts = np.array(list(lows))
    cells = np.column_stack([counts, n - counts.sum(axis=1)])
    weights = stats.multinomial.pmf(cells, n, [win, lose, 1 - win - lose])
    claimed = np.array(list(lows.values())) > win - lose
    assert weights.sum() == pytest.approx(1)
    assert weights[claimed].sum() <= 0.05  # a score test's worst at n = 60, with few flips


@pytest.mark.parametrize(
    ("clusters", "size", "lose", "win", "correlation"),
    [(20, 10, 0.03, 0.0, 0.3), (20, 10, 0.05, 0.01, 0.3), (57, 10, 0.02, 0.0, 0.2),
     (57, 20, 0.15, 0.12, 0.1), (12, 15, 0.3, 0.25, 0.2), (100, 3, 0.02, 0.0, 0.5)],
)  # fmt: skip
def test_clustered_non_inferiority_errs_in_one_case_of_forty(
    clusters, size, lose, win, correlation
):
    """The truth lies exactly at the margin: to claim non-inferiority is an error."""
    rng = np.random.default_rng(13)
    rounds, wrong, labels, n = 400, 0, names(clusters, size), clusters * size
    for _ in range(rounds):
        lost = rng.random(n) < np.repeat(shares(rng, clusters, lose, correlation), size)
        won = ~lost & (rng.random(n) < win / (1 - lose))
        known = fixed(won * 1.0 - lost, labels, 1.0)
        claimed = known.interval()[0] > win - lose
        wrong += claimed
        assert (known.p_above(win - lose) < 0.025) == claimed
    assert wrong / rounds <= 0.025 + monte_carlo(0.025, rounds)


def test_many_flips_cost_little_over_the_plain_clustered_interval():
    rng = np.random.default_rng(14)
    difference = rng.choice([-1.0, 0.0, 1.0], 5700, p=[0.1, 0.8, 0.1])
    labels = names(57, 100)
    low, high = fixed(difference, labels, 1.0).interval()
    spread = spread_of(difference, labels)
    assert (high - low) / (2 * spread.quantile * spread.stderr) < 1.3
