"""lm-evaluation-harness's own files, made here with its `hf` model, become runs that agree."""

import gzip
import json

import pytest
from harness_files import run_lm_eval

from weighbridge.errors import InputError, MalformedRow
from weighbridge.evidence import RunStore, verify
from weighbridge.evidence.importing import ImportRequest, import_runs
from weighbridge.records import Graded, Ungraded
from weighbridge.statistics import compare

pytestmark = pytest.mark.slow  # the harness itself runs first

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


@pytest.mark.slow
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
    (said,) = imported[2]
    assert said.startswith("rolling: word_perplexity ") and "of which less is better" in said


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
    with pytest.raises(InputError, match="line 4"):
        import_runs("lm-eval", ImportRequest(copy), store, WHEN)
    with pytest.raises(MalformedRow, match="line 4"):
        import_runs("lm-eval", ImportRequest(copy / samples.name), store, WHEN)
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


def as_before(output, folder, *, drop=("filter", "metrics")):
    """The same files as versions of before 0.4.7 wrote them."""
    folder.mkdir(parents=True)
    for path in output.rglob("*.json*"):
        if path.name.startswith("samples_"):
            rows = [json.loads(line) for line in path.read_text().splitlines()]
            rows = [{k: v for k, v in row.items() if k not in drop} for row in rows]
            (folder / path.name).write_text("".join(json.dumps(row) + "\n" for row in rows))
        elif path.name.startswith("results_"):
            read = json.loads(path.read_text())
            read.pop("lm_eval_version")
            (folder / path.name).write_text(json.dumps(read))
    return folder


def change(folder, pattern, how):
    """Rewrite a samples file's rows."""
    (path,) = folder.glob(pattern)
    rows = how([json.loads(line) for line in path.read_text().splitlines()])
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.mark.parametrize("drop", [("filter", "metrics"), ("filter",), ("metrics",)])
@pytest.mark.parametrize("metric", ["", "exact_match,strict", "exact_match,loose", "acc_norm"])
def test_rows_that_name_no_filter_give_the_same_runs(output, tmp_path, metric, drop):
    request = ImportRequest(output, metric=metric)
    now, _ = import_runs("lm-eval", request, RunStore(tmp_path / "now"), WHEN)
    request = ImportRequest(as_before(output, tmp_path / "old", drop=drop), metric=metric)
    old, _ = import_runs("lm-eval", request, RunStore(tmp_path / "before"), WHEN)
    assert now and [run.benchmark for run in old] == [run.benchmark for run in now]
    for before, after in zip(old, now, strict=True):
        assert before.estimate == after.estimate
        assert before.samples_digest == after.samples_digest
        assert before.provenance.origin.stated_mean == pytest.approx(before.estimate.mean)
        if "filter" in drop:
            assert before.provenance.origin.version == "before 0.4.7"
            assert any("name no filter" in note for note in before.provenance.notes)


def by_rank(rows):
    """Two processes: the rows of one, each item in both filters, then those of the other."""
    ranks = [[row for row in rows if row["doc_id"] % 2 == rank] for rank in (0, 1)]
    return [*ranks[0], *ranks[1]]


def by_item(rows):
    return sorted(rows, key=lambda row: row["doc_id"])


@pytest.mark.parametrize("order", [by_rank, by_item])
def test_old_rows_of_several_processes_are_told_apart(output, tmp_path, order):
    old = as_before(output, tmp_path / "old")
    change(old, "samples_writing_*", order)
    for name in ("strict", "loose"):
        request = ImportRequest(old, metric=f"exact_match,{name}")
        (run,), _ = import_runs("lm-eval", request, RunStore(tmp_path / "runs"), WHEN)
        stated = results(output)["results"]["writing"][f"exact_match,{name}"]
        assert run.estimate.mean == pytest.approx(stated, abs=1e-12)


