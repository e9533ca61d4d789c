"""Several benchmarks at once, answers lost on the way, and repeated answers."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.contingency_tables import mcnemar as their_mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.weightstats import ttost_paired

from scored_runs import LOST, answer, run, run_of
from weighbridge.statistics import compare
from weighbridge.statistics.families import decide_together, holm
from weighbridge.statistics.inference import claims_at, first_claim, fixed


def monte_carlo(rate, rounds):
    return 3 * math.sqrt(rate * (1 - rate) / rounds)


def drawn(rng, n, win, lose):
    d = rng.choice([1, -1, 0], n, p=[win, lose, 1 - win - lose])
    return run("a", (d > 0) * 1.0), run("b", (d < 0) * 1.0)


@pytest.mark.slow
@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_is_statsmodels(p_values):
    theirs = multipletests(p_values, method="holm")[1]
    assert holm(p_values) == pytest.approx(theirs.tolist(), abs=1e-12)


def test_a_family_of_one_has_the_verdict_it_had_and_a_larger_one_never_a_stronger():
    rng = np.random.default_rng(31)
    for win, lose in [(0.1, 0.1), (0.3, 0.05), (0.05, 0.3), (0.02, 0.03)]:
        one = compare(*drawn(rng, 300, win, lose), margin=0.05)
        (alone,) = decide_together([one])
        assert alone.verdict == one.verdict == first_claim(one.claims)
        among = decide_together([one, one, one])[0]
        assert all(among.claims[kind] >= p for kind, p in one.claims.items())
    assert decide_together([]) == ()


def test_ten_benchmarks_without_a_difference_are_called_superior_in_one_family_of_forty():
    """400 simulated families of 10 benchmarks of 80 items; Monte-Carlo error (3 sd) 2.3 points."""
    rng = np.random.default_rng(32)
    rounds, alone, together = 400, 0, 0
    shape = compare(*drawn(rng, 80, 0.15, 0.15))
    for _ in range(rounds):
        draws = rng.choice([1.0, -1.0, 0.0], (10, 80), p=[0.15, 0.15, 0.7])
        known = [fixed(d, None, 1.0) for d in draws]
        family = [replace(shape, claims=claims_at(0.02, k, k, k)) for k in known]
        alone += any(first_claim(c.claims) == "superior" for c in family)
        together += any(j.verdict == "superior" for j in decide_together(family))
    assert together / rounds <= 0.025 + monte_carlo(0.025, rounds)
    assert alone / rounds > 0.1


def test_equivalence_is_two_one_sided_t_tests():
    """Against statsmodels' `ttost_paired`; the guard of the standard error is far below 1e-3."""
    rng = np.random.default_rng(33)
    a, b = rng.beta(5, 2, 900), rng.beta(5, 2, 900)
    ours = compare(run("a", a), run("b", b), margin=0.02)
    theirs, (_, above, _), (_, below, _) = ttost_paired(a, b, -0.02, 0.02)
    assert ours.claims["equivalent"] == pytest.approx(theirs, abs=2e-3)
    assert ours.claims["non_inferior"] == pytest.approx(above, abs=2e-3)
    assert max(above, below) == pytest.approx(theirs)


@given(st.integers(0, 30), st.integers(0, 30))
def test_mcnemar_is_statsmodels(won, lost):
    a = [1.0] * won + [0.0] * lost + [1.0] * 5
    b = [0.0] * won + [1.0] * lost + [1.0] * 5
    theirs = their_mcnemar([[5, won], [lost, 0]], exact=True).pvalue
    assert compare(run("a", a), run("b", b)).mcnemar_p_value == pytest.approx(theirs)


def test_what_was_lost_counts_against_what_is_claimed():
    kept = [1.0] * 400
    whole = compare(run("a", kept), run("b", kept), margin=0.02)
    assert whole.verdict == "equivalent" and whole.bounds_interval == whole.interval
    lost = compare(run("a", kept[:-8] + [LOST] * 8), run("b", kept), margin=0.02)
    assert (lost.lost, lost.n, lost.bounds) == (8, 392, (pytest.approx(-0.02), 0.0))
    assert lost.interval[0] > -0.02 and lost.p_value < 0.025  # what is left would have passed
    assert lost.verdict == "inconclusive" and lost.claims["non_inferior"] > 0.025
    back = compare(run("b", kept), run("a", kept[:-8] + [LOST] * 8), margin=0.02)
    assert back.verdict == "non_inferior"  # they can only have gone for A now


