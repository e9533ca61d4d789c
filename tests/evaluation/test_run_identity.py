"""What a run is: not when, where, how fast or on how many threads; but how it was cut into units.

A run that is interrupted goes on under another clock and with other threads, and ends as it would
have; under other units it is another run, because a unit's batches have other shapes.
"""

import json
from dataclasses import replace

import pytest

from weighbridge.evaluation.benchmark import Settings
from weighbridge.evaluation.benchmarks.mmlu import BENCHMARK as MMLU
from weighbridge.evaluation.own import read_own_benchmark
from weighbridge.evaluation.runner import RunContext, evaluate
from weighbridge.evidence import RunStore, verify
from weighbridge.models.open_weights import load
from weighbridge.sources.weights import find_weights

ITEMS = 12


@pytest.fixture(scope="module")
def model(tiny_model, cache):
    return load(find_weights(str(tiny_model)), cache=cache)


def in_units(benchmark, size):
    return replace(benchmark, asking=replace(benchmark.asking, unit_size=size))


@pytest.fixture
def written(tmp_path):
    rows = [{"q": f"question {i}", "a": "A"} for i in range(ITEMS)]
    (tmp_path / "test.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    text = 'data = "test.jsonl"\nprompt = "{q}"\ntarget = "a"\nmax_tokens = 6\n'
    (tmp_path / "own.toml").write_text(text)
    return in_units(read_own_benchmark(tmp_path / "own.toml"), 3)


@pytest.fixture
def chosen(tmp_path):
    (tmp_path / "test").mkdir()
    rows = "".join(f'"question {i} {"word " * (i % 5)}",a,b,c,d,A\n' for i in range(ITEMS))
    (tmp_path / "test" / "astronomy_test.csv").write_text(rows)
    return {"subset": "astronomy", "settings": Settings(), "data": tmp_path}


def place(folder, year=2026, threads=1, **more):
    return RunContext(RunStore(folder / "runs"), threads, f"{year}-01-01T00:00:00+00:00", **more)


class Stop(Exception):
    """The machine dies here."""


def interrupted(model, benchmark, at, **rest):
    def die(progress):
        if progress.done >= 4:
            raise Stop

    with pytest.raises(Stop):
        evaluate(model, benchmark, at, on_progress=die, **rest)


def samples(folder, run):
    return RunStore(folder / "runs").read(run.run_id).samples


def test_another_clock_and_other_threads_are_the_same_run(model, written, tmp_path):
    one = evaluate(model, written, place(tmp_path))
    again = evaluate(model, written, place(tmp_path, 2031, 7, graders=5))
    assert (again.run_id, again.identity) == (one.run_id, one.identity)
    assert again.provenance.started.startswith("2026")  # found, not computed again
    other = evaluate(model, written, place(tmp_path / "elsewhere", 2031, 3))
    assert (other.identity, other.samples_digest) == (one.identity, one.samples_digest)


@pytest.mark.parametrize("kind", ["written", "chosen"])
def test_it_goes_on_under_another_clock_and_with_other_threads(kind, model, request, tmp_path):
    found = request.getfixturevalue(kind)
    benchmark, rest = (found, {}) if kind == "written" else (in_units(MMLU, 3), found)
    whole = evaluate(model, benchmark, place(tmp_path / "whole"), **rest)
    interrupted(model, benchmark, place(tmp_path / "cut", 2026, 1), **rest)
    resumed = evaluate(model, benchmark, place(tmp_path / "cut", 2029, 4), **rest)
    assert (resumed.run_id, resumed.samples_digest) == (whole.run_id, whole.samples_digest)
    assert verify(tmp_path / "cut/runs" / resumed.run_id).ok


@pytest.mark.parametrize("kind", ["written", "chosen"])
def test_other_units_are_another_run_and_never_mixed(kind, model, request, tmp_path):
    found = request.getfixturevalue(kind)
    small, rest = (found, {}) if kind == "written" else (in_units(MMLU, 3), found)
    large = in_units(small, 5)
    interrupted(model, small, place(tmp_path), **rest)
    done = evaluate(model, large, place(tmp_path), **rest)
    first = evaluate(model, small, place(tmp_path), **rest)
    assert done.identity != first.identity
    for run in (done, first):
        assert len(samples(tmp_path, run)) == ITEMS
        assert verify(tmp_path / "runs" / run.run_id).ok
    pairs = zip(samples(tmp_path, done), samples(tmp_path, first), strict=True)
    for a, b in pairs:  # what may differ is rounding
        assert (a.sample_id, a.seed, a.prompt_digest) == (b.sample_id, b.seed, b.prompt_digest)
        assert a.logprobs == pytest.approx(b.logprobs, abs=1e-3)


def test_a_drawn_answer_s_seed_is_its_own_whatever_the_unit(model, written, tmp_path):
    hot = Settings(temperature=1.0, repeats=2)
    runs = [
        evaluate(model, in_units(written, n), place(tmp_path), settings=hot) for n in (1, 4, 64)
    ]
    seeds = [[(s.sample_id, s.repeat, s.seed) for s in samples(tmp_path, run)] for run in runs]
    assert seeds[0] == seeds[1] == seeds[2] and len(set(seeds[0])) == 2 * ITEMS


def test_evidence_of_before_is_read_and_verified(model, written, tmp_path, monkeypatch):
    """Its identity has no `unit_size`; it stays what it is, and is not taken for a run of today."""
    from weighbridge.evaluation import runner

    fields_of_today = runner._identity_fields

    def fields_of_before(*asked):
        return {k: v for k, v in fields_of_today(*asked).items() if k != "unit_size"}

    monkeypatch.setattr(runner, "_identity_fields", fields_of_before)
    old = evaluate(model, written, place(tmp_path))
    monkeypatch.setattr(runner, "_identity_fields", fields_of_today)
    assert verify(tmp_path / "runs" / old.run_id).ok
    assert samples(tmp_path, old) and evaluate(model, written, place(tmp_path)).run_id != old.run_id
