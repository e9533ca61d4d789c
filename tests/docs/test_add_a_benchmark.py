"""The benchmark that the page on adding one shows is run as it stands there."""

import importlib.util
import json

from documented import write_files
from weighbridge.evaluation.answers import RecordedAnswers, read_answers
from weighbridge.evaluation.benchmark import Settings
from weighbridge.evaluation.runner import RunContext, evaluate
from weighbridge.evidence import RunStore, verify


def test_the_page_s_benchmark_measures_and_its_evidence_verifies(repository, tmp_path):
    (path,) = write_files(repository / "docs/how-to/add-a-benchmark.md", tmp_path)
    spec = importlib.util.spec_from_file_location("capitals", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.BENCHMARK.name == path.stem
    answers = tmp_path / "answers.jsonl"
    said = {"Norway": "Oslo.", "Italy": "Milan", "Peru": "lima"}
    rows = [json.dumps({"sample_id": name, "text": text}) for name, text in said.items()]
    answers.write_text("\n".join(rows))
    store = RunStore(tmp_path / "runs")
    place = RunContext(store, threads=1, started="2026-01-01T00:00:00+00:00")
    model = RecordedAnswers(read_answers(answers))
    run = evaluate(model, module.BENCHMARK, place, settings=Settings(chat_template=True))
    assert (run.estimate.mean, run.estimate.n) == (2 / 3, 3)
    assert verify(store.folder_of(run.run_id)).ok
