"""A judge's audit: what it counts, what people correct, and what can't be concluded."""

import math

import numpy as np
import pytest
from test_comparison_rules import answer

from weighbridge.evaluation.judges import pairwise
from weighbridge.records import HumanLabel
from weighbridge.statistics.judge_agreement import (
    human_agreement,
    human_corrected,
    position_consistency,
    self_preference,
)


def test_places_that_a_pairwise_judge_prefers():
    """Two that agree, one A twice, one B twice, one half a tie, one unreadable."""
    said = ["AB", "CC", "AA", "BB", "AC", "?A"]
    samples = [
        answer(f"s{i}", pairwise.read([f"[[{one}]]" for one in both]))
        for i, both in enumerate(said)
    ]
    found = position_consistency(samples)
    assert (found.pairs, found.consistent, found.unreadable) == (5, 0.4, 1)
    assert (found.first, found.second, found.mixed) == (1, 1, 1)
    assert found.interval[0] < 0.4 < found.interval[1]
    assert position_consistency([answer("s", 7)]) is None


ITEMS = [f"i{n:03d}" for n in range(60)]
ALONE = {item: item for item in ITEMS}


def values(rng, mean, sd=1.0):
    return dict(zip(ITEMS, rng.normal(mean, sd, len(ITEMS)), strict=True))


def test_self_preference_is_what_one_judge_sees_more_than_another():
    rng = np.random.default_rng(3)
    a, b = values(rng, 6), values(rng, 6)
    other = ({i: v + rng.normal(0, 0.3) for i, v in a.items()}, dict(b))
    kin = ({i: v + 0.5 + rng.normal(0, 0.3) for i, v in a.items()}, dict(b))
    found = self_preference(kin, other, ALONE, "someone")
    assert found.excess == pytest.approx(0.5, abs=0.15) and found.interval[0] > 0
    assert (found.reader, found.n) == ("someone", 60)
    # A judge that rates all higher, its kin no more than others, shows none.
    lenient = tuple({i: v + 2 for i, v in one.items()} for one in other)
    assert self_preference(lenient, other, ALONE, "x").excess == pytest.approx(0, abs=1e-9)
    assert self_preference(({}, {}), other, ALONE, "x") is None


def test_labels_are_matched_by_item_and_model():
    judge = ({"1": 8.0, "2": 5.0, "3": 6.0}, {"1": 6.0, "2": 5.0, "3": 9.0})
    labels = [
        HumanLabel("1", preferred="A"),  # agrees
        HumanLabel("2", preferred="mine"),  # the judge says tie
        HumanLabel("3", preferred="theirs"),  # agrees
        HumanLabel("3", preferred="A"),  # does not
        HumanLabel("1", preferred="theirs", models=("theirs", "third")),  # another pair
        HumanLabel("9", preferred="A"),  # another item
        HumanLabel("1", "mine", 7.0),
        HumanLabel("2", "third", 7.0),  # another model
    ]
    found = human_agreement(labels, judge, ("mine", "theirs"), dict.fromkeys("123", "c"))
    assert (found.labels, found.unmatched, found.items) == (5, 3, 3)
    assert (found.preferences.rate, found.preferences.n) == (0.5, 4)
    assert (found.decided.rate, found.decided.n) == (pytest.approx(2 / 3), 3)
    assert found.bias is None  # one rating says nothing of a spread


def test_ratings_of_both_models_say_which_is_preferred():
    judge = ({"1": 8.0, "2": 5.0}, {"1": 6.0, "2": 5.0})
    labels = [HumanLabel(i, m, r) for i, m, r in
              (("1", "a", 9.0), ("1", "b", 2.0), ("2", "a", 4.0), ("2", "b", 5.0))]  # fmt: skip
    found = human_agreement(labels, judge, ("a", "b"), {"1": "1", "2": "2"})
    assert (found.preferences.rate, found.preferences.n) == (0.5, 2)
    assert found.bias.rate == pytest.approx((8 - 9 + 6 - 2 + 5 - 4 + 5 - 5) / 4)


def coverage(bias, agreement, labelled, rounds=500):
    """How often the corrected interval holds people's true difference of 0.3, and its width beside
    that of people's ratings alone."""
    rng, held, ratio = np.random.default_rng(8), 0, []
    for _ in range(rounds):
        people = rng.normal(0.3, 1.2, 160)
        judge = agreement * people + bias + rng.normal(0, 0.5, 160)
        items = [str(i) for i in range(160)]
        seen = dict(zip(items[:labelled], people[:labelled], strict=True))
        own = {item: item for item in items}
        found = human_corrected(dict(zip(items, judge, strict=True)), seen, own, 0.2)
        held += found.interval[0] <= 0.3 <= found.interval[1]
        alone = 2 * 2.02 * people[:labelled].std(ddof=1) / math.sqrt(labelled)
        ratio.append((found.interval[1] - found.interval[0]) / alone)
    return held / rounds, float(np.mean(ratio))


@pytest.mark.parametrize(("bias", "agreement"), [(0.0, 1.0), (0.8, 1.0), (-0.5, 0.4), (0.0, 0.0)])
def test_people_correct_a_biased_judge_and_the_interval_covers(bias, agreement):
    """500 rounds, 40 of 160 items rated: 95 % within Monte-Carlo error, whatever the bias."""
    held, ratio = coverage(bias, agreement, 40)
    assert abs(held - 0.95) <= 3 * math.sqrt(0.95 * 0.05 / 500) + 0.005
    # A judge that follows people saves ratings; one that doesn't costs nothing.
    assert ratio < (0.75 if agreement == 1 else 1.03)


def test_too_few_ratings_correct_nothing():
    judge = {str(i): 0.1 * i for i in range(50)}
    assert human_corrected(judge, {"1": 0.0, "2": 0.2}, {k: k for k in judge}, 0.2) is None
