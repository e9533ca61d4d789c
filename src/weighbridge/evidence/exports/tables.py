"""Scored samples as a table, CSV or Parquet by the file's ending: one row a sample.

The table holds every field of a sample but its charges, so that samples can be rebuilt from it;
targets, parts and log-probabilities are written as JSON. CSV can't tell an absent text from an
empty one; Parquet can. Cells hold exactly what the model wrote: read CSV as data, not in a program
that takes a leading "=" for a formula.
"""

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from weighbridge.errors import InputError, MissingPiece
from weighbridge.evidence.exporting import Exporter, ExportRequest
from weighbridge.records import EvalRun, Graded, Json, ScoredSample

COLUMNS: dict[str, type] = {
    "run": str, "model": str, "benchmark": str, "sample_id": str, "repeat": int, "cluster": str,
    "outcome": str, "value": float, "scale_low": float, "scale_high": float,
    "answer": str, "why": str, "parts": str,
    "question": str, "target": str, "output": str, "logprobs": str, "stop": str,
    "input_tokens": int, "output_tokens": int, "seed": int, "latency_seconds": float,
    "sample_digest": str, "prompt_digest": str,
}  # fmt: skip
"""Names and types of the columns.

`outcome` is `graded` or the reason why a sample is ungraded, `target` is always JSON, and `value`
lies between `scale_low` and `scale_high`.
"""


def _files(request: ExportRequest) -> dict[Path, bytes]:
    writers = {".csv": _csv, ".parquet": _parquet}
    writer = writers.get(request.to.suffix.lower())
    if writer is None:
        raise InputError(f"--to {request.to}", "a file that ends in .csv or .parquet")
    return {request.to: writer(list(_rows(request)))}


def _rows(request: ExportRequest) -> Iterator[dict[str, Json]]:
    for run in request.runs:
        for sample in run.samples:
            yield _row(run, sample)


def _row(run: EvalRun, sample: ScoredSample) -> dict[str, Json]:
    score = sample.score
    row: dict[str, Json] = {
        "run": run.run_id,
        "model": run.model.name,
        "benchmark": run.title,
        "outcome": "graded" if isinstance(score, Graded) else score.reason,
        "value": score.value if isinstance(score, Graded) else None,
        "scale_low": float(run.estimate.scale[0]),
        "scale_high": float(run.estimate.scale[1]),
        "answer": score.answer if isinstance(score, Graded) else None,
        "why": score.why,
        "parts": _json(score.parts) if isinstance(score, Graded) else None,
        "target": _json(sample.target) if sample.target is not None else None,
        "logprobs": _json(list(sample.logprobs)) if sample.logprobs else None,
    }
    return {name: row.get(name, getattr(sample, name, None)) for name in COLUMNS}


def _json(value: Json) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def _csv(rows: list[dict[str, Json]]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode("utf-8")


def _parquet(rows: list[dict[str, Json]]) -> bytes:
    try:
        import pyarrow
        import pyarrow.parquet as parquet
    except ModuleNotFoundError as error:
        raise MissingPiece(
            "pyarrow is not installed", "it, to write Parquet", "pip install pyarrow; or write .csv"
        ) from error
    kinds: dict[type, Any] = {
        str: pyarrow.string(), int: pyarrow.int64(), float: pyarrow.float64()
    }  # fmt: skip
    schema = pyarrow.schema([(name, kinds[kind]) for name, kind in COLUMNS.items()])
    buffer = io.BytesIO()
    parquet.write_table(pyarrow.Table.from_pylist(rows, schema), buffer)
    return buffer.getvalue()


EXPORTER = Exporter(
    name="tables",
    writes="one row a sample, .csv or .parquet by the ending of --to",
    files=_files,
)
