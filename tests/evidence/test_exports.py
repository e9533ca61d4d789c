"""Runs in other formats: what is written can be read by the formats' own readers, and is whole."""

import csv
import hashlib
import io
import json
import os
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest
from test_evidence import FIELDS, header, sample

from weighbridge.errors import InputError, UnknownName
from weighbridge.evidence import Evaluated, RunStore
from weighbridge.evidence.exporting import (
    ExportRequest,
    export_runs,
    exporter_names,
    find_exporter,
)
from weighbridge.evidence.importing import find_importer, importer_names
from weighbridge.records import Graded, Provenance, ScoredSample, StoppedEarly, Ungraded
from weighbridge.statistics import estimate

HOSTILE = '=1+1,"quoted"\n\r\n\ttab \u202e ünïcode 🦆 ' + "x" * 5000


@pytest.fixture
def run(tmp_path):
    store = RunStore(tmp_path / "runs")
    odd = ScoredSample(
        "s/100", 0, None, "sha256:x", "sha256:y", HOSTILE, {"a": [1, None]}, HOSTILE, (), "length",
        1, 2, 3, Graded(0.5, HOSTILE, "why", {"part": 0.25}), 0.125,
    )  # fmt: skip
    lost = ScoredSample(
        "s/101", 1, "c", "sha256:x", "sha256:y", None, None, "", (), "error",
        1, 0, 3, Ungraded("infrastructure", "429"),
    )  # fmt: skip
    samples = [*(sample(i) for i in range(8)), odd, lost]
    with store.open(FIELDS, header(10, 1)) as opened:
        opened.journal.append_unit(0, samples)
        place = Provenance({}, "3", "Linux", "cpu", 1, "2026-01-01T00:00:00+00:00")
        sealed = opened.seal(Evaluated(estimate(samples), place))
    return store.read(sealed.run_id)


def test_every_file_of_the_two_folders_is_a_format():
    assert exporter_names() == ("every-eval-ever", "hugging-face", "inspect", "tables")
    assert importer_names() == ("helm", "inspect", "lm-eval")
    for name in exporter_names():
        assert find_exporter(name).name == name
    for name in importer_names():
        assert find_importer(name).name == name
    with pytest.raises(UnknownName, match="did you mean inspect"):
        find_exporter("inspct")
    with pytest.raises(UnknownName, match="did you mean lm-eval"):
        find_importer("lm_eval")


def test_every_eval_ever_records_are_valid_and_name_their_answers(run, tmp_path):
    folder = Path(os.environ.get("WEIGHBRIDGE_TEST_DATA", "")) / "every_eval_ever"
    if not folder.is_dir():
        pytest.skip("the published schemas are not here")
    request = ExportRequest((run,), tmp_path, "cais/mmlu")
    record_path, answers_path = export_runs("every-eval-ever", request)
    record = json.loads(record_path.read_text())
    rows = [json.loads(line) for line in answers_path.read_text("utf-8").split("\n") if line]
    for name, documents in (("eval", [record]), ("instance_level_eval", rows)):
        schema = json.loads((folder / f"{name}.schema.json").read_text())
        for document in documents:
            jsonschema.Draft7Validator(schema).validate(document)
    named = record["detailed_evaluation_results"]
    assert named["checksum"] == hashlib.sha256(answers_path.read_bytes()).hexdigest()
    assert named["total_rows"] == len(rows) == 9  # the lost answer is none of the model's
    assert answers_path == tmp_path / named["file_path"]
    (result,) = record["evaluation_results"]
    assert result["score_details"]["score"] == run.estimate.mean
    means = [row["evaluation"]["score"] for row in rows]
    assert sum(means) / len(means) == pytest.approx(run.estimate.mean)
    assert any(row["input"]["raw"] == HOSTILE for row in rows)


def back(row):
    """The sample that a row of a table was made from."""
    text = {k: None if v == "" else v for k, v in row.items()}
    if row["outcome"] == "graded":
        score = Graded(
            float(row["value"]), row["answer"], row["why"] or "", json.loads(row["parts"])
        )
    else:
        score = Ungraded(row["outcome"], row["why"] or "")
    loaded = {k: json.loads(text[k]) if text[k] else None for k in ("target", "logprobs")}
    return ScoredSample(
        row["sample_id"], int(row["repeat"]), text["cluster"], row["sample_digest"],
        row["prompt_digest"], text["question"], loaded["target"], row["output"] or "",
        tuple(loaded["logprobs"] or ()), row["stop"], int(row["input_tokens"]),
        int(row["output_tokens"]), int(row["seed"]), score, float(row["latency_seconds"]),
    )  # fmt: skip


