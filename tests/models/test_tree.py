import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.models.engine import tree as module
from weighbridge.models.engine.tree import build_tree, cut_into_packs

SEQUENCES = st.lists(
    st.lists(st.integers(0, 3), min_size=1, max_size=12).map(lambda x: np.array(x, dtype=np.int64)),
    min_size=1,
    max_size=20,
)


@given(SEQUENCES, st.integers(1, 6), st.sampled_from([0, 1, 3, 1 << 30]), st.sampled_from([1, 384]))
def test_every_sequence_is_the_path_to_its_leaf(
    sequences, longest, max_rows_per_shared_token, cluster_tokens
):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "CLUSTER_TOKENS", cluster_tokens)
        tree = build_tree(sequences, longest, max_rows_per_shared_token)
    for index, tokens in enumerate(sequences):
        path = tree.path(tree.leaf_of[index])
        assert np.concatenate([tree.segments[i].tokens for i in path]).tolist() == tokens.tolist()


@given(SEQUENCES)
def test_each_distinct_prefix_is_computed_once(sequences):
    prefixes = {tuple(s[: n + 1].tolist()) for s in sequences for n in range(len(s))}
    assert build_tree(sequences).tokens == len(prefixes)


@given(SEQUENCES)
def test_descendants_stand_together(sequences):
    tree = build_tree(sequences)
    for index, segment in enumerate(tree.segments):
        below = [i for i in range(len(tree.segments)) if index in tree.path(i)]
        assert below == list(range(index, segment.last_descendant + 1))


@given(SEQUENCES, st.integers(1, 30))
def test_packs_cover_the_tree_and_keep_what_later_packs_need(sequences, pack_tokens):
    tree = build_tree(sequences)
    packs = cut_into_packs(tree, pack_tokens)
    assert [i for p in packs for i in range(p.first, p.last)] == list(range(len(tree.segments)))
    kept: set[int] = set()
    for pack in packs:
        for span in pack.spans:
            assert span.segment in kept or pack.first <= span.segment < pack.last
        kept |= set(pack.keep)
        kept -= set(pack.release)
    assert not kept


def test_a_short_beginning_of_long_questions_is_not_worth_sharing():
    rng = np.random.default_rng(0)
    questions = [np.append([1, 2], rng.integers(10, 10_000, 300)) for _ in range(5)]
    tree = build_tree(questions, max_rows_per_shared_token=20)
    assert [len(s.tokens) for s in tree.segments] == [302] * 5
    few_shot = np.arange(600)
    tree = build_tree([np.append(few_shot, q) for q in questions], max_rows_per_shared_token=20)
    assert tree.tokens == 602 + 5 * 300
