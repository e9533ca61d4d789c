"""What is promised before spending is what `compare` then delivers, by simulation of `compare`."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from scored_runs import answer, run, run_of
from weighbridge.errors import InputError
from weighbridge.statistics import compare
from weighbridge.statistics.inference import fixed
from weighbridge.statistics.power import (
    Design,
    items_needed,
    power_of,
    repeats_needed,
    smallest_difference,
    smallest_margin,
)


def monte_carlo(rate, rounds):
    return 3 * math.sqrt(rate * (1 - rate) / rounds)


def drawn(rng, design, clusters, size):
    """Right-or-wrong differences with the design's ICC: Dirichlet-multinomial clusters."""
    won = (design.disagreement + design.difference) / 2
    shares = np.array([won, design.disagreement - won, 1 - design.disagreement])
    if design.icc:
        shares = rng.dirichlet(shares * (1 / design.icc - 1), clusters)
    else:
        shares = np.broadcast_to(shares, (clusters, 3))
    draws = rng.random((clusters, size))
    cumulated = np.cumsum(shares, axis=1)
    d = np.where(draws < cumulated[:, :1], 1.0, np.where(draws < cumulated[:, 1:2], -1.0, 0.0))
    return d.ravel()


@pytest.mark.parametrize(
    ("design", "n"),
    [
        (Design(0.05, disagreement=0.1), 280),
        (Design(0.1, -0.02, disagreement=0.3), 250),
        (Design(0.0, 0.1, disagreement=0.2), 160),
        (Design(0.1, disagreement=0.02), 50),
        (Design(0.03, disagreement=0.05), 400),
    ],
)
def test_unclustered_power_is_that_of_compare(design, n):
    """2,000 simulations each of the test that `compare` makes; Monte-Carlo error (3 sd) 2.7."""
    rng = np.random.default_rng(41)
    rounds, claimed, known = 2000, 0, {}
    for _ in range(rounds):
        d = drawn(rng, design, n, 1)
        key = (int((d > 0).sum()), int((d < 0).sum()))
        if key not in known:
            known[key] = fixed(d, None, 1.0).p_above(-design.margin) < 0.025
        claimed += known[key]
    promised = power_of(design, n)
    print(f"promised {promised:.3f}, achieved {claimed / rounds:.3f}")
    assert claimed / rounds == pytest.approx(promised, abs=monte_carlo(promised, rounds) + 1e-3)


@pytest.mark.parametrize(
    ("design", "clusters"),
    [
        (Design(0.05, disagreement=0.2, icc=0.1, cluster_size=10), 100),
        (Design(0.1, disagreement=0.3, icc=0.05, cluster_size=5), 60),
        (Design(0.0, 0.1, disagreement=0.3, icc=0.2, cluster_size=8), 80),
        (Design(0.05, disagreement=0.04, icc=0.1, cluster_size=20), 40),
    ],
)
def test_clustered_power_is_that_of_compare(design, clusters):
    """1,000 simulations each; Monte-Carlo error (3 sd) 3.8 points at 80 %."""
    rng = np.random.default_rng(42)
    rounds, size = 1000, int(design.cluster_size)
    labels = np.repeat(np.arange(clusters), size)
    claimed = sum(
        fixed(drawn(rng, design, clusters, size), labels, 1.0).p_above(-design.margin) < 0.025
        for _ in range(rounds)
    )
    promised = power_of(design, clusters * size)
    print(f"promised {promised:.3f}, achieved {claimed / rounds:.3f}")
    assert claimed / rounds == pytest.approx(promised, abs=monte_carlo(0.8, rounds) + 0.01)


