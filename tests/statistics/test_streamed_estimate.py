"""Figures from columns are, to the last bit, those of the definition, item by item."""

from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weighbridge.errors import EvidenceError
from weighbridge.records import Graded, ScoredSample, Ungraded
from weighbridge.statistics import estimate, pass_at_k
from weighbridge.statistics.distinct import Fingerprints

LOST = Ungraded("infrastructure")
SCORES = st.one_of(
    st.floats(0, 1),
    st.sampled_from([0.0, 1.0, 0.1, 0.3]),
    st.sampled_from([LOST, Ungraded("refused"), Ungraded("unparsed"), Ungraded("truncated")]),
)
SHARES = st.dictionaries(st.sampled_from("xyz"), st.floats(0, 1), max_size=3)


@st.composite
def runs(draw):
    """Samples in any order: some items, each with its repeats, clusters and parts."""
    repeats = draw(st.sampled_from([1, 1, 2, 3, 10, 19]))
    rows = []
    for item in range(draw(st.integers(1, 25))):
        for repeat in range(repeats):
            score = draw(SCORES)
            if isinstance(score, float):
                score = Graded(score, "a", parts=draw(SHARES))
            cluster = draw(st.sampled_from(["p", "q", "r", None]))
            rows.append(
                ScoredSample(f"s{item}", repeat, cluster, "d", "p", "q", "t", "o", (), "end",
                             1, 1, 0, score)
            )  # fmt: skip
    return draw(st.permutations(rows)), repeats


def by_item(rows):
    items = defaultdict(dict)
    for row in rows:
        items[row.sample_id][row.repeat] = row
    return [[item[repeat] for repeat in sorted(item)] for item in items.values()]


def counted(row, lost_as=None):
    if isinstance(row.score, Graded):
        return row.score.value
    return lost_as if row.score == LOST else 0.0


def part(row, name):
    return row.score.parts.get(name, 0.0) if isinstance(row.score, Graded) else counted(row)


def mean_of_items(items, worth, combine=lambda v: float(np.mean(v)), least=1):
    kept = [[w for w in map(worth, rows) if w is not None] for rows in items]
    figures = [combine(values) for values in kept if len(values) >= least]
    return float(np.mean(figures)) if figures else 0.0


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(runs())
def test_means_bounds_and_parts_are_those_of_the_definition(run):
    rows, _ = run
    items, result = by_item(rows), estimate(iter(rows))
    assert result.mean == mean_of_items(items, counted)
    graded = [[r for r in item if isinstance(r.score, Graded)] for item in items]
    assert (result.mean_graded or 0.0) == mean_of_items(graded, counted)
    assert result.bounds == tuple(
        mean_of_items(items, lambda row, end=end: counted(row, end)) for end in (0.0, 1.0)
    )
    for name, share in result.parts.items():
        assert share == mean_of_items(items, lambda row, name=name: part(row, name))
    assert sum(result.ungraded.values()) == sum(isinstance(r.score, Ungraded) for r in rows)


@pytest.mark.slow
@settings(max_examples=50, deadline=None)
@given(runs(), st.sampled_from([1, 10]))
def test_pass_at_k_is_that_of_the_definition(run, k):
    rows, repeats = run
    if repeats < k:
        return
    figure = mean_of_items(
        by_item(rows), counted, lambda v: pass_at_k(len(v), sum(x == 1 for x in v), k), k
    )
    assert estimate(iter(rows), f"pass_at_{k}").mean == figure


@settings(max_examples=50, deadline=None)
@given(runs())
def test_clusters_are_means_of_their_items(run):
    rows, _ = run
    result, grouped = estimate(iter(rows)), defaultdict(list)
    for item in by_item(rows):
        values = [w for w in map(counted, item) if w is not None]
        if values and item[0].cluster:
            grouped[item[0].cluster].append(float(np.mean(values)))
    assert result.clusters == {name: float(np.mean(grouped[name])) for name in sorted(grouped)}


def test_a_repeated_sample_is_named_by_its_place():
    rows = [
        ScoredSample(f"s{i % 5}", 0, None, "d", "p", "q", "t", "o", (), "end", 1, 1, 0, LOST)
        for i in (0, 1, 2, 3, 4, 7)
    ]
    with pytest.raises(EvidenceError, match="sample 3 is there twice, again as sample 6"):
        estimate(rows)


@given(st.lists(st.text(max_size=2)))
def test_fingerprints_number_texts_in_order_of_appearance(texts):
    seen, prints = {}, Fingerprints()
    for text in texts:
        prints.add(text)
    numbers = [seen.setdefault(text, len(seen)) for text in texts]
    assert prints.numbers().tolist() == numbers
    repeated = next((i for i, text in enumerate(texts) if text in texts[:i]), None)
    expected = None if repeated is None else (repeated, texts.index(texts[repeated]))
    assert prints.first_repetition() == expected
