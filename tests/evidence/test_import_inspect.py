"""Inspect's own logs, made here with its mock model; and our export, read by Inspect."""

import json
import zipfile
from dataclasses import replace

import pytest
from harness_files import run_inspect, run_inspect_judged

from weighbridge.errors import EvidenceError, InputError
from weighbridge.evidence import RunStore, verify
from weighbridge.evidence.exporting import ExportRequest, export_runs
from weighbridge.evidence.importing import ImportRequest, import_runs
from weighbridge.records import Graded, Ungraded
from weighbridge.statistics import compare

WHEN = "2026-01-01T00:00:00+00:00"

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(scope="module")
def logs(tmp_path_factory):
    pytest.importorskip("inspect_ai")
    return run_inspect(tmp_path_factory.mktemp("inspect"))


def take(path, folder, **request):
    store = RunStore(folder)
    (run,), _ = import_runs("inspect", ImportRequest(path, **request), store, WHEN)
    return store, store.read(run.run_id)


@pytest.mark.slow
@pytest.mark.parametrize("form", [".eval", ".json"])
def test_every_way_to_give_no_answer_is_told_apart(logs, form, tmp_path):
    store, run = take(logs[form], tmp_path)
    scores = {sample.sample_id: sample.score for sample in run.samples}
    assert scores["q0"] == Graded(1.0, "1")
    assert isinstance(scores["q1"], Graded) and scores["q1"].value == 0
    assert isinstance(scores["q2"], Ungraded) and scores["q2"].reason == "truncated"
    assert isinstance(scores["q3"], Ungraded) and scores["q3"].reason == "refused"
    assert isinstance(scores["q5"], Ungraded) and scores["q5"].reason == "unparsed"
    assert isinstance(scores["q7"], Ungraded) and scores["q7"].reason == "infrastructure"
    assert run.estimate.n == 7 and run.estimate.ungraded["infrastructure"] == 1
    assert run.provenance.origin.harness == "inspect"
    assert run.model.name == "mockllm/model"
    assert verify(store.folder_of(run.run_id)).ok


@pytest.mark.parametrize("form", [".eval", ".json"])
def test_our_mean_is_the_log_s_own_accuracy(logs, form, tmp_path):
    _, run = take(logs[form], tmp_path)
    origin = run.provenance.origin
    assert run.estimate.mean == pytest.approx(origin.stated["fallible/accuracy"], abs=1e-12)
    assert not any("its samples give" in note for note in run.provenance.notes)


def test_texts_that_inspect_stores_beside_a_sample_are_put_back(logs, tmp_path):
    _, run = take(logs[".eval"], tmp_path)
    long = next(sample for sample in run.samples if sample.sample_id == "q6")
    assert long.question == "What is 6 + 1?" + " please" * 200
    assert long.output == "x" * 4000
    assert (long.input_tokens, long.output_tokens, long.stop) == (7, 2, "end")


def test_a_field_makes_clusters(logs, tmp_path):
    _, run = take(logs[".eval"], tmp_path, cluster="subject")
    assert sorted(run.estimate.clusters) == ["s0", "s1"]


def test_texts_can_be_withheld(logs, tmp_path):
    store, run = take(logs[".eval"], tmp_path, withhold=True)
    assert all(s.question is None and s.target is None for s in run.samples)
    text = (store.folder_of(run.run_id) / "samples.jsonl").read_text()
    assert "please" not in text and "can't" not in text
    assert run.estimate.mean == take(logs[".eval"], tmp_path / "shown")[1].estimate.mean


def test_a_score_that_is_off_the_scale_is_refused_and_the_option_named(logs, tmp_path):
    log = json.loads(logs[".json"].read_text())
    log["samples"][0]["scores"]["fallible"]["value"] = 7
    path = tmp_path / "rated.json"
    path.write_text(json.dumps(log))
    with pytest.raises(InputError, match="--scale LOW:HIGH"):
        take(path, tmp_path / "runs")
    _, run = take(path, tmp_path / "runs", scale=(0.0, 10.0))
    assert run.estimate.scale == (0.0, 10.0)
    assert any("states fallible/accuracy" in note for note in run.provenance.notes)


def test_a_log_that_was_not_finished_or_is_none_is_one_line(logs, tmp_path):
    unfinished = tmp_path / "unfinished.eval"
    with zipfile.ZipFile(unfinished, "w") as archive:
        archive.writestr("_journal/start.json", "{}")
    with pytest.raises(InputError, match="was not finished"):
        take(unfinished, tmp_path / "runs")
    cut = tmp_path / "cut.eval"
    cut.write_bytes(logs[".eval"].read_bytes()[:3000])
    with pytest.raises(InputError, match="can't be read"):
        take(cut, tmp_path / "runs")


