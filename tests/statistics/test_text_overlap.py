"""What stands in one's own tuning data is found, whatever was done to it; what does not is not."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weighbridge.statistics.text_overlap import LONG, NEAR, SHORT, overlap, words

VOCABULARY = [f"w{i}" for i in range(4000)]


def sentence(rng, n):
    return " ".join(rng.choices(VOCABULARY, k=n))


@pytest.fixture
def collections():
    rng = random.Random(7)
    return rng, [sentence(rng, 40) for _ in range(200)], [sentence(rng, 200) for _ in range(500)]


def test_unrelated_texts_share_nothing(collections):
    _, items, texts = collections
    found = overlap(items, texts)
    assert not found.found and not found.short


def test_an_item_inside_a_text_is_exact_and_near_whatever_its_case_and_punctuation(collections):
    _, items, texts = collections
    texts[3] += " " + items[17].upper().replace(" ", ", ") + "!"
    found = overlap(items, texts)
    assert found.exact == found.near == {17}


def test_thirteen_words_are_exact_and_twelve_are_not(collections):
    _, items, texts = collections
    parts = [items[i].split() for i in (5, 6)]
    texts += ["x " + " ".join(parts[0][9 : 9 + LONG]) + " y"]
    texts += ["x " + " ".join(parts[1][9 : 9 + LONG - 1]) + " y"]
    found = overlap(items, texts)
    assert found.exact == {5} and not found.near


def test_an_item_reworded_here_and_there_is_near(collections):
    rng, items, texts = collections
    changed = items[30].split()
    changed[12] = changed[30] = "another"
    texts.append(sentence(rng, 30) + " " + " ".join(changed))
    assert overlap(items, texts).near == {30}
    halves = items[31].split()
    texts += [" ".join(halves[:20]), " ".join(halves[20:])]  # in two texts: near to neither
    assert overlap(items, texts).near == {30}


def test_what_many_items_share_tells_none_of_them_apart(collections):
    rng, items, texts = collections
    form = sentence(rng, 30)
    asked = [f"{form} {item}" for item in items]
    assert not overlap(asked, [*texts, form]).found
    assert overlap(asked, [*texts, asked[8]]).exact == {8}


def test_short_items_must_stand_there_whole_and_shorter_ones_are_not_judged():
    items = ["who wrote the first novel", "who wrote the first novel of all", "too short", ""]
    texts = ["tell me who wrote the first novel and when"]
    found = overlap(items, texts)
    assert found.exact == {0} and found.short == {2, 3} and not found.near


def test_an_item_repeated_many_times_in_the_data_is_not_boilerplate(collections):
    _, items, texts = collections
    assert overlap(items, texts + [items[2]] * 1000).exact == {2}


def test_no_items_and_no_texts_find_nothing():
    assert not overlap([], ["a b c d e f"]).found
    assert not overlap(["a b c d e f"], []).found


def slowly(items, texts):
    """The definition, without hashes, for a few texts."""
    runs = [
        {n: {tuple(w[i : i + n]) for i in range(len(w) - n + 1)} for n in range(SHORT, LONG + 1)}
        for w in map(words, [*items, *texts])
    ]
    of_items, of_texts = runs[: len(items)], runs[len(items) :]

    def rare(n, those):
        count = {}
        for i in those:
            for run in of_items[i][n]:
                count[run] = count.get(run, 0) + 1
        return [{r for r in of[n] if count.get(r, 9) <= 3} for of in of_items]

    sizes = [len(words(item)) for item in items]
    exact, near = set(), set()
    for n in range(SHORT, LONG + 1):
        those = [i for i, s in enumerate(sizes) if s == n or (n == LONG and s > n)]
        own = rare(n, those)
        exact |= {i for i in those if any(own[i] & of[n] for of in of_texts)}
    own = rare(SHORT, range(len(items)))
    for i, mine in enumerate(own):
        if len(mine) >= 4 and any(len(mine & of[SHORT]) >= NEAR * len(mine) for of in of_texts):
            near.add(i)
    return exact, near


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.sampled_from("abc"), max_size=20), max_size=6),
       st.lists(st.lists(st.sampled_from("abc"), max_size=40), max_size=4))  # fmt: skip
def test_it_is_the_definition(items, texts):
    items, texts = [" ".join(x) for x in items], [" ".join(x) for x in texts]
    found = overlap(items, texts)
    assert (set(found.exact), set(found.near)) == slowly(items, texts)
