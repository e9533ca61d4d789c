"""What a comparison or an estimate must never say, whatever it is handed."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scored_runs import LOST, answer, run, run_of
from weighbridge.errors import EvidenceError, InputError, UnknownName
from weighbridge.records import (
    Graded,
    Ungraded,
)
from weighbridge.statistics import compare, estimate, mean_interval
from weighbridge.statistics.intervals import groups_of

SCORES = st.one_of(st.sampled_from([0.0, 1.0, 0.25]), st.just(LOST), st.just(Ungraded("refused")))
PAIRS = st.lists(st.tuples(SCORES, SCORES, st.sampled_from(["x", "y", "z", None])), min_size=1)


@given(PAIRS, st.floats(0, 0.5))
def test_swapping_the_runs_mirrors_everything_and_p_agrees_with_the_interval(rows, margin):
    first, second, clusters = zip(*rows, strict=True)
    a, b = run("a", first, clusters), run("b", second, clusters)
    there, back = compare(a, b, margin=margin), compare(b, a, margin=margin)
    assert there.difference == -back.difference
    assert there.interval == pytest.approx((-back.interval[1], -back.interval[0]), abs=1e-12)
    assert there.bounds == (-back.bounds[1], -back.bounds[0])
    assert there.stderr == pytest.approx(back.stderr)
    low, high = there.interval
    assert -1 <= low <= there.difference + 1e-12 and there.difference - 1e-12 <= high <= 1
    assert low < high  # nothing is ever certain
    if abs(low + margin) > 1e-9:
        assert (there.p_value < 0.025) == (low > -margin)


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("clusters", [None, [f"c{i % 10}" for i in range(100)]])
def test_no_flips_is_neither_equivalence_nor_a_small_p(value, clusters):
    result = compare(run("a", [value] * 100, clusters), run("b", [value] * 100, clusters))
    assert result.verdict == "inconclusive" and result.p_value > 0.025
    assert result.mcnemar_p_value == (None if value == 0.5 else 1.0)


def test_one_small_flip_claims_no_more_than_none():
    none = compare(run("a", [1.0] * 100), run("b", [1.0] * 100))
    one = compare(run("a", [0.5] + [1.0] * 99), run("b", [1.0] * 100))
    assert none.verdict == one.verdict == "inconclusive"


def test_a_cluster_that_always_agrees_counts_once():
    wide = mean_interval([1.0] * 300, [f"c{i % 10}" for i in range(300)])
    assert wide[0] < mean_interval([1.0] * 300)[0] - 0.2
    assert groups_of(["a", "a", None, None], 4).tolist() == [0, 0, 1, 2]


def test_a_misspelt_part_is_refused_not_found_equal():
    parts = [Graded(0.0, "", parts={"exact_match": 0.0})] * 600
    other = [Graded(1.0, "", parts={"exact_match": 1.0})] * 600
    with pytest.raises(UnknownName, match="exact_match"):
        compare(run("a", parts), run("b", other), metric="exct_match")
    assert compare(run("a", parts), run("b", other), metric="exact_match").verdict == "inferior"


def test_a_part_that_only_one_run_shows_counts_0_in_the_other():
    shown = run("a", [Graded(1.0, "", parts={"field": 1.0})] * 30)
    silent = run("b", [Ungraded("refused")] * 30)
    assert compare(shown, silent, metric="field").difference == 1.0


@pytest.mark.parametrize("margin", [2, 1, -0.01, float("nan")])
def test_a_margin_in_points_is_refused(margin):
    with pytest.raises(InputError, match="share of the scale"):
        compare(run("a", [0.0] * 9), run("b", [1.0] * 9), margin=margin)


def test_bounds_take_what_is_known_of_a_lost_item():
    a, b = run("a", [1.0] * 9 + [LOST]), run("b", [1.0] * 9 + [0.0])
    result = compare(a, b)
    assert (result.n, result.unpaired) == (9, 1)
    assert result.bounds == pytest.approx((0.0, 0.1))  # B had it wrong: A can't lose it


def test_items_of_one_run_alone_are_unpaired_but_were_not_lost():
    result = compare(run("a", [1.0] * 10), run("b", [1.0] * 30))
    assert (result.n, result.unpaired, result.bounds) == (10, 20, (0.0, 0.0))


def test_nothing_left_to_pair_is_insufficient_evidence():
    result = compare(run("a", [LOST] * 3), run("b", [1.0] * 3))
    assert (result.n, result.verdict, result.p_value) == (0, "inconclusive", 1.0)
    assert (result.interval, result.bounds) == ((-1.0, 1.0), (-1.0, 0.0))


def test_a_scale_of_ten_gives_ten_times_the_comparison():
    ones = compare(run("a", [0, 1, 1, 0.5]), run("b", [0, 0, 1, 1]), margin=0.2)
    tens = compare(run("a", [0, 10, 10, 5]), run("b", [0, 0, 10, 10]), margin=2, scale=(0.0, 10.0))
    assert tens.interval == pytest.approx([10 * end for end in ones.interval])
    assert tens.p_value == pytest.approx(ones.p_value)


def test_a_flip_shows_answers_that_differ():
    a = run_of("a", [answer("s", 1, 0, output="right"), answer("s", 0, 1, output="wrong")])
    b = run_of("b", [answer("s", 1, 0, output="right"), answer("s", 1, 1, output="right")])
    (flip,) = compare(a, b).flips
    assert (flip.output_a, flip.output_b, flip.difference) == ("wrong", "right", -0.5)
    assert flip.target == '{"x": 1}'


def test_repeats_lost_to_us_do_not_stop_pass_at_k():
    repeats = [answer("s", score, r) for r, score in enumerate([1, 0, 0, 0, LOST])]
    whole = [answer("t", score, r) for r, score in enumerate([0, 0, 0, 0, 0])]
    one = estimate(repeats + whole, "pass_at_1")
    assert (one.mean, one.n) == (0.125, 2)
    assert one.bounds == pytest.approx((0.1, 0.2))
    ten = estimate([answer("s", LOST if r == 9 else 0, r) for r in range(10)], "pass_at_10")
    assert (ten.n, ten.mean, ten.bounds) == (0, 0.0, (0.0, 1.0))
    with pytest.raises(InputError, match="at least 10 for pass_at_10"):
        estimate(whole, "pass_at_10")


def test_the_graded_mean_is_the_same_aggregate():
    rows = [answer("s", 1 if r == 0 else 0, r) for r in range(10)]
    result = estimate(rows, "pass_at_10")
    assert (result.mean, result.mean_graded) == (1.0, 1.0)


def test_one_answer_counted_twice_is_contradictory_evidence():
    row = answer("s", 1.0)
    with pytest.raises(EvidenceError, match="twice"):
        estimate([row, row])
    with pytest.raises(EvidenceError, match="twice"):
        compare(run_of("a", [row, row]), run_of("b", [row]))


@pytest.mark.parametrize("value", [1.4, -0.1, float("nan")])
def test_a_value_off_the_scale_is_refused(value):
    with pytest.raises(InputError, match="from 0 to 1"):
        estimate([replace(answer("s", 0), score=Graded(value, "a"))])


@given(st.lists(SCORES, min_size=1, max_size=30), st.data())
def test_refusing_never_pays_and_bounds_hold_the_mean(scores, data):
    rows = [answer(f"s{i}", score) for i, score in enumerate(scores)]
    before = estimate(rows)
    assert before.bounds[0] - 1e-12 <= before.mean <= before.bounds[1] + 1e-12
    at = data.draw(st.integers(0, len(rows) - 1))
    if rows[at].score != LOST:
        rows[at] = replace(rows[at], score=Ungraded("refused"))
        assert estimate(rows).mean <= before.mean + 1e-12
