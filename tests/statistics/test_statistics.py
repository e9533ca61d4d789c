"""Laws, published values, and error rates shown by simulation."""

import math
from itertools import combinations

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from weighbridge.errors import InputError, UnknownName
from weighbridge.records import (
    Estimate,
    EvalRun,
    Graded,
    ModelRef,
    Provenance,
    ScoredSample,
    Ungraded,
)  # fmt: skip
from weighbridge.statistics import (
    clustered_standard_error,
    compare,
    estimate,
    mean_interval,
    pass_at_k,
    wilson,
)  # fmt: skip
from weighbridge.statistics.inference import verdict
from weighbridge.statistics.matched_pairs import mcnemar, tango_interval

BITS = st.lists(st.booleans().map(float), min_size=2, max_size=40)


def samples(scores, clusters=None, parts=None):
    return [
        ScoredSample(
            f"s{i:04d}", 0, clusters[i] if clusters else None, f"d{i}", "p", "q", "t", "o", (),
            "end", 1, 1, 0, s if isinstance(s, (Graded, Ungraded)) else Graded(float(s), "a"),
        )
        for i, s in enumerate(scores)
    ]  # fmt: skip


def run(name, scores, clusters=None):
    rows = samples(scores, clusters)
    empty = Estimate("mean", 0, None, 0, (0, 1), 0, {}, (0, 1))
    provenance = Provenance({}, "3", "Linux", "cpu", 1, "2026")
    return EvalRun(name, ModelRef(name, "x", "y"), "b", "1", None, "generative", {}, name, "d",
                   empty, provenance, tuple(rows))  # fmt: skip


@given(st.integers(1, 9), st.data())
def test_pass_at_k_is_the_share_of_draws_with_a_pass(n, data):
    c, k = data.draw(st.integers(0, n)), data.draw(st.integers(1, n))
    draws = list(combinations([1] * c + [0] * (n - c), k))
    assert math.isclose(pass_at_k(n, c, k), sum(map(any, draws)) / len(draws), abs_tol=1e-12)


def test_pass_at_k_needs_k_samples():
    with pytest.raises(InputError, match="at least 5"):
        pass_at_k(4, 1, 5)


@given(st.integers(1, 500), st.data())
def test_wilson_is_scipy_s(n, data):
    k = data.draw(st.integers(0, n))
    theirs = stats.binomtest(k, n).proportion_ci(method="wilson")
    assert wilson(k, n) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


def test_clustered_standard_error_is_statsmodels():
    rng = np.random.default_rng(0)
    clusters = rng.integers(0, 12, 200)
    values = rng.normal(size=200) + rng.normal(size=12)[clusters]
    fit = sm.OLS(values, np.ones(200)).fit(
        cov_type="cluster", cov_kwds={"groups": clusters, "use_correction": False}
    )
    ours = clustered_standard_error(values, [str(c) for c in clusters])
    assert ours == pytest.approx(fit.bse[0] * math.sqrt(12 / 11), rel=1e-9)


@pytest.mark.parametrize(("p", "n"), [(0.5, 30), (0.02, 100), (0.98, 100), (0.18, 152)])
def test_intervals_of_proportions_cover(p, n):
    counts = np.random.default_rng(1).binomial(n, p, 4000)
    held = {
        k: low <= p <= high
        for k in set(counts.tolist())
        for low, high in [mean_interval([1.0] * k + [0.0] * (n - k))]
    }
    coverage = np.mean([held[k] for k in counts.tolist()])
    assert 0.93 <= coverage <= 0.985


def test_clustered_intervals_cover_where_plain_ones_do_not():
    rng = np.random.default_rng(2)
    plain = clustered = 0
    rounds = 400
    names = [str(c) for c in np.repeat(np.arange(25), 12)]
    for _ in range(rounds):
        shares = rng.beta(1.5, 1.5, 25)
        values = (rng.random(300) < np.repeat(shares, 12)).astype(float)
        low, high = mean_interval(values, names)
        clustered += low <= 0.5 <= high
        low, high = mean_interval(values)
        plain += low <= 0.5 <= high
    assert clustered / rounds >= 0.92 > plain / rounds


