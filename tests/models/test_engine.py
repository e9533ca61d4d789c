"""How the engine works through requests; its numbers are in tests/contracts."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from architectures import build, tree_of_requests, write
from weighbridge.models.engine import generation
from weighbridge.models.engine.generation import (
    BROKEN,
    CAPACITY_STEP,
    GenerationJob,
    write_sequences,
)
from weighbridge.models.engine.layout import layout_of, packed
from weighbridge.models.engine.network import Network
from weighbridge.models.engine.scoring import score_tokens
from weighbridge.models.engine.tree import build_tree, cut_into_packs


def questions(rng):
    """Few-shot prefix, question, choice: the shape of a benchmark."""
    return tree_of_requests(rng, 2)


def test_shared_tokens_are_computed_once():
    computed, to_come = [], []

    def count(tokens, left):
        computed.append(tokens)
        to_come.append(left)

    likelihoods = questions(np.random.default_rng(5))
    score_tokens(Network(build("llama")), likelihoods, 64, count)
    sequences = [np.concatenate([x.context, x.continuation[:-1]]) for x in likelihoods]
    distinct = {tuple(s[: n + 1].tolist()) for s in sequences for n in range(len(s))}
    assert sum(computed) == len(distinct) < sum(map(len, sequences)) / 3
    assert [sum(computed[i + 1 :]) for i in range(len(computed))] == to_come


@pytest.mark.slow
def test_jobs_are_taken_from_a_stream_a_window_at_a_time(monkeypatch):
    monkeypatch.setattr(generation, "WINDOW", 6)
    network = Network(build("llama"))
    rng = np.random.default_rng(4)
    taken = 0

    def stream():
        nonlocal taken
        for i in range(40):
            taken += 1
            # One needs more positions than all before it, so that slots are laid out anew.
            yield GenerationJob(rng.integers(3, 61, 1 + i % 7), 300 if i == 20 else 1 + i % 5)

    memory = 3 * CAPACITY_STEP * network.key_value_bytes
    rng_state = rng.bit_generator.state
    together = {}
    for index, written in write_sequences(network, stream(), 64, memory, lambda count: None):
        together[index] = written
        assert taken - len(together) < 2 * 6
    rng.bit_generator.state = rng_state
    assert [together[i] for i in range(40)] == [write(network, [job], 1)[0] for job in stream()]


def test_no_jobs_is_no_work():
    assert write(_SHARED, [], 4) == {}


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**31), st.floats(0.3, 1.5), st.floats(0.5, 1.0))
def test_sampled_text_depends_on_its_own_seed_alone(seed, temperature, top_p):
    network = _SHARED
    rng = np.random.default_rng(seed)
    jobs = [
        GenerationJob(
            rng.integers(3, 61, 6), 8, temperature=temperature, top_p=top_p, seed=seed + i
        )
        for i in range(5)
    ]
    forwards = write(network, jobs, 2)
    backwards = write(network, jobs[::-1], 3)
    assert [forwards[i] for i in range(5)] == [backwards[4 - i] for i in range(5)]


_SHARED = Network(build("llama"))


def test_gradients_through_shared_prefixes_equal_those_of_separate_rows():
    model = build("llama")
    rng = np.random.default_rng(2)
    prefix = rng.integers(3, 61, 15)
    rows = [np.concatenate([prefix, rng.integers(3, 61, n)]) for n in (4, 9, 9, 1)]
    direction = torch.randn(64, generator=torch.Generator().manual_seed(0))

    for row in rows:
        (model.model(input_ids=torch.from_numpy(row)[None]).last_hidden_state[0, -1] @ direction
         ).backward()  # fmt: skip
    separate = {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}
    model.zero_grad()

    network = Network(model)
    tree = build_tree(rows)
    (pack,) = cut_into_packs(tree, 10_000)
    with packed(layout_of(pack, {})):
        hidden = network.causal.model(
            input_ids=torch.from_numpy(pack.tokens)[None],
            position_ids=torch.from_numpy(pack.positions)[None],
            use_cache=False,
        ).last_hidden_state[0]
    ends = [pack.rows_of(leaf)[1] - 1 for leaf in tree.leaf_of]
    (hidden[ends] @ direction).sum().backward()
    for name, parameter in model.named_parameters():
        if name in separate:
            scale = separate[name].abs().max()
            assert torch.allclose(parameter.grad, separate[name], atol=1e-4 * float(scale))


def test_a_sequence_whose_logits_are_no_numbers_ends_and_those_before_it_are_whole():
    model = build("llama")
    with torch.no_grad():
        model.get_input_embeddings().weight[60] = float("nan")
        model.get_output_embeddings().weight[60] = 0.0  # nobody writes it by himself
    network = Network(model)
    rng = np.random.default_rng(0)
    jobs = [GenerationJob(rng.integers(3, 50, 5), 6) for _ in range(4)]
    together = write(network, [*jobs, GenerationJob(np.array([5, 60, 7]), 6)], 3)
    assert together.pop(4) == [BROKEN]
    assert [together[i] for i in range(4)] == [write(network, [job], 1)[0] for job in jobs]
    assert all(BROKEN not in written for written in together.values())
