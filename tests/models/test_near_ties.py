"""The noise of batch shapes stays below what is reported as a near tie."""

import functools
from dataclasses import replace

import numpy as np
import pytest

from architectures import ARCHITECTURES, build, tree_of_requests
from weighbridge.evaluation.benchmark import LoadRequest, Settings
from weighbridge.evaluation.benchmarks.mmlu import BENCHMARK
from weighbridge.models.engine.network import Network
from weighbridge.models.engine.scoring import score_tokens
from weighbridge.models.near_ties import FLOAT32_NATS, NearTies, is_near_tie
from weighbridge.models.protocol import ScoreRequest
from weighbridge.records import Graded, ScoredSample


@functools.cache
def network(name):
    return Network(build(name))


def spread_of_gaps(rows):
    """Largest change, over shapes, of a difference between two options; rows (shapes, n, k)."""
    values = np.array(rows)
    gaps = values - values[..., :1]
    return float((gaps.max(0) - gaps.min(0)).max())


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_pack_sizes_change_less_than_the_threshold(name):
    likelihoods = tree_of_requests(np.random.default_rng(0), 2)
    rows = [
        np.reshape(
            [x.logprob for x in score_tokens(network(name), likelihoods, size, lambda *_: None)],
            (-1, 4),
        )
        for size in (8, 24, 100, 4096)
    ]
    assert spread_of_gaps(rows) < FLOAT32_NATS


@pytest.mark.slow
@pytest.mark.soak
def test_pack_sizes_change_less_than_the_threshold_on_a_real_model(smollm2, real_data):
    settings = Settings(shots=5, limit=2, protocol="loglikelihood")
    request = LoadRequest(real_data / "mmlu", "astronomy", replace(settings, limit=4))
    samples = list(BENCHMARK.asking.load(request))
    asked = [
        ScoreRequest(
            s.id, BENCHMARK.asking.prompt(s, settings), BENCHMARK.asking.continuations(s, settings)
        )
        for s in samples
    ]
    before, rows = smollm2.budget, []
    try:
        for size in (128, 500, 1024):
            smollm2.budget = replace(before, pack_tokens=size)
            rows.append([result.logprobs for result in smollm2.score(asked)])
        rows.append([next(smollm2.score([one])).logprobs for one in asked])
    finally:
        smollm2.budget = before
    assert spread_of_gaps(rows) < FLOAT32_NATS


def scored(logprobs):
    return ScoredSample(
        sample_id="a", repeat=0, cluster=None, sample_digest="", prompt_digest="", question=None,
        target=None, output="", logprobs=logprobs, stop="scored", input_tokens=1, output_tokens=0,
        seed=0, score=Graded(1.0, "A", ""), latency_seconds=0.0,
    )  # fmt: skip


def test_a_run_says_how_many_answers_rest_on_noise():
    ties = NearTies("float32")
    rows = [(-1.0, -1.00005, -3.0), (-1.0, -2.0), (-4.0, -4.0), (), (-1.0,)]
    assert len(list(ties.counted(map(scored, rows)))) == 5
    assert ties.notes == (
        "2 of 3 answers rest on a gap below 0.0001 nats, the noise of batch shapes in float32.",
    )
    assert NearTies("float32").notes == ()
    assert is_near_tie((-1.0, -1.02), "bfloat16") and not is_near_tie((-1.0, -1.02), "float32")
