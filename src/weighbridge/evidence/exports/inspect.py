"""A run as an Inspect log, `.eval` or `.json` by the file's ending: `inspect view` shows it.

The log has one scorer, `weighbridge`. A graded sample has its value. A sample that is ungraded
through the model's doing gets the scale's lowest value, as in our mean: Inspect's `N` (no answer,
which Inspect counts as 0) where that value is 0, else the value itself. A sample lost through
infrastructure gets NaN, which Inspect leaves out of its metrics, as our mean does. The score's
metadata holds the reason, and the log's metadata the scale, so that importing the log with that
`--scale` gives the same scores back.
"""

import io
import json
import zipfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from weighbridge import __version__
from weighbridge.errors import InputError
from weighbridge.evidence.exporting import Exporter, ExportRequest, only_run
from weighbridge.records import EvalRun, Graded, Json, Score, ScoredSample

LOG_VERSION = 2
SCORER = "weighbridge"
NO_ANSWER = "N"
WITHHELD = "[not published]"
_STOPS = {"end": "stop", "stop_string": "stop", "scored": "stop", "length": "max_tokens"}
_ZIP_TIME = (1980, 1, 1, 0, 0, 0)  # a run's export is the same bytes whenever it is made


def _files(request: ExportRequest) -> dict[Path, bytes]:
    run = only_run(request)
    writers = {".eval": _zipped, ".json": _one_json}
    writer = writers.get(request.to.suffix.lower())
    if writer is None:
        raise InputError(f"--to {request.to}", "a file that ends in .eval or .json")
    return {request.to: writer(run)}


def _one_json(run: EvalRun) -> bytes:
    return _bytes(_header(run) | {"samples": list(_samples(run))})


def _zipped(run: EvalRun) -> bytes:
    header = _header(run)
    samples = list(_samples(run))
    start = {key: header[key] for key in ("version", "eval", "plan")}
    entries: dict[str, Json] = {"_journal/start.json": start}
    entries |= {f"samples/{s['id']}_epoch_{s['epoch']}.json": s for s in samples}
    entries |= {"summaries.json": list(map(_summary, samples)), "header.json": header}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(zipfile.ZipInfo(name, _ZIP_TIME), _bytes(content), 8)
    return buffer.getvalue()


def _bytes(content: Json) -> bytes:
    # Inspect writes a score that is no number as NaN, beyond the JSON standard, and so must we.
    return json.dumps(content, ensure_ascii=False, allow_nan=True).encode("utf-8")


def _header(run: EvalRun) -> dict[str, Json]:
    started = run.provenance.started
    ids = list(dict.fromkeys(sample.sample_id for sample in run.samples))
    epochs = 1 + max((sample.repeat for sample in run.samples), default=0)
    return {
        "version": LOG_VERSION,
        "status": "success",
        "eval": {
            "run_id": run.run_id,
            "eval_id": run.identity.removeprefix("sha256:")[:22],
            "created": started,
            "task": run.title,
            "task_id": run.run_id,
            "task_version": run.benchmark_version,
            "task_args": {},
            "dataset": {"name": run.title, "samples": len(ids), "sample_ids": ids},
            "model": run.model.name,
            "model_args": {},
            "config": {"epochs": epochs, "epochs_reducer": ["mean"]},
            "packages": run.provenance.packages | {"weighbridge": __version__},
            "metadata": _metadata(run),
            "scorers": [{"name": SCORER}],
        },
        "plan": {"name": "plan", "steps": [], "config": {}},
        "results": _results(run),
        "stats": {"started_at": started, "completed_at": started, "model_usage": {}},
    }


def _metadata(run: EvalRun) -> dict[str, Json]:
    return {
        "weighbridge_run": run.run_id,
        "identity": run.identity,
        "samples_digest": run.samples_digest,
        "protocol": run.protocol,
        "settings": run.settings,
        "weights_digest": run.model.weights_digest,
        "notes": list(run.provenance.notes),
        "interval": list(run.estimate.interval),
        "scale": list(run.estimate.scale),
        "judge": run.provenance.judge,
        "stopped": asdict(run.stopped) if run.stopped is not None else None,
    }


def _results(run: EvalRun) -> dict[str, Json]:
    estimate = run.estimate
    lost = estimate.ungraded["infrastructure"]
    figures = {"mean": estimate.mean, "stderr": estimate.stderr}
    figures |= {name: one.mean for name, one in estimate.beside.items()}
    score: dict[str, Json] = {
        "name": SCORER,
        "scorer": SCORER,
        "reducer": "mean",
        "scored_samples": len(run.samples) - lost,
        "unscored_samples": lost,
        "params": {},
        "metrics": {
            name: {"name": name, "value": value, "params": {}} for name, value in figures.items()
        },
    }
    return {
        "total_samples": len(run.samples),
        "completed_samples": len(run.samples),
        "scores": [score],
    }


def _samples(run: EvalRun) -> Iterator[dict[str, Json]]:
    for sample in run.samples:
        asked = sample.question if sample.question is not None else WITHHELD
        reply = {"role": "assistant", "content": sample.output, "source": "generate"}
        usage = {
            "input_tokens": sample.input_tokens,
            "output_tokens": sample.output_tokens,
            "total_tokens": sample.input_tokens + sample.output_tokens,
        }
        yield {
            "id": sample.sample_id,
            "epoch": sample.repeat + 1,
            "input": asked,
            "target": _target(sample),
            "messages": [{"role": "user", "content": asked, "source": "input"}, reply],
            "output": {
                "model": run.model.name,
                "choices": [{"message": reply, "stop_reason": _STOPS.get(sample.stop, "unknown")}],
                "completion": sample.output,
                "usage": usage,
                "time": sample.latency_seconds,
            },
            "scores": {SCORER: _score(sample.score, run.estimate.scale[0])},
            "metadata": {"cluster": sample.cluster, "logprobs": list(sample.logprobs)},
            "total_time": sample.latency_seconds,
        }


def _target(sample: ScoredSample) -> str | list[str]:
    if sample.question is None:
        return WITHHELD
    if isinstance(sample.target, str):
        return sample.target
    if isinstance(sample.target, list) and all(isinstance(each, str) for each in sample.target):
        return list(sample.target)
    return json.dumps(sample.target, ensure_ascii=False, sort_keys=True)


def _score(score: Score, floor: float) -> dict[str, Json]:
    if isinstance(score, Graded):
        return {
            "value": score.value,
            "answer": score.answer,
            "explanation": score.why,
            "metadata": {"parts": score.parts},
        }
    counted = NO_ANSWER if floor == 0 else floor
    return {
        "value": float("nan") if score.reason == "infrastructure" else counted,
        "explanation": score.why,
        "metadata": {"ungraded": score.reason},
    }


def _summary(sample: dict[str, Json]) -> dict[str, Json]:
    kept = ("id", "epoch", "input", "target", "scores", "metadata", "total_time")
    return {key: sample[key] for key in kept} | {"completed": True}


EXPORTER = Exporter(
    name="inspect",
    writes="an Inspect log, .eval or .json by the ending of --to",
    files=_files,
)
