"""Stopping when one likes costs no more errors than stated, and saves what it is there to save."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special

from weighbridge.statistics.inference import fixed, verdict
from weighbridge.statistics.sequential import _SHARES, anytime, of_rounds

ALPHA = 0.025


def monte_carlo(rate, rounds):
    return 3 * math.sqrt(rate * (1 - rate) / rounds)


def ever_out(rounds, sums, sizes, bound, largest):
    """How often "above bound" is claimed at any look; one looks after every round.

    Args:
        rounds: Simulations.
        sums: Of the clusters' differences, (simulations, clusters).
        sizes: Of the clusters, alike.
        bound: Where the truth lies.
        largest: Of the clusters there are.
    """
    gains = (sums - bound * sizes) / (largest * (1 + bound))
    log_capital = np.log1p(gains[:, :, None] * _SHARES).cumsum(axis=1)
    capital = special.logsumexp(log_capital, axis=2) - math.log(len(_SHARES))
    return (capital.max(axis=1) >= -math.log(ALPHA)).sum() / rounds


@pytest.mark.slow
@pytest.mark.parametrize(
    ("win", "lose"),
    [
        (0.10, 0.12),
        *(
            pytest.param(*rates, marks=pytest.mark.slow)
            for rates in ((0.0, 0.02), (0.25, 0.35), (0.005, 0.005), (0.4, 0.1))
        ),
    ],
)
def test_looking_after_every_item_errs_in_at_most_one_case_of_forty(win, lose):
    """2,000 simulations of 600 items, 600 looks each; Monte-Carlo error (3 sd) 1.05 points."""
    rng = np.random.default_rng(21)
    rounds, n = 2000, 600
    wrong = 0.0
    for _ in range(10):
        d = rng.choice([1.0, -1.0, 0.0], (rounds // 10, n), p=[win, lose, 1 - win - lose])
        wrong += ever_out(rounds, d, np.ones_like(d), win - lose, 1)
    assert wrong <= ALPHA + monte_carlo(ALPHA, rounds)


@pytest.mark.slow
def test_clusters_as_rounds_hold_the_rate_where_items_as_rounds_do_not():
    """1,000 simulations of 60 clusters of 1 to 12 agreeing items; Monte-Carlo error 1.5 points."""
    rng = np.random.default_rng(22)
    rounds, clusters = 1000, 60
    sizes = rng.integers(1, 13, (rounds, clusters)).astype(float)
    # A cluster's items all share one difference, larger clusters the more negative ones.
    tilt = np.where(sizes > 6, 0.45, 0.55)
    sums = np.where(rng.random((rounds, clusters)) < tilt, 1.0, -1.0) * sizes
    small, large = np.arange(1, 7), np.arange(7, 13)
    truth = (0.1 * small.sum() - 0.1 * large.sum()) / np.arange(1, 13).sum()
    assert ever_out(rounds, sums, sizes, truth, 12) <= ALPHA + monte_carlo(ALPHA, rounds)
    wrong = 0
    for row, of in zip(sums[:200] / sizes[:200], sizes[:200].astype(int), strict=True):
        items = np.repeat(row, of)
        looks = [of_rounds(items[:k], np.ones(k), 1.0, 1) for k in np.cumsum(of)]
        wrong += any(look.p_above(truth) < ALPHA for look in looks)
    assert wrong / 200 > 3 * ALPHA


def test_a_fixed_interval_peeked_at_errs_several_times_as_often():
    rng = np.random.default_rng(23)
    rounds, wrong = 200, 0
    for _ in range(rounds):
        d = rng.choice([1.0, -1.0, 0.0], 400, p=[0.1, 0.12, 0.78])
        wrong += any(fixed(d[:k], None, 1.0).p_above(-0.02) < ALPHA for k in range(20, 401, 20))
    assert wrong / rounds > 2.5 * ALPHA


@pytest.mark.parametrize(("win", "lose", "margin"), [(0.05, 0.05, 0.05), (0.10, 0.10, 0.05)])
def test_stopping_saves_items_where_the_answer_is_clear(win, lose, margin):
    """The fixed test needs n items for 90 % power at no difference; stopping asks fewer on average
    for clear answers (A as much better as the margin is wide), and the verdict is right.
    """
    z = 1.959964 + 1.281552
    n = math.ceil(z * z * (win + lose) / margin**2)
    rng = np.random.default_rng(24)
    asked, right, rounds = [], 0, 60
    better = [win + margin, lose, 1 - win - lose - margin]
    for _ in range(rounds):
        d = rng.choice([1.0, -1.0, 0.0], 4 * n, p=better)
        stop = next(
            (k for k in range(20, 4 * n, 20)
             if anytime(d[:k], None, 1.0).p_above(-margin) < ALPHA), 4 * n,
        )  # fmt: skip
        asked.append(stop)
        right += stop < 4 * n
    print(f"fixed {n}, stopped at {np.mean(asked):.0f} on average")
    assert right / rounds > 0.97 and np.mean(asked) < 0.8 * n


DIFFERENCES = st.lists(st.sampled_from([-1.0, -0.5, 0.0, 0.5, 1.0]), min_size=1, max_size=60)


@given(DIFFERENCES, st.permutations(range(60)), st.booleans())
@settings(deadline=None)
def test_the_interval_is_where_the_p_value_crosses_and_order_does_not_matter(d, order, clustered):
    names = [f"c{i // 3}" for i in range(len(d))] if clustered else None
    known = anytime(np.array(d), names, 1.0, 3 if clustered else 1)
    low, high = known.interval()
    assert -1 <= low <= np.mean(d) <= high <= 1
    if low > -0.999:
        assert known.p_above(low) == pytest.approx(ALPHA, rel=1e-4)
        assert known.p_above(low - 0.0005) < ALPHA < known.p_above(min(low + 0.0005, 0.999))
    mirrored = anytime(-np.array(d), names, 1.0, 3 if clustered else 1)
    assert mirrored.interval() == pytest.approx((-high, -low), abs=1e-8)
    if not clustered:
        shuffled = np.array([d[i] for i in order if i < len(d)])
        assert anytime(shuffled, None, 1.0).interval() == pytest.approx((low, high), abs=1e-9)


def test_a_running_capital_is_the_one_recomputed_from_the_whole():
    d = np.random.default_rng(25).choice([1.0, -1.0, 0.0], 80, p=[0.3, 0.1, 0.6])
    log_capital = np.log1p((d[:, None] + 0.05) / 0.95 * _SHARES).sum(axis=0)
    capital = special.logsumexp(log_capital) - math.log(len(_SHARES))
    assert anytime(d, None, 1.0).p_above(-0.05) == pytest.approx(min(1, math.exp(-capital)))


def test_a_scale_of_ten_is_ten_times_the_interval_and_nothing_says_nothing():
    d = np.array([1.0, -0.5, 0.0, 1.0, 1.0])
    tens = anytime(10 * d, None, 10.0).interval()
    assert tens == pytest.approx([10 * end for end in anytime(d, None, 1.0).interval()])
    assert verdict(anytime(np.zeros(0), None, 1.0).interval(), 0.02) == "inconclusive"
