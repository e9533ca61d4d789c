"""Checks that a resumed journal belongs to this run's items.

An unfinished run has no seal, and resuming it would seal whatever its journal holds. So each line
is compared with the items first: which item, which repeat, which digest and cluster, what of the
item's texts. Answers and grades can't be: they are what the run is for.
"""

import hashlib
from collections.abc import Iterable, Iterator

from weighbridge.errors import EvidenceError
from weighbridge.evaluation.benchmark import Benchmark
from weighbridge.evaluation.items import Unit
from weighbridge.records import Json, ScoredSample, canonical_json

_MASK = (1 << 128) - 1


def check_journal(
    samples: Iterable[ScoredSample],
    units: Iterable[Unit],
    benchmark: Benchmark,
    judgements: int,
    where: str,
) -> None:
    """Compare the samples of finished units with those units' items, in constant memory.

    Args:
        samples: The journal's lines.
        units: The units that are finished.
        benchmark: What is asked.
        judgements: Of each answer; 1 where no model judges.
        where: The journal, as errors call it.

    Raises:
        EvidenceError: A line is of no item, is there twice, or is missing.
    """
    lines, found = 0, 0
    for sample in samples:
        lines, found = lines + 1, found + _mark(_told(sample))
    expected = 0
    for told in _expected(units, benchmark, judgements):
        lines, expected = lines - 1, expected + _mark(told)
    if lines or (found - expected) & _MASK:
        raise EvidenceError(
            f"{where} holds other lines than the run's items make",
            "each item's lines as they were written",
            "move the run's folder away and run again",
        )


def _expected(units: Iterable[Unit], benchmark: Benchmark, judgements: int) -> Iterator[list[Json]]:
    shown = benchmark.about.publishes_questions
    for unit in units:
        for item, repeat in unit.samples:
            for sample in benchmark.asking.turns_of(item):
                texts = [sample.question, sample.target] if shown else [None, None]
                known = [sample.id, sample.digest, sample.cluster, *texts]
                for k in range(judgements):
                    yield [repeat * judgements + k, *known]


def _told(line: ScoredSample) -> list[Json]:
    texts = [line.question, line.target]
    return [line.repeat, line.sample_id, line.sample_digest, line.cluster, *texts]


def _mark(told: list[Json]) -> int:
    """Return a hash whose sum over lines identifies a set of lines, in any order."""
    return int.from_bytes(hashlib.sha256(canonical_json(told)).digest()[:16], "big")