@pytest.mark.parametrize("ending", [".eval", ".json"])
def test_inspect_s_own_reader_opens_our_export_and_it_comes_back_whole(logs, ending, tmp_path):
    from inspect_ai.log import read_eval_log, read_eval_log_sample

    _, run = take(logs[".eval"], tmp_path / "first", cluster="subject")
    # An id with a slash, as in mmlu's, must not become a folder that the reader misses.
    renamed = tuple(replace(s, sample_id=f"sums/{s.sample_id}") for s in run.samples)
    run = replace(run, samples=renamed)
    path = tmp_path / f"export{ending}"
    export_runs("inspect", ExportRequest((run,), path))
    log = read_eval_log(str(path))
    assert log.status == "success" and log.eval.model == run.model.name
    assert len(log.samples) == len(run.samples)
    assert log.results.scores[0].metrics["mean"].value == run.estimate.mean
    if ending == ".eval":
        assert read_eval_log_sample(str(path), "sums/q4").output.completion == "5"
    _, back = take(path, tmp_path / "second")
    assert [s.score for s in back.samples] == [replace(s.score, parts={})
            if isinstance(s.score, Graded) else s.score for s in run.samples]  # fmt: skip
    assert [s.cluster for s in back.samples] == [s.cluster for s in run.samples]
    assert [(s.question, s.output, s.target) for s in back.samples] == [
        (s.question, s.output, s.target) for s in run.samples
    ]
    assert back.estimate.mean == run.estimate.mean


def test_gpqa_s_texts_are_never_taken_in(logs, tmp_path):
    """Its authors ask that no question stands in plain text anywhere."""
    log = json.loads(logs[".json"].read_text())
    log["eval"]["task"] = "inspect_evals/gpqa_diamond"
    path = tmp_path / "gpqa.json"
    path.write_text(json.dumps(log))
    store, run = take(path, tmp_path / "runs")
    assert run.benchmark == "gpqa_diamond"
    kept = "".join(p.read_text() for p in store.folder_of(run.run_id).iterdir() if p.is_file())
    assert "What is" not in kept and "no number" not in kept
    assert run.estimate.mean == take(logs[".json"], tmp_path / "shown")[1].estimate.mean


def test_a_sample_that_is_there_twice_leaves_no_run_behind(logs, tmp_path):
    log = json.loads(logs[".json"].read_text())
    log["samples"].append(log["samples"][0])
    path = tmp_path / "twice.json"
    path.write_text(json.dumps(log))
    with pytest.raises(EvidenceError, match="there twice"):
        take(path, tmp_path / "runs")
    assert RunStore(tmp_path / "runs").summaries() == []


@pytest.mark.slow
def test_who_judged_is_told_and_two_judges_are_never_compared(tmp_path):
    pytest.importorskip("inspect_ai")
    logs = run_inspect_judged(tmp_path / "inspect")
    runs = {way: take(path, tmp_path / "runs")[1] for way, path in logs.items()}
    judges = {way: run.provenance.judge for way, run in runs.items()}
    assert judges == {
        "named": "mockllm/judge", "role": "mockllm/grader", "several": "mockllm/one, mockllm/two",
        "itself": "mockllm/model",
    }  # fmt: skip
    assert all("in no interval" in " ".join(run.provenance.notes) for run in runs.values())
    with pytest.raises(InputError, match="by mockllm/judge"):
        compare(runs["named"], runs["role"])
    assert compare(runs["named"], runs["named"]).difference == 0


def test_on_a_scale_the_lowest_value_without_an_answer_is_unparsed(logs, tmp_path):
    log = json.loads(logs[".json"].read_text())
    for sample in log["samples"]:
        sample["scores"]["fallible"] |= {"value": 1, "answer": "4"}
    log["samples"][0]["scores"]["fallible"] |= {"answer": ""}
    path = tmp_path / "rated.json"
    path.write_text(json.dumps(log))
    _, run = take(path, tmp_path / "runs", scale=(1.0, 10.0))
    assert run.samples[0].score == Ungraded("unparsed", "the scorer read no answer")
    assert run.samples[1].score == Graded(1.0, "4") and run.estimate.mean == 1


def test_a_rated_run_comes_back_from_our_export_on_its_scale(logs, tmp_path):
    """What is ungraded counts 1 on the scale from 1 to 10, in Inspect's mean as in ours."""
    from inspect_ai.log import read_eval_log

    log = json.loads(logs[".json"].read_text())
    for sample, value in zip(log["samples"], (9, 3, "N", 7), strict=False):
        sample["scores"]["fallible"] |= {"value": value, "answer": str(value)}
    log["samples"] = log["samples"][:4]
    (tmp_path / "rated.json").write_text(json.dumps(log))
    _, run = take(tmp_path / "rated.json", tmp_path / "first", scale=(1.0, 10.0))
    path = tmp_path / "export.json"
    export_runs("inspect", ExportRequest((run,), path))
    read = read_eval_log(str(path))
    counted = [sample.scores["weighbridge"].as_float() for sample in read.samples]
    assert read.eval.metadata["scale"] == [1.0, 10.0]
    assert sum(counted) / 4 == run.estimate.mean == (9 + 3 + 1 + 7) / 4
    _, back = take(path, tmp_path / "second", scale=(1.0, 10.0))
    assert [s.score for s in back.samples] == [s.score for s in run.samples]
