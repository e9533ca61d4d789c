"""Assigns samples to slices, in a form from which `verify` recomputes the figures."""

from collections.abc import Iterable

from weighbridge.evaluation.benchmark import Benchmark
from weighbridge.records import Sample, Slicing
from weighbridge.statistics.slices import slicing_of


def slicing_by_labels(benchmark: Benchmark, items: Iterable[Sample]) -> Slicing:
    """Return the slices of a benchmark's items, every turn counted; none where it has no labels."""
    if (labels := benchmark.about.labels) is None:
        return {}
    turns = (turn for item in items for turn in benchmark.asking.turns_of(item))
    return slicing_of((turn.id, labels(turn)) for turn in turns)
