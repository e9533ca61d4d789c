"""A run that stops once decided: in a seeded order, resumable, and recomputed from evidence."""

import json
from dataclasses import replace

import numpy as np
import pytest

from weighbridge.errors import InputError
from weighbridge.evaluation.answers import RecordedAnswers, read_answers
from weighbridge.evaluation.benchmark import LoadRequest, Settings
from weighbridge.evaluation.own import read_own_benchmark
from weighbridge.evaluation.runner import RunContext, evaluate
from weighbridge.evaluation.stopping import StopRule, cut_at_clusters
from weighbridge.evidence import RunStore, verify
from weighbridge.statistics import compare

ITEMS = 800


@pytest.fixture
def bench(tmp_path):
    """A benchmark of 800 items, 400 of them in clusters of four, and files of answers to it."""
    with (tmp_path / "test.jsonl").open("w") as file:
        for i in range(ITEMS):
            row = {"id": f"i{i:03d}", "q": f"question {i}", "a": "yes"}
            file.write(json.dumps(row | ({"source": f"s{i // 4}"} if i < 400 else {})) + "\n")
    (tmp_path / "own.toml").write_text(
        'data = "test.jsonl"\nprompt = "{q}"\ntarget = "a"\nid = "id"\ncluster = "source"\n'
    )
    return read_own_benchmark(tmp_path / "own.toml")


def answering(folder, name, right):
    """A model that answers right with the given chance, by a seed of its name."""
    rng = np.random.default_rng(sum(map(ord, name)))
    path = folder / f"{name}.jsonl"
    with path.open("w") as file:
        for i in range(ITEMS):
            text = "yes" if rng.random() < right else "no"
            file.write(json.dumps({"sample_id": f"i{i:03d}", "text": text}) + "\n")
    return RecordedAnswers(read_answers(path))


def place(folder):
    return RunContext(RunStore(folder / "runs"), 1, "2026-01-01T00:00:00+00:00")


@pytest.fixture
def reference(bench, tmp_path):
    run = evaluate(answering(tmp_path, "reference", 0.6), bench, place(tmp_path))
    return RunStore(tmp_path / "runs").read(run.run_id)


def test_a_clear_case_stops_early_and_verify_finds_it_so(bench, reference, tmp_path):
    rule = StopRule(reference, 0.1)
    run = evaluate(answering(tmp_path, "better", 0.9), bench, place(tmp_path), stop=rule)
    assert run.stopped.early and run.stopped.verdict in ("superior", "non_inferior")
    assert run.stopped.asked_samples == run.estimate.n < 300
    assert "Stopped as" in run.provenance.notes[-1]
    store = RunStore(tmp_path / "runs")
    checked = verify(store.folder_of(run.run_id))
    assert checked.ok, [c for c in checked.checks if not c.ok]
    again = compare(store.read(run.run_id), reference, margin=0.1)
    assert again.anytime and again.interval == run.stopped.interval
    asked = [s.sample_id for s in store.read(run.run_id).samples]
    assert len(set(range(ITEMS)) & {int(name[1:]) for name in asked[:20]}) == 20
    assert max(int(name[1:]) for name in asked) > 400  # not the first items of the file


def test_a_case_that_is_never_decided_asks_everything_and_says_so(bench, reference, tmp_path):
    run = evaluate(
        answering(tmp_path, "alike", 0.6), bench, place(tmp_path), stop=StopRule(reference, 0.001)
    )
    assert not run.stopped.early and run.stopped.asked_samples == ITEMS
    assert run.stopped.verdict == "inconclusive" and "Not decided" in run.provenance.notes[-1]
    assert verify(RunStore(tmp_path / "runs").folder_of(run.run_id)).ok


class Tired(RecordedAnswers):
    """Answers some questions, then the machine dies."""

    left = 0

    def generate(self, requests):
        for answer in super().generate(requests):
            if self.left == 0:
                raise KeyboardInterrupt
            self.left -= 1
            yield answer


@pytest.mark.parametrize("died_after", [1, 37, 60, 95])
def test_interrupted_it_stops_where_it_would_have_stopped(bench, reference, tmp_path, died_after):
    whole = evaluate(
        answering(tmp_path, "worse", 0.25), bench, place(tmp_path), stop=StopRule(reference, 0.1)
    )
    assert whole.stopped.verdict == "inferior" and whole.stopped.asked_samples >= died_after
    other = tmp_path / "other"
    tired = Tired(read_answers(tmp_path / "worse.jsonl"))
    for left in (died_after, 10**6):
        tired.left = left
        try:
            run = evaluate(tired, bench, place(other), stop=StopRule(reference, 0.1))
        except KeyboardInterrupt:
            continue
    assert run.samples_digest == whole.samples_digest and run.stopped == whole.stopped


def test_answers_left_out_or_put_in_are_found(bench, reference, tmp_path):
    """A run that sealed other answers than the first of the seeded order would have chosen them."""
    run = evaluate(
        answering(tmp_path, "better", 0.9), bench, place(tmp_path), stop=StopRule(reference, 0.1)
    )
    folder = RunStore(tmp_path / "runs").folder_of(run.run_id)
    samples = folder / "samples.jsonl"
    samples.chmod(0o644)
    lines = samples.read_text().splitlines(keepends=True)
    samples.write_text("".join(lines[:-20]))
    failed = {c.name for c in verify(folder).checks if not c.ok}
    assert {"stop: answers asked for", "samples digest"} <= failed


def test_the_rule_is_part_of_what_a_run_is(bench, reference, tmp_path):
    model = answering(tmp_path, "better", 0.9)
    runs = [
        evaluate(model, bench, place(tmp_path), settings=settings, stop=stop)
        for settings, stop in [
            (Settings(), None),
            (Settings(), StopRule(reference, 0.1)),
            (Settings(), StopRule(reference, 0.2)),
            (Settings(seed=1), StopRule(reference, 0.1)),
        ]
    ]
    assert len({run.identity for run in runs}) == 4
    assert runs[0].stopped is None


def test_units_end_with_clusters(bench, tmp_path):
    samples = list(bench.asking.load(LoadRequest(None, None, Settings())))
    units = list(cut_at_clusters(samples, 2, 20))
    assert sum(len(u.samples) for u in units) == 2 * ITEMS
    for unit in units:
        clusters = [s.cluster for s, _ in unit.samples if s.cluster]
        assert all(clusters.count(c) == 8 for c in clusters)
    one = [replace(s, cluster="all") for s in samples]
    assert {len(u.samples) for u in cut_at_clusters(one, 1, 20)} == {20}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"protocol": "letter"}, "by letter"),
        ({"benchmark_version": "0"}, "ran own@0"),
        ({"margin": 2}, "share of the scale"),
        ({"limit": 100}, "100 items, of 800"),
    ],
)
def test_what_does_not_fit_is_one_line(bench, reference, tmp_path, change, said):
    changed = {k: v for k, v in change.items() if k in ("protocol", "benchmark_version")}
    rule = StopRule(replace(reference, **changed), change.get("margin", 0.1))
    settings = Settings(limit=change.get("limit"))
    model = answering(tmp_path, "better", 0.9)
    with pytest.raises(InputError, match=said):
        evaluate(model, bench, place(tmp_path), settings=settings, stop=rule)
