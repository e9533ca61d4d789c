"""Finds benchmark items in tuning data by their text, and scores runs without them."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path

from weighbridge.evaluation.benchmark import Benchmark
from weighbridge.records import (
    CleanSubset,
    Contamination,
    EvalRun,
    Json,
    Sample,
    ScoredSample,
)
from weighbridge.sources.data_files import data_rows, is_one_document
from weighbridge.sources.digests import files_digest
from weighbridge.sources.documents import parse_json
from weighbridge.sources.tables import table_ending
from weighbridge.sources.text_files import text_lines
from weighbridge.statistics.subsets import clean_subset
from weighbridge.statistics.text_overlap import overlap


def find_overlap(
    benchmark: Benchmark, items: Iterable[Sample], tuning_data: Path, *more: Path
) -> Contamination:
    """Look for a benchmark's questions in a file of tuning data.

    Args:
        benchmark: The benchmark.
        items: The benchmark's items, as loaded.
        tuning_data: JSONL, JSON, CSV or Parquet of any form, in which every string is searched, or
            plain text.
        more: Further files of the same data.

    Raises:
        InputError: The file can't be read; MalformedRow names a line that isn't JSON.
    """
    turns = [turn for item in items for turn in benchmark.asking.turns_of(item)]
    return _search([(turn.id, turn.question) for turn in turns], (tuning_data, *more))


def overlap_again(run: EvalRun, tuning_data: Path) -> Contamination | None:
    """Repeat `find_overlap` from a run's evidence; None if it does not contain the questions."""
    asked = {sample.sample_id: sample.question for sample in run.samples}
    if any(question is None for question in asked.values()):
        return None
    return _search([(name, question or "") for name, question in asked.items()], (tuning_data,))


def _search(asked: Sequence[tuple[str, str]], files: Sequence[Path]) -> Contamination:
    texts = chain.from_iterable(map(tuning_texts, files))
    found = overlap([question for _, question in asked], texts)
    exact, near = (
        tuple(sorted(asked[place][0] for place in places)) for places in (found.exact, found.near)
    )
    return Contamination(
        files[0].name, files_digest(files), len(asked), exact, near, len(found.short)
    )


def tuning_texts(path: Path) -> Iterator[str]:
    """Yield each row of a file as texts: all strings of a row, or else the line."""
    what = "tuning data: JSONL, JSON, CSV or Parquet, or text whose name ends in .txt"
    ending = table_ending(path)
    if ending != ".txt" and is_one_document(path, what):
        for _, row in data_rows(path, what, nan=True, halves="replace"):
            yield "\n".join(_strings(row))
        return
    for number, line in text_lines(path, what):
        if ending == ".txt" or not line.strip():
            yield line
        else:
            value = parse_json(path, number, line, nan=True, halves="replace")
            yield "\n".join(_strings(value))


def _strings(value: Json) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for part in value.values():
            yield from _strings(part)
    elif isinstance(value, list):
        for part in value:
            yield from _strings(part)


def score_without(run: EvalRun, found: Contamination) -> CleanSubset:
    """Score a run, which must hold its samples, on the items that don't overlap."""
    return clean_subset(run.samples, found.found, run.estimate.aggregate, run.estimate.scale)


def without_overlap(run: EvalRun, found: Contamination) -> EvalRun:
    """Return a run with only those samples whose items don't overlap."""
    kept: tuple[ScoredSample, ...] = tuple(
        sample for sample in run.samples if sample.sample_id not in found.found
    )
    return replace(run, samples=kept)
