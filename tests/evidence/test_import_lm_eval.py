"""lm-evaluation-harness's own files, made here with its `hf` model, become runs that agree."""

import json

import pytest
from harness_files import run_lm_eval

from weighbridge.errors import InputError, MalformedRow
from weighbridge.evidence import RunStore, verify
from weighbridge.evidence.importing import ImportRequest, import_runs
from weighbridge.records import Graded, Ungraded
from weighbridge.statistics import compare

WHEN = "2026-01-01T00:00:00+00:00"


@pytest.fixture(scope="module")
def output(tiny_model, tmp_path_factory):
    pytest.importorskip("lm_eval")
    return run_lm_eval(tiny_model, tmp_path_factory.mktemp("lm_eval"))


@pytest.fixture(scope="module")
def imported(output, tmp_path_factory):
    store = RunStore(tmp_path_factory.mktemp("runs"))
    runs, left_out = import_runs("lm-eval", ImportRequest(output), store, WHEN)
    return store, {run.benchmark: store.read(run.run_id) for run in runs}, left_out


def results(output):
    (path,) = output.rglob("results_*.json")
    return json.loads(path.read_text())


def test_a_group_is_one_run_with_its_tasks_as_clusters(imported, output):
    _, runs, _ = imported
    assert sorted(runs) == ["both", "writing"]
    both, stated = runs["both"], results(output)["results"]
    assert both.estimate.mean == pytest.approx(stated["both"]["acc,none"], abs=1e-12)
    assert both.estimate.clusters == pytest.approx(
        {name: stated[name]["acc,none"] for name in ("letters", "others")}, abs=1e-12
    )
    assert both.protocol == "loglikelihood" and both.estimate.n == 80
    assert both.benchmark_version == "lm-eval:2.0 acc,none"


def test_it_is_marked_as_imported_and_verifies(imported):
    store, runs, _ = imported
    for run in runs.values():
        origin = run.provenance.origin
        assert origin.harness == "lm-eval" and origin.version == "0.4.13"
        assert all(digest.startswith("sha256:") for digest in origin.files.values())
        assert "why an answer ended" in origin.unknown
        assert "not measured here" in run.provenance.notes[0]
        assert run.model.source == "imported:lm-eval" and run.model.dtype == "float32"
        found = verify(store.folder_of(run.run_id))
        assert found.ok
        assert "origin" in {check.name for check in found.checks}


def test_what_a_filter_did_not_read_is_unparsed_not_wrong(imported, output):
    _, runs, _ = imported
    writing = runs["writing"]
    rows = [
        json.loads(x) for p in output.rglob("samples_writing_*") for x in p.read_text().splitlines()
    ]
    strict = [row for row in rows if row["filter"] == "strict"]
    invalid = {row["doc_id"] for row in strict if row["filtered_resps"] == ["[invalid]"]}
    unparsed = {
        int(s.sample_id.split("/")[1])
        for s in writing.samples
        if s.score == Ungraded("unparsed", "the filter strict found nothing")
    }
    assert 0 < len(invalid) < 40 and unparsed == invalid
    stated = results(output)["results"]["writing"]["exact_match,strict"]
    assert writing.estimate.mean == pytest.approx(stated, abs=1e-12)
    assert writing.estimate.mean_graded >= writing.estimate.mean


def test_the_likeliest_choice_its_likelihoods_and_the_other_metric(imported, output):
    _, runs, _ = imported
    rows = [
        json.loads(x) for p in output.rglob("samples_letters_*") for x in p.read_text().splitlines()
    ]
    by_id = {f"letters/{row['doc_id']:05d}": row for row in rows}
    for sample in runs["both"].samples:
        if row := by_id.get(sample.sample_id):
            logprobs = [float(pair[0]) for pair in row["filtered_resps"]]
            assert sample.logprobs == tuple(logprobs)
            assert sample.output == "ABCD"[logprobs.index(max(logprobs))]
            assert sample.target == row["doc"]["letter"]
            assert sample.question.startswith(row["doc"]["question"])
            assert isinstance(sample.score, Graded) and sample.score.value == row["acc"]


def test_other_metrics_are_parts_where_every_task_of_the_run_has_them(imported, output, tmp_path):
    """A group of which one task lacks acc_norm has no mean of it."""
    assert imported[1]["both"].estimate.parts == {}
    (path,) = output.rglob("samples_letters_*")
    (run,), _ = import_runs("lm-eval", ImportRequest(path), RunStore(tmp_path), WHEN)
    stated = results(output)["results"]["letters"]["acc_norm,none"]
    assert run.benchmark == "letters"
    assert run.estimate.parts == {"acc_norm": pytest.approx(stated, abs=1e-12)}


def test_another_metric_and_filter_are_another_run(output, tmp_path):
    store = RunStore(tmp_path)
    request = ImportRequest(output, metric="exact_match,loose", cluster="subject")
    (run,), left_out = import_runs("lm-eval", request, store, WHEN)
    stated = results(output)["results"]["writing"]["exact_match,loose"]
    assert run.estimate.mean == pytest.approx(stated, abs=1e-12)
    assert sorted(run.estimate.clusters) == ["s0", "s1", "s2", "s3", "s4"]
    assert any(each.startswith("letters: metric exact_match") for each in left_out)


def test_a_task_without_a_value_per_item_is_left_out_and_said(imported):
    assert [each.split(":")[0] for each in imported[2]] == ["rolling"]


def test_importing_again_finds_the_same_run(imported, output):
    store, runs, _ = imported
    again, _ = import_runs("lm-eval", ImportRequest(output), store, "2027-01-01T00:00:00+00:00")
    assert {run.run_id for run in again} == {run.run_id for run in runs.values()}
    assert len(store.summaries()) == len(runs)


def test_an_imported_run_is_paired_item_by_item(imported):
    run = imported[1]["both"]
    found = compare(run, run)
    assert found.n == 80 and found.difference == 0 and not found.flips


def test_files_that_are_damaged_or_not_there_are_one_line(output, tmp_path):
    store = RunStore(tmp_path / "runs")
    with pytest.raises(InputError, match="nothing at"):
        import_runs("lm-eval", ImportRequest(tmp_path / "none"), store, WHEN)
    with pytest.raises(InputError, match=r"no results_\*\.json"):
        import_runs("lm-eval", ImportRequest(tmp_path), store, WHEN)
    (path,) = output.rglob("results_*.json")
    copy = tmp_path / "copy"
    copy.mkdir()
    (copy / path.name).write_bytes(path.read_bytes())
    (samples,) = output.rglob("samples_letters_*")
    text = samples.read_text().splitlines(keepends=True)
    (copy / samples.name).write_text("".join([*text[:3], '{"doc_id": 3}\n', *text[4:]]))
    with pytest.raises(MalformedRow, match="line 4"):
        import_runs("lm-eval", ImportRequest(copy), store, WHEN)
    assert store.summaries() == []


def test_runs_of_different_metrics_are_not_compared(output, tmp_path):
    store = RunStore(tmp_path)
    runs = [
        import_runs("lm-eval", ImportRequest(output, metric=metric), store, WHEN)[0]
        for metric in ("exact_match,strict", "exact_match,loose")
    ]
    strict, loose = (store.read(run.run_id) for (run,) in runs)
    with pytest.raises(InputError, match="exact_match,loose"):
        compare(strict, loose)


def test_a_cluster_that_is_no_field_names_those_that_are(output, tmp_path):
    with pytest.raises(InputError, match="has no field topic; expected one of question, gold"):
        import_runs("lm-eval", ImportRequest(output, cluster="topic"), RunStore(tmp_path), WHEN)