def test_csv_comes_back_whole(run, tmp_path):
    (path,) = export_runs("tables", ExportRequest((run,), tmp_path / "new" / "run.csv"))
    rows = list(csv.DictReader(io.StringIO(path.read_bytes().decode("utf-8"), newline="")))
    assert tuple(map(back, rows)) == run.samples
    assert {row["run"] for row in rows} == {run.run_id}


def test_parquet_comes_back_whole_with_its_types(run, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    (path,) = export_runs("tables", ExportRequest((run,), tmp_path / "run.parquet"))
    table = parquet.read_table(path)
    assert str(table.schema.field("value").type) == "double"
    assert tuple(map(back, table.to_pylist())) == run.samples
    lost = table.to_pylist()[-1]
    assert lost["value"] is None and lost["question"] is None


def test_the_hub_s_own_classes_read_what_we_write(run, tmp_path):
    """`.eval_results` and the model card's metadata, as huggingface_hub defines them."""
    import yaml
    from huggingface_hub import ModelCardData, parse_eval_result_entries
    from huggingface_hub.repocard_data import model_index_to_eval_results

    request = ExportRequest(
        (run,), tmp_path / "repo", dataset="org/data", task="b", source_url="https://example.org"
    )
    results, card = export_runs("hugging-face", request)
    assert results == tmp_path / "repo" / ".eval_results" / "b.yaml"
    (entry,) = parse_eval_result_entries(yaml.safe_load(results.read_text()))
    assert (entry.dataset_id, entry.task_id) == ("org/data", "b")
    assert entry.value == round(run.estimate.mean, 6)
    assert entry.source_url == "https://example.org"
    for said in (run.samples_digest, "n" if not run.estimate.n else str(run.estimate.n), "1 infra"):
        assert said in entry.notes
    front = yaml.safe_load(card.read_text().split("---")[1])
    name, (result,) = model_index_to_eval_results(front["model-index"])
    assert name == run.model.name and result.metric_value == round(run.estimate.mean, 6)
    assert ModelCardData(model_name=name, eval_results=[result]).to_dict()["model-index"]


def test_percent_is_asked_for(run, tmp_path):
    import yaml

    request = ExportRequest((run,), tmp_path, dataset="org/data", percent=True)
    (entry,) = yaml.safe_load(export_runs("hugging-face", request)[0].read_text())
    assert entry["value"] == round(100 * run.estimate.mean, 6)


def test_a_rating_is_no_share(run, tmp_path):
    """On another scale nothing is an accuracy or in percent, and the scale is told."""
    import yaml

    samples = tuple(
        replace(s, score=Graded(7.5, "")) if isinstance(s.score, Graded) else s for s in run.samples
    )
    rated = replace(
        run,
        samples=samples,
        estimate=estimate(samples, scale=(1.0, 10.0)),
        provenance=replace(run.provenance, judge="gpt-4"),
        stopped=StoppedEarly(20, 10, "inferior", -0.5, (-0.9, -0.1)),
    )
    request = ExportRequest((rated,), tmp_path / "repo", dataset="org/data")
    results, card = export_runs("hugging-face", request)
    (entry,) = yaml.safe_load(results.read_text())
    assert entry["value"] == round(rated.estimate.mean, 6)
    for said in ("the scale from 1 to 10", "judged by gpt-4", "after 10 of 20 answers"):
        assert said in entry["notes"]
    assert "accuracy" not in card.read_text()
    with pytest.raises(InputError, match="the scale from 1 to 10"):
        export_runs("hugging-face", replace(request, percent=True, to=tmp_path / "other"))
    (path,) = export_runs("tables", ExportRequest((rated,), tmp_path / "rated.csv"))
    rows = list(csv.DictReader(io.StringIO(path.read_text(), newline="")))
    assert {(row["scale_low"], row["scale_high"]) for row in rows} == {("1.0", "10.0")}


def test_nothing_is_overwritten_unasked_and_what_is_missing_is_named(run, tmp_path):
    path = tmp_path / "run.csv"
    path.write_text("mine")
    with pytest.raises(InputError, match="is there"):
        export_runs("tables", ExportRequest((run,), path))
    assert path.read_text() == "mine"
    export_runs("tables", ExportRequest((run,), path), overwrite=True)
    assert path.read_text() != "mine"
    with pytest.raises(InputError, match=r"\.csv or \.parquet"):
        export_runs("tables", ExportRequest((run,), tmp_path / "run.xlsx"))
    with pytest.raises(InputError, match=r"\.eval or \.json"):
        export_runs("inspect", ExportRequest((run,), tmp_path / "run.log"))
    with pytest.raises(InputError, match="--dataset"):
        export_runs("hugging-face", ExportRequest((run,), tmp_path))
    with pytest.raises(InputError, match="2 runs"):
        export_runs("inspect", ExportRequest((run, run), tmp_path / "run.eval"))