@given(BITS)
def test_an_interval_holds_its_mean_and_stays_on_the_scale(values):
    low, high = mean_interval(values)
    assert 0 <= low <= np.mean(values) <= high <= 1


@given(BITS, BITS)
def test_swapping_the_runs_mirrors_the_comparison(a, b):
    n = min(len(a), len(b))
    there = compare(run("a", a[:n]), run("b", b[:n]), margin=0.1)
    back = compare(run("b", b[:n]), run("a", a[:n]), margin=0.1)
    assert there.difference == pytest.approx(-back.difference)
    assert there.interval == pytest.approx((-back.interval[1], -back.interval[0]), abs=1e-6)
    assert len(there.flips) == len(back.flips) == sum(x != y for x, y in zip(a, b, strict=False))


def test_no_flips_is_not_certainty():
    result = compare(run("a", [1.0] * 20), run("b", [1.0] * 20), margin=0.02)
    assert result.difference == 0
    assert result.interval[0] < -0.1 < 0.1 < result.interval[1]
    assert result.verdict == "inconclusive"


def test_non_inferiority_at_the_margin_is_claimed_in_one_case_of_forty():
    rng = np.random.default_rng(3)
    n, rounds, margin = 300, 600, 0.1
    claimed = 0
    for _ in range(rounds):
        draws = rng.multinomial(n, [0.15, 0.25, 0.60])  # A wins, A loses, alike: A - B = -0.1
        claimed += tango_interval(int(draws[0]), int(draws[1]), n)[0] > -margin
    assert claimed / rounds <= 0.025 + 3 * math.sqrt(0.025 * 0.975 / rounds)


def test_mcnemar_is_the_exact_binomial_test():
    a, b = [1, 1, 1, 1, 1, 0, 0], [0, 0, 0, 0, 0, 1, 0]
    assert mcnemar(a, b) == pytest.approx(stats.binomtest(5, 6).pvalue)
    assert mcnemar([0.5], [1.0]) is None


@pytest.mark.parametrize(
    ("interval", "expected"),
    [
        ((0.01, 0.2), "superior"),
        ((-0.3, -0.06), "inferior"),
        ((-0.04, 0.04), "equivalent"),
        ((-0.04, 0.2), "non_inferior"),
        ((-0.1, 0.2), "inconclusive"),
        ((-0.2, -0.01), "inconclusive"),
    ],
)
def test_verdicts(interval, expected):
    assert verdict(interval, 0.05) == expected


def test_refusing_does_not_pay_and_our_failures_are_not_the_model_s():
    rows = samples([1, 1, 0, Ungraded("refused"), Ungraded("infrastructure")])
    result = estimate(rows)
    assert result.mean == 0.5 and result.n == 4
    assert result.mean_graded == pytest.approx(2 / 3)
    assert result.bounds == (0.4, 0.6)
    assert result.ungraded == {
        "refused": 1, "unparsed": 0, "truncated": 0, "infrastructure": 1,
    }  # fmt: skip


def test_nothing_but_failures_claims_nothing():
    result = estimate(samples([Ungraded("infrastructure")]))
    assert (result.n, result.interval, result.bounds) == (0, (0.0, 1.0), (0.0, 1.0))


def test_macro_mean_and_unknown_aggregate():
    result = estimate(samples([1, 1, 1, 0], ["a", "a", "a", "b"]))
    assert (result.mean, result.macro_mean) == (0.75, 0.5)
    with pytest.raises(UnknownName, match="pass_at_1"):
        estimate([], "pass_at_2")


def test_runs_of_different_protocols_are_not_compared():
    first, second = run("a", [1, 0]), run("b", [1, 0])
    second = EvalRun(**{**vars(second), "protocol": "loglikelihood"})
    with pytest.raises(InputError, match="has protocol generative, b has loglikelihood"):
        compare(first, second)


def test_runs_over_other_items_are_not_compared():
    first, second = run("a", [1, 0]), run("b", [1, 0])
    changed = second.samples[0].__class__(**{**vars(second.samples[0]), "sample_digest": "other"})
    second = EvalRun(**{**vars(second), "samples": (changed, second.samples[1])})
    with pytest.raises(InputError, match="s0000 is not the same"):
        compare(first, second)