def test_losing_everything_proves_nothing_even_against_a_reference_that_had_all_wrong():
    result = compare(run("a", [LOST] * 500), run("b", [0.0] * 500))
    assert (result.verdict, result.n, result.lost) == ("inconclusive", 0, 500)


SCORES = st.one_of(st.sampled_from([0.0, 1.0]), st.just(LOST))


@given(st.lists(st.tuples(SCORES, SCORES), min_size=1, max_size=40), st.floats(0.01, 0.5))
def test_losses_never_make_a_verdict_stronger_than_its_claims_or_its_interval(rows, margin):
    a, b = zip(*rows, strict=True)
    result = compare(run("a", a), run("b", b), margin=margin)
    low, high = result.bounds_interval
    assert low <= result.interval[0] and result.interval[1] <= high
    ends = (low, low + margin, high + margin, high - margin)
    if min(map(abs, ends)) > 1e-9:
        assert first_claim(result.claims) == result.verdict


def repeated(rng, items, repeats, rates_a, rates_b):
    def of(name, rates):
        return run_of(name, [
            answer(f"s{i}", float(rng.random() < rates[i]), k)
            for i in range(items) for k in range(repeats)
        ])  # fmt: skip

    return of("a", rates_a), of("b", rates_b)


def test_the_variance_split_finds_the_variances_it_was_drawn_from():
    """Miller 2024 (arXiv:2411.00640): Var = (ω² + σ²_A/K + σ²_B/K)/n. 40 runs of 300 items."""
    rng = np.random.default_rng(34)
    found = []
    for _ in range(40):
        rates_a, rates_b = rng.beta(2, 1, 300), rng.beta(1, 2, 300)
        found.append(compare(*repeated(rng, 300, 4, rates_a, rates_b)).variance)
    beta = 2 / (9 * 4)  # variance of Beta(2, 1) and of Beta(1, 2)
    within = 2 / 3 * 1 / 3 - beta  # E[p(1-p)] = E[p](1-E[p]) - Var(p)
    assert found[0].repeats_a == found[0].repeats_b == 4
    assert np.mean([v.between for v in found]) == pytest.approx(2 * beta, rel=0.05)
    assert np.mean([v.within_a for v in found]) == pytest.approx(within, rel=0.03)
    assert np.mean([v.within_b for v in found]) == pytest.approx(within, rel=0.03)


def test_without_repeats_there_is_nothing_to_split():
    assert compare(run("a", [1, 0, 1]), run("b", [1, 1, 0])).variance is None
    lost = run_of("a", [answer("s", 1.0), answer("s", LOST, 1), answer("t", 1.0)])
    assert compare(lost, run_of("b", [answer("s", 1.0), answer("t", 0.0)])).variance is None


@pytest.mark.parametrize(
    ("items", "repeats"), [(12, 4), (40, 2), pytest.param(40, 8, marks=pytest.mark.slow)]
)
def test_intervals_cover_with_repeats_and_few_items(items, repeats):
    """300 simulations each; Monte-Carlo error (3 sd) 3.8 points."""
    rng = np.random.default_rng(35)
    rounds, held = 300, 0
    for _ in range(rounds):
        rates_a, rates_b = rng.beta(2, 1, items), rng.beta(1, 1, items)
        result = compare(*repeated(rng, items, repeats, rates_a, rates_b))
        held += result.interval[0] <= 2 / 3 - 1 / 2 <= result.interval[1]
    assert held / rounds >= 0.95 - monte_carlo(0.95, rounds)


@pytest.mark.parametrize("n", [10, 20, 50])
@pytest.mark.parametrize(("win", "lose"), [(0.0, 0.02), (0.02, 0.0), (0.3, 0.2), (0.9, 0.05)])
def test_intervals_of_differences_cover_at_few_items_and_next_to_the_ends(n, win, lose):
    """2,000 simulations each; Monte-Carlo error (3 sd) 1.5 points."""
    from weighbridge.statistics.matched_pairs import tango_interval

    rng = np.random.default_rng(36)
    rounds, known = 2000, {}
    draws = rng.multinomial(n, [win, lose, 1 - win - lose], rounds)
    held = 0
    for w, k, _ in draws.tolist():
        low, high = known.setdefault((w, k), tango_interval(w, k, n))
        held += low <= win - lose <= high
    assert held / rounds >= 0.95 - monte_carlo(0.95, rounds)