@pytest.mark.slow
@pytest.mark.parametrize(("items", "repeats"), [(150, 2), (80, 5)])
def test_power_with_repeats_is_that_of_compare(items, repeats):
    """300 simulations of two whole runs each; Monte-Carlo error (3 sd) 6.9 points at 80 %."""
    rng = np.random.default_rng(43)
    rates = rng.beta(2, 1, 100_000)
    within = 2 * float(np.mean(rates * (1 - rates)))
    design = Design(0.12, disagreement=within, within=within, difference=0.0)
    rounds, claimed = 300, 0
    for _ in range(rounds):
        of = rng.choice(rates, items)
        pair = [
            run_of(name, [
                answer(f"s{i}", x, k)
                for i in range(items) for k, x in enumerate((rng.random(repeats) < of[i]) * 1.0)
            ])
            for name in "ab"
        ]  # fmt: skip
        claimed += compare(*pair, margin=0.12).verdict != "inconclusive"
    promised = power_of(design, items, repeats)
    print(f"promised {promised:.3f}, achieved {claimed / rounds:.3f}")
    assert claimed / rounds == pytest.approx(promised, abs=monte_carlo(0.8, rounds))


@pytest.mark.slow
def test_the_items_needed_are_enough_for_compare_end_to_end():
    """400 whole comparisons at the size advised for 80 %; Monte-Carlo error (3 sd) 6 points."""
    design = Design(0.08, disagreement=0.15)
    n = items_needed(design, 0.8)
    rng = np.random.default_rng(44)
    rounds, claimed = 400, 0
    for _ in range(rounds):
        d = drawn(rng, design, n, 1)
        result = compare(run("a", (d > 0) * 1.0), run("b", (d < 0) * 1.0), margin=0.08)
        claimed += result.verdict in ("superior", "equivalent", "non_inferior")
    assert claimed / rounds == pytest.approx(0.8, abs=monte_carlo(0.8, rounds) + 0.01)


def test_many_items_need_what_miller_s_formula_says():
    """n = (z_α + z_β)²·(ω² + σ²/K)/δ² (Miller 2024, arXiv:2411.00640), where n is large."""
    z = stats.norm.ppf(0.975) + stats.norm.ppf(0.8)
    design = Design(0.02, disagreement=0.3, within=0.2)
    assert items_needed(design, 0.8) == pytest.approx(z**2 * 0.3 / 0.02**2, rel=0.01)
    assert items_needed(design, 0.8, 4) == pytest.approx(z**2 * 0.15 / 0.02**2, rel=0.01)
    clustered = replace(design, within=0, icc=0.1, cluster_size=11)
    assert items_needed(clustered, 0.8) == pytest.approx(z**2 * 0.6 / 0.02**2, rel=0.01)


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(st.floats(0.05, 0.3), st.floats(0.02, 0.5), st.integers(30, 400))
def test_power_grows_with_the_margin_and_the_answers_fit_each_other(margin, disagreement, n):
    design = Design(margin, disagreement=disagreement)
    assert power_of(design, n) <= power_of(replace(design, margin=margin + 0.05), n) + 1e-9
    found = smallest_margin(design, n)
    assert power_of(replace(design, margin=min(1.0, found + 1e-6)), n) >= 0.79
    needed = items_needed(design)
    assert power_of(design, needed) >= 0.8
    assert smallest_difference(design, 4 * n) <= smallest_difference(design, n) + 1e-6


def test_repeats_help_down_to_the_variance_between_items():
    drawn_mostly = Design(0.05, disagreement=0.3, within=0.25)
    few = repeats_needed(drawn_mostly, 400)
    assert few is not None and few > 1
    assert power_of(drawn_mostly, 400, few) >= 0.8 > power_of(drawn_mostly, 400, few - 1)
    assert repeats_needed(replace(drawn_mostly, within=0.02), 400) is None
    assert items_needed(Design(0.02, -0.05, disagreement=0.2)) is None


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"margin": 2.0}, "margin 2"),
        ({"difference": 0.3}, "only 0.2 of the items differ"),
        ({"icc": 0.2}, "ICC without clusters"),
        ({"within": 0.5}, "at most the variance in all"),
        ({"cluster_size": 0.5}, "at least 1"),
    ],
)
def test_assumptions_that_contradict_each_other_are_refused(wrong, said):
    with pytest.raises(InputError, match=said):
        Design(**({"margin": 0.05} | wrong))
