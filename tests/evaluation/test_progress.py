"""A bar that stands still until a unit is done tells nothing: progress comes from inside units."""

import json
from itertools import pairwise

import pytest

from weighbridge.evaluation.benchmark import Settings
from weighbridge.evaluation.benchmarks.mmlu import BENCHMARK as MMLU
from weighbridge.evaluation.own import read_own_benchmark
from weighbridge.evaluation.runner import RunContext, evaluate
from weighbridge.evidence import RunStore
from weighbridge.models.open_weights import load
from weighbridge.sources.weights import find_weights


@pytest.fixture
def events(tiny_model, cache, tmp_path):
    model = load(find_weights(str(tiny_model)), cache=cache)
    place = RunContext(RunStore(tmp_path / "runs"), 1, "2026-01-01T00:00:00+00:00")

    def run(benchmark, **rest):
        seen = []
        evaluate(model, benchmark, place, on_progress=seen.append, **rest)
        return seen

    return run


def assert_told_from_within(seen, total):
    within = {event.done for event in seen if 0 < event.done < total}
    assert len(within) >= 5, "one unit, and nothing was told from inside it"
    assert seen[-1].done == seen[-1].total == total
    assert all(a.done <= b.done for a, b in pairwise(seen))
    assert all(a.computed_tokens <= b.computed_tokens for a, b in pairwise(seen))


def test_generation_tells_how_far_it_is(events, tmp_path):
    rows = "".join(json.dumps({"q": f"question {i}", "a": "A"}) + "\n" for i in range(40))
    (tmp_path / "test.jsonl").write_text(rows)
    (tmp_path / "own.toml").write_text(
        'data = "test.jsonl"\nprompt = "{q}"\ntarget = "a"\nmax_tokens = 12\n'
    )
    assert_told_from_within(events(read_own_benchmark(tmp_path / "own.toml")), 40)


def test_likelihoods_tell_how_far_they_are(events, tmp_path):
    (tmp_path / "test").mkdir()
    rows = "".join(f'"question {i} {"word " * 40}",a,b,c,d,A\n' for i in range(150))
    (tmp_path / "test" / "astronomy_test.csv").write_text(rows)
    assert_told_from_within(
        events(MMLU, subset="astronomy", settings=Settings(), data=tmp_path), 150
    )
