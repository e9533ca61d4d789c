"""Finds benchmark items in tuning data by their text, and scores runs without them."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
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
from weighbridge.sources.digests import file_digest
from weighbridge.sources.documents import parse_json
from weighbridge.sources.tables import table_ending
from weighbridge.sources.text_files import text_lines
from weighbridge.statistics.subsets import clean_subset
from weighbridge.statistics.text_overlap import overlap


def find_overlap(benchmark: Benchmark, items: Iterable[Sample], tuning_data: Path) -> Contamination:
    """Look for a benchmark's questions in a file of tuning data.

    Args:
        benchmark: The benchmark.
        items: Its items, as loaded.
        tuning_data: JSONL of any form, in which every string is searched, or plain text.

    Raises:
        InputError: The file can't be read; MalformedRow names a line that isn't JSON.
    """
    turns = [benchmark.turn(item, turn) for item in items for turn in range(benchmark.turns)]
    return _search([(turn.id, turn.question) for turn in turns], tuning_data)


def overlap_again(run: EvalRun, tuning_data: Path) -> Contamination | None:
    """Repeat `find_overlap` from a run's evidence; None if it does not contain the questions."""
    asked = {sample.sample_id: sample.question for sample in run.samples}
    if any(question is None for question in asked.values()):
        return None
    return _search([(name, question or "") for name, question in asked.items()], tuning_data)


def _search(asked: Sequence[tuple[str, str]], tuning_data: Path) -> Contamination:
    found = overlap([question for _, question in asked], tuning_texts(tuning_data))
    exact, near = (
        tuple(sorted(asked[place][0] for place in places)) for places in (found.exact, found.near)
    )
    digest = file_digest(tuning_data)
    return Contamination(tuning_data.name, digest, len(asked), exact, near, len(found.short))


def tuning_texts(path: Path) -> Iterator[str]:
    """Yield each row of a file as texts: all strings of a JSON row, or else the line."""
    plain = table_ending(path) == ".txt"
    for number, line in text_lines(path, "tuning data: JSONL, or text whose name ends in .txt"):
        if plain or not line.strip():
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


def without(run: EvalRun, found: Contamination) -> EvalRun:
    """Return a run with only those samples whose items don't overlap."""
    kept: tuple[ScoredSample, ...] = tuple(
        sample for sample in run.samples if sample.sample_id not in found.found
    )
    return replace(run, samples=kept)
