"""The engine's contract: whatever is shared, packed or interrupted, the numbers are the plain ones.

Architectures x score and generate x shared levels x shapes of batches, against transformers' own
forward pass, one request at a time without a cache.
"""

import functools
import json
from itertools import islice

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from architectures import (
    ARCHITECTURES,
    ONE_BY_ONE,
    VOCABULARY,
    build,
    plain_model,
    plain_scores,
    plain_text,
    tokens,
    tree_of_requests,
    write,
)
from tiny import build_tokenizer
from weighbridge.evaluation.benchmark import Settings
from weighbridge.evaluation.benchmarks.mmlu import BENCHMARK as MMLU
from weighbridge.evaluation.own import read_own_benchmark
from weighbridge.evaluation.runner import RunContext, evaluate
from weighbridge.evidence import RunStore
from weighbridge.models.engine import scoring, tree
from weighbridge.models.engine.generation import GenerationJob, write_sequences
from weighbridge.models.engine.network import Network
from weighbridge.models.engine.scoring import Likelihood, score_tokens
from weighbridge.models.near_ties import FLOAT32_NATS
from weighbridge.models.open_weights import OpenWeights
from weighbridge.records import ModelRef

QUICK = (
    "llama", "gemma3-window", "gpt-oss", "deepseek-v3", "gpt2", "mistral-window",
    "lfm2-convolution",
)  # fmt: skip
ALL = [
    pytest.param(name, marks=() if name in QUICK else pytest.mark.slow)
    for name in (*ARCHITECTURES, *ONE_BY_ONE)
]
# Tokens of a pack, tokens of a cluster, rows below a token that is still worth sharing.
SHAPES = ((16, 384, 20), (64, 384, 20), (4096, 384, 20), (4096, 10, 1 << 30), (64, 10, 1))
SLOTS = (1, 3, 8)


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@functools.cache
def network(name):
    return Network(build(name))


def scores(name, likelihoods, pack_tokens):
    results = score_tokens(network(name), likelihoods, pack_tokens, lambda done, to_come: None)
    return np.array([x.logprob for x in results])


def assert_sharing_is_said(name):
    if name in ONE_BY_ONE:
        assert network(name).why_not and not network(name).packs
    else:
        assert network(name).packs and not network(name).why_not


def choices(values):
    """The likeliest of each four neighbours, and whether it is so by more than noise."""
    rows = np.reshape(values, (-1, 4))
    top = np.sort(rows, axis=1)
    return rows.argmax(1), top[:, -1] - top[:, -2] > FLOAT32_NATS


@pytest.mark.parametrize("depth", [0, 1, 2, 3])
@pytest.mark.parametrize("name", ALL)
def test_scores_and_choices_are_those_of_one_request_at_a_time(name, depth, monkeypatch):
    likelihoods = tree_of_requests(np.random.default_rng(depth), depth)
    expected = np.array(plain_scores(plain_model(name), likelihoods))
    chosen, clear = choices(expected)
    assert clear.all(), "the test's own questions must not be ties"
    for pack_tokens, cluster_tokens, worth_rows in SHAPES:
        monkeypatch.setattr(tree, "CLUSTER_TOKENS", cluster_tokens)
        monkeypatch.setattr(scoring, "MAX_ROWS_PER_SHARED_TOKEN", worth_rows)
        got = scores(name, likelihoods, pack_tokens)
        assert np.abs(got - expected).max() < 2e-4  # the contract is 1e-3
        assert (choices(got)[0] == chosen).all()
    assert_sharing_is_said(name)


@pytest.mark.parametrize("name", ALL)
def test_greedy_text_is_that_of_one_sequence_at_a_time(name):
    rng = np.random.default_rng(7)
    examples, question = tokens(rng, 12, 20), tokens(rng, 3, 9)
    prompts = [
        tokens(rng, 1, 30),
        examples,
        np.concatenate([examples, question]),
        np.concatenate([examples, question]),
        *(np.concatenate([examples, question, tokens(rng, 1, 6)]) for _ in range(3)),
        np.concatenate([examples, tokens(rng, 1, 9)]),
    ]
    jobs = [GenerationJob(prompt, int(rng.integers(1, 16))) for prompt in prompts]
    expected = [plain_text(plain_model(name), job) for job in jobs]
    for slots in SLOTS:
        written = write(network(name), jobs, slots)
        assert [written[i] for i in range(len(jobs))] == expected
    assert_sharing_is_said(name)


