"""A judge's noise: published variance components, and intervals that cover what it moves."""

import math
from dataclasses import replace

import numpy as np
import pytest
from test_comparison_rules import answer, run_of

from weighbridge.records import Ungraded
from weighbridge.statistics import compare
from weighbridge.statistics.judge_noise import judgements_of, repeat_spread, with_judge_noise

# Shrout & Fleiss 1979 (Psychological Bulletin 86:420), table 2: six targets, four judges.
SHROUT_FLEISS = [
    [9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7],
]  # fmt: skip


def judged(name, table, scale=(1.0, 10.0), cluster_size=1):
    """A run whose answer i was judged once a column; clusters of so many answers each."""
    samples = [
        answer(f"s{i:04d}", value, repeat, f"c{i // cluster_size}")
        for i, row in enumerate(table)
        for repeat, value in enumerate(row)
    ]
    run = run_of(name, samples)
    object.__setattr__(run.estimate, "scale", scale)
    run.settings["judge"] = {"method": "single_answer", "repeats": len(table[0])}
    return run


def test_published_variance_components():
    """Shrout & Fleiss 1979: BMS 11.24, WMS 6.26, JMS 32.49, EMS 1.02; ICC(1,1) = .17."""
    found = repeat_spread(judgements_of(judged("a", SHROUT_FLEISS).samples, 4))
    assert found.within_sd**2 == pytest.approx(6.26, abs=0.005)
    assert 1 - found.share == pytest.approx(0.17, abs=0.005)
    assert found.between_sd**2 == pytest.approx((11.24 - 6.26) / 4, abs=0.005)
    # Two-way: (JMS - EMS)/(nK) is the variance of the mean that the passes share.
    assert found.pass_variance == pytest.approx((32.49 - 1.02) / 24, abs=0.005)
    assert (found.answers, found.judgements, found.pass_freedom) == (6, 24, 3)
    assert found.pass_means == pytest.approx([46 / 6, 15 / 6, 26 / 6, 40 / 6])


def test_unequal_numbers_of_judgements_are_split_too():
    """Two of one answer, three of another: sums of squares by hand."""
    samples = [answer("s", 4, 0), answer("s", 6, 1), answer("s", Ungraded("unparsed"), 2)]
    samples += [answer("t", value, repeat) for repeat, value in enumerate([8, 8, 9])]
    samples += [answer("u", 1, 0)]
    found = repeat_spread(judgements_of(samples, 3))
    assert (found.answers, found.judgements) == (2, 5)
    assert found.within_sd**2 == pytest.approx((2 + 2 / 3) / 3)
    assert found.pass_means == () and found.pass_variance == 0  # no answer has all three, but one


def test_answers_of_one_item_are_told_apart():
    """Two answers, each judged twice: only the judgements of one answer are compared."""
    samples = [answer("s", value, repeat) for repeat, value in enumerate([2, 2, 9, 9])]
    assert repeat_spread(judgements_of(samples, 2)).within_sd == 0
    assert repeat_spread(judgements_of(samples, 4)).within_sd > 3


def test_what_the_judge_was_shown_tells_answers_apart_where_nothing_else_does():
    shown = [replace(answer("s", v, r), prompt_digest=f"d{r // 2}") for r, v in
             enumerate([2, 3, 9, 10])]  # fmt: skip
    found = repeat_spread(judgements_of(shown, None))
    assert (found.answers, found.within_sd**2) == (2, pytest.approx(0.5))
    assert repeat_spread(judgements_of(shown[::2], None)) is None


def test_one_judgement_each_says_nothing_of_the_judge():
    assert repeat_spread(judgements_of(judged("a", [[3], [4]]).samples, 1)) is None


def compared(a, b, margin=0.5):
    runs = judged("a", a), judged("b", b)
    spreads = [repeat_spread(judgements_of(run.samples, len(a[0]))) for run in runs]
    plain = compare(*runs, margin=margin)
    return plain, with_judge_noise(plain, spreads, len(a))