@pytest.mark.parametrize(
    ("how", "said"),
    [
        (lambda rows: [*rows[len(rows) // 2 :], *rows[: len(rows) // 2]], "as the results file"),
        (lambda rows: rows[:-1], "has 1 row(s); expected one for each filter"),
        (lambda rows: [*rows, rows[0]], "row 3 of doc_id"),
        (lambda rows: [{k: v for k, v in r.items() if k != "doc_id"} for r in rows], "no doc_id"),
    ],
)
def test_old_rows_that_contradict_the_results_are_not_read(output, tmp_path, how, said):
    strict, loose = (
        results(output)["results"]["writing"][f"exact_match,{name}"] for name in ("strict", "loose")
    )
    assert strict != loose, "else an exchange could not be seen"
    path = change(as_before(output, tmp_path / "old"), "samples_writing_*", how)
    with pytest.raises(InputError) as told:
        import_runs("lm-eval", ImportRequest(path), RunStore(tmp_path / "runs"), WHEN)
    assert (said in str(told.value) and "0.4.7 or newer" in str(told.value)) or said == "no doc_id"


def test_files_of_0_4_2_are_read(output, tmp_path):
    """`results.json`, and a list a task whose name ends in the task's."""
    old = as_before(output, tmp_path / "old")
    (path,) = old.glob("results_*.json")
    read = json.loads(path.read_text())
    read["config"]["model_args"] = "pretrained=org/model,dtype=float32"
    read.pop("model_name")
    (old / "results.json").write_text(json.dumps(read))
    path.unlink()
    for path in old.glob("samples_*"):
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        task = path.name.split("_")[1]
        (old / f"pretrained__org__model_{task}.jsonl").write_text(json.dumps(rows, indent=2))
        path.unlink()
    runs, _ = import_runs("lm-eval", ImportRequest(old), RunStore(tmp_path / "runs"), WHEN)
    stated = results(output)["results"]
    assert {run.benchmark: run.estimate.mean for run in runs} == pytest.approx(
        {"both": stated["both"]["acc,none"], "writing": stated["writing"]["exact_match,strict"]}
    )
    assert {run.model.name for run in runs} == {"org/model"}


def test_what_is_not_there_is_named(output, tmp_path):
    copy = as_before(output, tmp_path / "copy", drop=())
    (path,) = copy.glob("samples_letters_*")
    path.unlink()
    store = RunStore(tmp_path / "runs")
    runs, left_out = import_runs("lm-eval", ImportRequest(copy), store, WHEN)
    assert sorted(run.benchmark for run in runs) == ["others", "writing"], (
        "no group of half its tasks"
    )
    (said,) = [each for each in left_out if each.startswith("letters")]
    assert "no samples file of it, only acc 0." in said and "--log_samples" in said

    (path,) = copy.glob("results_*.json")
    path.unlink()
    with pytest.raises(InputError, match=r"of lm-eval 0\.4\.7 or newer, with no results file"):
        import_runs("lm-eval", ImportRequest(copy), store, WHEN)
    old = as_before(output, tmp_path / "old")
    (path,) = old.glob("results_*.json")
    path.unlink()
    with pytest.raises(InputError, match=r"of lm-eval before 0\.4\.7, with no results file"):
        import_runs("lm-eval", ImportRequest(old), store, WHEN)


def refused(path, tmp_path):
    with pytest.raises(InputError) as said:
        import_runs("lm-eval", ImportRequest(path), RunStore(tmp_path / "runs"), WHEN)
    return str(said.value)


@pytest.mark.parametrize("name", ["results.json", "results_2026-01-01T00-00-00.000000.json"])
def test_an_empty_results_file_is_of_no_version(tmp_path, name):
    (tmp_path / name).write_text("{}")
    for path in (tmp_path, tmp_path / name):
        assert "holds no results (it is empty)" in refused(path, tmp_path)
    (tmp_path / name).unlink()
    (tmp_path / "samples_a_2026.jsonl").write_text("{}\n")
    assert "its first row has no doc_id" in refused(tmp_path, tmp_path)


@pytest.mark.parametrize("name", ["scenario_state.json", "per_instance_stats.json"])
def test_a_run_of_helm_s_is_named_with_the_command_that_reads_it(tmp_path, name):
    (tmp_path / "mmlu:model=x").mkdir()
    file = tmp_path / "mmlu:model=x" / name
    file.write_text('{"request_states": []}')
    for path in (tmp_path, file):
        said = refused(path, tmp_path)
        assert "is of a run of HELM's" in said and "weighbridge import helm" in said


def test_files_of_0_3_are_told(tmp_path):
    store = RunStore(tmp_path / "runs")
    (tmp_path / "out").mkdir()
    written = tmp_path / "out" / "hellaswag_write_out_info.json"
    written.write_text(json.dumps([{"doc_id": 0, "prompt_0": "?", "acc": "True"}]))
    for path in (tmp_path / "out", written):
        with pytest.raises(InputError, match=r"is of lm-eval 0\.3; .* evaluate again with 0\.4"):
            import_runs("lm-eval", ImportRequest(path), store, WHEN)
    (tmp_path / "out" / "results.json").write_text('{"results": {"hellaswag": {"acc": 0.5}}}')
    with pytest.raises(InputError, match=r"it is of lm-eval 0\.3"):
        import_runs("lm-eval", ImportRequest(tmp_path / "out"), store, WHEN)


def test_lines_that_python_would_cut_are_whole(output, tmp_path):
    copy = as_before(output, tmp_path / "copy", drop=())
    (path,) = copy.glob("samples_writing_*")
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    rows[0]["doc"]["question"] += "\u2028 and \u0085 more"
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    path.unlink()
    path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(text.encode()))
    runs, _ = import_runs("lm-eval", ImportRequest(copy), RunStore(tmp_path / "runs"), WHEN)
    (run,) = [run for run in runs if run.benchmark == "writing"]
    assert run.estimate.n == 40