@st.composite
def request_trees(draw):
    """Random trees: depth, fan-out, lengths, equal prompts, one-token and long continuations."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    depth, fan_out = draw(st.integers(0, 5)), draw(st.integers(1, 3))
    contexts = [tokens(rng, 1, 12)]
    for _ in range(depth):
        contexts += [
            np.concatenate([contexts[int(rng.integers(len(contexts)))], tokens(rng, 1, 12)])
            for _ in range(fan_out)
        ]
    longest = draw(st.sampled_from([2, 5, 30]))
    rows = [
        Likelihood(context, tokens(rng, 1, longest))
        for context in contexts
        for _ in range(int(rng.integers(1, 4)))
    ]
    rows += [rows[int(rng.integers(len(rows)))] for _ in range(draw(st.integers(0, 3)))]
    return [rows[i] for i in rng.permutation(len(rows))]


@pytest.mark.parametrize(
    "name",
    [
        "llama", "gemma3-window",
        *(pytest.param(n, marks=pytest.mark.slow) for n in ("gpt-oss", "deepseek-v3", "gpt2")),
    ],
)  # fmt: skip
@settings(max_examples=12, deadline=None)
@given(likelihoods=request_trees(), pack_tokens=st.integers(1, 90))
def test_random_trees_of_requests_have_the_plain_numbers(name, likelihoods, pack_tokens):
    likelihoods = [x for x in likelihoods if len(x.context) + len(x.continuation) < 256]
    expected = plain_scores(plain_model(name), likelihoods)
    # A sum's rounding grows with its terms: a continuation has up to thirty.
    assert np.allclose(scores(name, likelihoods, pack_tokens), expected, atol=5e-4)


@pytest.mark.parametrize("name", ["llama", "gemma3-window", "deepseek-v3"])
@settings(max_examples=6, deadline=None)
@given(likelihoods=request_trees(), slots=st.integers(1, 9), longest=st.integers(1, 12))
def test_random_trees_of_prompts_have_the_plain_text(name, likelihoods, slots, longest):
    jobs = [GenerationJob(x.context, 1 + i % longest) for i, x in enumerate(likelihoods[:10])]
    written = write(network(name), jobs, slots)
    assert [written[i] for i in range(len(jobs))] == [
        plain_text(plain_model(name), job) for job in jobs
    ]


@pytest.mark.parametrize("name", ["llama", "mistral-window", "deepseek-v2", "lfm2-convolution"])
def test_a_stream_left_halfway_goes_on_with_the_same_text(name):
    rng = np.random.default_rng(11)
    jobs = [GenerationJob(tokens(rng, 1, 20), int(rng.integers(1, 12))) for _ in range(12)]
    whole = write(network(name), jobs, 4)
    stream = write_sequences(network(name), jobs, 64, 1 << 20, lambda count: None)
    first = dict(islice(stream, 5))
    stream.close()
    rest = [i for i in range(12) if i not in first]
    following = write(network(name), [jobs[i] for i in rest], 4)
    assert first | {i: following[n] for n, i in enumerate(rest)} == whole
    assert all(0 <= token < VOCABULARY for text in whole.values() for token in text)


def own_benchmark(folder):
    rows = [{"id": f"q{i}", "q": f"question {i} and choices", "a": "A"} for i in range(50)]
    (folder / "test.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "own.toml").write_text(
        'data = "test.jsonl"\nprompt = "{q}"\ntarget = "a"\nmax_tokens = 6\n'
    )
    return read_own_benchmark(folder / "own.toml"), {"settings": Settings(chat_template=False)}


def choices_benchmark(folder):
    (folder / "test").mkdir()
    subjects = ("astronomy", "anatomy", "virology")
    for subject in subjects:
        rows = "".join(f'"question {i} {"word " * 9}",a,b,c,d,A\n' for i in range(70))
        (folder / "test" / f"{subject}_test.csv").write_text(rows)
    return MMLU, {"subset": "astronomy", "data": folder}


class Stopped:
    """Interrupts a run once its model has computed so many tokens, as Ctrl-C does."""

    def __init__(self, model, tokens):
        self.model, self.until = model, model.computed_tokens + tokens

    def __call__(self, progressed):
        if progressed.computed_tokens > self.until:
            raise KeyboardInterrupt


@pytest.mark.parametrize("kind", [own_benchmark, choices_benchmark])
@pytest.mark.parametrize("name", ["llama", "gemma3-window", "deepseek-v3", "lfm2-convolution"])
def test_an_interrupted_run_goes_on_to_the_samples_of_an_undisturbed_one(name, kind, tmp_path):
    benchmark, asked = kind(tmp_path)
    model = open_weights(name)
    place = functools.partial(RunContext, threads=1, started="2026-01-01T00:00:00+00:00")
    undisturbed = evaluate(model, benchmark, place(RunStore(tmp_path / "whole")), **asked)
    store = RunStore(tmp_path / "stopped")
    half = undisturbed.provenance.computed_tokens // 2
    stopped = 0
    for part in (half, half // 2):
        try:
            evaluate(model, benchmark, place(store), on_progress=Stopped(model, part), **asked)
        except KeyboardInterrupt:
            stopped += 1
    resumed = evaluate(model, benchmark, place(store), **asked)
    assert stopped
    assert resumed.samples_digest == undisturbed.samples_digest
    assert resumed.estimate == undisturbed.estimate


@functools.cache
def open_weights(name):
    """A tiny architecture behind the protocol, with a tokenizer."""
    tokenizer = build_tokenizer()
    module = build(name, vocab_size=len(tokenizer))
    ref = ModelRef(name=name, source="test", weights_digest=name)
    return OpenWeights(module, tokenizer, ref)
