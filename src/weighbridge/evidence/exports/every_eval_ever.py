"""A run as Every Eval Ever records (schema 0.3.0): one of the run, and a line for each answer.

The Hub's community evaluations link to such records (github.com/evaleval/every_eval_ever). The
record of the run names the file of answers by its SHA-256 and its rows. Answers that infrastructure
lost are no answers of the model, and are counted in the run's record alone; other ungraded answers
have the scale's lowest value and say why. A question that must not be published is left out.
"""

import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from weighbridge import __version__
from weighbridge.evidence.exporting import Exporter, ExportRequest
from weighbridge.records import EvalRun, Graded, Json, ScoredSample, Ungraded, canonical_json

SCHEMA = "0.3.0"
WITHHELD = "[not published]"
_PROTOCOLS_OF_CHOICE = ("loglikelihood", "letter", "bits_per_byte")


def _files(request: ExportRequest) -> dict[Path, bytes]:
    found: dict[Path, bytes] = {}
    for run in request.runs:
        name = f"data/{_part(run.title)}/weighbridge/{_part(run.model.name)}/{_uuid(run)}"
        rows = [canonical_json(row) for row in _instances(run)]
        samples = b"".join(row + b"\n" for row in rows)
        record = _aggregate(run, request, f"{name}_samples.jsonl", samples, len(rows))
        found[request.to / f"{name}.json"] = canonical_json(record)
        found[request.to / f"{name}_samples.jsonl"] = samples
    return found


def _part(name: str) -> str:
    """Return a name as one part of a path."""
    return "".join(c if c.isalnum() or c in "-." else "-" for c in name).strip(".-") or "unnamed"


def _uuid(run: EvalRun) -> str:
    """Return a UUID of version 4's form that the run's identity determines."""
    digits = hashlib.sha256(f"{run.identity} {run.samples_digest}".encode()).hexdigest()
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-8{digits[17:20]}-{digits[20:32]}"


def _id(run: EvalRun) -> str:
    return f"{run.title}/{_model(run)}/{_seconds(run.provenance.started)}"


def _model(run: EvalRun) -> str:
    return run.model.name if "/" in run.model.name else f"weighbridge/{run.model.name}"


def _seconds(started: str) -> str:
    """Return a time in seconds since 1970; "0" where it is none."""
    try:
        found = datetime.fromisoformat(started)
    except ValueError:
        return "0"
    whole = found if found.tzinfo else found.replace(tzinfo=UTC)
    return str(int(whole.timestamp()))


def _aggregate(
    run: EvalRun, request: ExportRequest, path: str, samples: bytes, rows: int
) -> dict[str, Json]:
    return {
        "schema_version": SCHEMA,
        "evaluation_id": _id(run),
        "evaluation_timestamp": run.provenance.started,
        "retrieved_timestamp": _seconds(run.provenance.started),
        "source_metadata": {
            "source_name": "Weighbridge",
            "source_type": "evaluation_run",
            "source_organization_name": "unknown",
            "evaluator_relationship": "other",
        },
        "eval_library": {"name": "weighbridge", "version": __version__},
        "model_info": {
            "name": run.model.name,
            "id": _model(run),
            "additional_details": _details(run),
        },
        "evaluation_results": [_result(run, request)],
        "detailed_evaluation_results": {
            "format": "jsonl",
            "file_path": path,
            "hash_algorithm": "sha256",
            "checksum": hashlib.sha256(samples).hexdigest(),
            "total_rows": rows,
        },
    }


def _details(run: EvalRun) -> dict[str, Json]:
    endpoint = run.model.source.startswith("endpoint:")
    known = {
        "weights_digest": run.model.weights_digest,
        "adapter_digest": run.model.adapter_digest,
        "revision": run.model.revision,
        "dtype": run.model.dtype,
        "quantization": run.model.quantization,
    }
    return {
        "deployment_type": "externally_managed" if endpoint else "self_deployed",
        "model_availability": "unknown" if endpoint else "open_weights",
        **({} if endpoint else {key: value for key, value in known.items() if value}),
    }


def _result(run: EvalRun, request: ExportRequest) -> dict[str, Json]:
    estimate = run.estimate
    low, high = sorted(estimate.scale)
    source: dict[str, Json] = {"dataset_name": run.title, "source_type": "other"}
    if request.dataset:
        source |= {"source_type": "hf_dataset", "hf_repo": request.dataset}
    return {
        "evaluation_result_id": run.identity,
        "evaluation_name": run.title,
        "source_data": source,
        "metric_config": {
            "metric_name": f"{estimate.aggregate} ({run.protocol})",
            "lower_is_better": estimate.scale[0] > estimate.scale[1],
            "score_type": "continuous",
            "min_score": low,
            "max_score": high,
        },
        "score_details": {
            "score": estimate.mean,
            "details": {
                "samples_digest": run.samples_digest,
                "benchmark_version": run.benchmark_version,
                "protocol": run.protocol,
                "ungraded": json.dumps(estimate.ungraded, sort_keys=True),
            },
            "uncertainty": {
                "standard_error": {"value": estimate.stderr},
                "confidence_interval": {
                    "lower": estimate.interval[0],
                    "upper": estimate.interval[1],
                    "confidence_level": 0.95,
                },
                "num_samples": estimate.n,
            },
        },
    }


def _instances(run: EvalRun) -> Iterator[dict[str, Json]]:
    floor, best = run.estimate.scale
    for sample in run.samples:
        lost = isinstance(sample.score, Ungraded) and sample.score.reason == "infrastructure"
        if not lost:
            yield _instance(run, sample, floor, best)


def _instance(run: EvalRun, sample: ScoredSample, floor: float, best: float) -> dict[str, Json]:
    score = sample.score
    value = score.value if isinstance(score, Graded) else floor
    published = sample.question is not None
    return {
        "schema_version": SCHEMA,
        "evaluation_id": _id(run),
        "model_id": _model(run),
        "evaluation_name": run.title,
        "evaluation_result_id": run.identity,
        "sample_id": f"{sample.sample_id}#{sample.repeat}",
        "sample_hash": sample.sample_digest.removeprefix("sha256:"),
        "interaction_type": "single_turn",
        "input": {
            "raw": sample.question if sample.question is not None else WITHHELD,
            "reference": [_text(sample.target)] if published and sample.target is not None else [],
        },
        "output": {"raw": [sample.output]},
        "messages": None,
        "answer_attribution": [
            {
                "turn_idx": 0,
                "source": "output.raw",
                "extracted_value": _text(score.answer) if isinstance(score, Graded) else "",
                "extraction_method": run.protocol
                if run.protocol in _PROTOCOLS_OF_CHOICE
                else "custom",
                "is_terminal": True,
            }
        ],
        "evaluation": {"score": value, "is_correct": value == best},
        "token_usage": {
            "input_tokens": sample.input_tokens,
            "output_tokens": sample.output_tokens,
            "total_tokens": sample.input_tokens + sample.output_tokens,
        },
        "error": score.reason if isinstance(score, Ungraded) else None,
    }


def _text(value: Json) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


EXPORTER = Exporter(
    name="every-eval-ever",
    writes="a folder: data/…/UUID.json of each run, and a line for each answer beside it",
    files=_files,
)