def test_passes_that_agree_leave_the_interval_alone():
    rng = np.random.default_rng(1)
    base = rng.normal(5, 1.5, (40, 2)).clip(1, 10)
    plain, wide = compared(base[:, [0, 0]].tolist(), base[:, [1, 1]].tolist())
    assert wide == plain


def test_a_pass_that_moved_widens_the_interval_and_can_take_the_verdict():
    rng = np.random.default_rng(2)
    base = rng.normal(5, 1, (80, 1)) + rng.normal(0, 0.1, (80, 3))
    a, b = base + [0.6, 0.2, -0.1] + 0.3, base
    plain, wide = compared(a.clip(1, 10).tolist(), b.clip(1, 10).tolist())
    assert plain.verdict == "superior" and wide.verdict == "non_inferior"
    assert wide.interval[0] < plain.interval[0] < plain.interval[1] < wide.interval[1]
    assert wide.judge_stderr > 0 and wide.stderr > plain.stderr
    assert (wide.p_value < 0.025) == (wide.interval[0] > -wide.margin)


def widths_and_coverage(passes, pass_sd, rounds, seed, noise=0.8, n=80):
    """Share of intervals that hold the true difference, as they stand and widened.

    The truth is a population of items and of passes: A is better by 0.4 on average.
    """
    rng = np.random.default_rng(seed)
    held, widened, ratio = 0, 0, []
    for _ in range(rounds):
        item = rng.normal(5.5, 1, (n, 1))
        a, b = (
            item
            + gap
            + rng.normal(0, 0.5, (n, 1))  # models differ from item to item
            + rng.normal(0, pass_sd, passes)
            + rng.normal(0, noise, (n, passes))
            for gap in (0.4, 0.0)
        )
        runs = judged("a", a.tolist(), (-50, 50)), judged("b", b.tolist(), (-50, 50))
        plain = _quick(runs, (-50.0, 50.0))
        spreads = [repeat_spread(judgements_of(run.samples, passes)) for run in runs]
        wide = with_judge_noise(plain, spreads, n)
        held += plain.interval[0] <= 0.4 <= plain.interval[1]
        widened += wide.interval[0] <= 0.4 <= wide.interval[1]
        ratio.append(
            (wide.interval[1] - wide.interval[0]) / (plain.interval[1] - plain.interval[0])
        )
    return held / rounds, widened / rounds, float(np.mean(ratio))


def _quick(runs, scale):
    """The comparison with a plain t interval: the guard of the real one, here on a wide scale for
    normal values, would hide what is tested."""
    from scipy import stats

    found = compare(*runs, scale=scale)
    half = float(stats.t.ppf(0.975, found.n - 1)) * found.stderr
    middle = found.difference
    object.__setattr__(found, "interval", (middle - half, middle + half))
    return found


def slow(*cases):
    """Cases that ask the same of other numbers."""
    return [pytest.param(*case, marks=(pytest.mark.slow, pytest.mark.soak)) for case in cases]


@pytest.mark.slow
@pytest.mark.parametrize(("passes", "pass_sd"), [(2, 0.2), *slow((3, 0.2), (5, 0.3), (3, 0.6))])
def test_intervals_cover_what_a_pass_moves(passes, pass_sd):
    """400 rounds, Monte-Carlo error 1.1 points: the widened interval covers, the plain does not."""
    plain, wide, _ = widths_and_coverage(passes, pass_sd, 400, seed=passes)
    assert plain < 0.9
    assert wide >= 0.95 - 3 * math.sqrt(0.95 * 0.05 / 400)


@pytest.mark.slow
@pytest.mark.parametrize(("passes", "price"), [(2, 1.3), *slow((3, 1.2), (5, 1.12))])
def test_a_steady_judge_costs_little(passes, price):
    """No pass moves: both intervals cover; not to know that from two passes has a price."""
    plain, wide, ratio = widths_and_coverage(passes, 0.0, 400, seed=7)
    error = 3 * math.sqrt(0.95 * 0.05 / 400)
    assert abs(plain - 0.95) <= error and 0.95 - error <= wide
    assert ratio < price
