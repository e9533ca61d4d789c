"""Assigns samples to slices, in a form from which `verify` recomputes the figures."""

from collections.abc import Iterable

from weighbridge.evaluation.benchmark import Benchmark
from weighbridge.records import Sample, Slicing
from weighbridge.statistics.slices import slicing_of


def slicing_by_labels(benchmark: Benchmark, items: Iterable[Sample]) -> Slicing:
    """Return the slices of a benchmark's items, every turn counted; none where it has no labels."""
    if benchmark.labels is None:
        return {}
    turns = (benchmark.turn(item, turn) for item in items for turn in range(benchmark.turns))
    return slicing_of((sample.id, benchmark.labels(sample)) for sample in turns)
