"""Pairs two runs' answers item by item: each item's values in either run, and its lost answers."""

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from weighbridge.errors import InputError
from weighbridge.records import EvalRun, Flip, ScoredSample
from weighbridge.records.scale import less_is_better, width
from weighbridge.statistics.aggregates import items_of, part
from weighbridge.statistics.columns import Floats, score_value

ROUNDING = 1e-12
"""Means over repeats that are closer than this are equal."""


@dataclass(frozen=True)
class Metric:
    """Which number of an answer is compared (its value or a named part), and on which scale."""

    name: str
    scale: tuple[float, float]

    @property
    def width(self) -> float:
        """Width of the scale."""
        return width(self.scale)

    @property
    def sign(self) -> int:
        """-1 where less is better, so that a difference times it is A's advantage; else 1."""
        return -1 if less_is_better(self.scale) else 1

    def shares(self, values: Floats) -> Floats:
        """Return values as shares of the way from the scale's worst to its best."""
        worst, best = self.scale
        return (values - worst) / (best - worst)

    def read(self, answer: ScoredSample) -> float | None:
        """Return the answer's value in the mean; None if it was lost to infrastructure."""
        return (
            score_value(answer, self.scale[0]) if self.name == "value" else part(answer, self.name)
        )

    def items(self, samples: Iterable[ScoredSample]) -> dict[str, list[ScoredSample]]:
        """Group answers by item; values are checked against the scale if they are compared."""
        return items_of(samples, self.scale if self.name == "value" else (-math.inf, math.inf))


@dataclass(frozen=True)
class Item:
    """One item that both runs asked.

    Attributes:
        id: The sample's id.
        cluster: The sample's cluster.
        answers_a: A's answers, lost ones included.
        answers_b: B's answers, lost ones included.
        values_a: Values of A's answers, in their order; lost ones are left out.
        values_b: Values of B's answers, likewise.
    """

    id: str
    cluster: str | None
    answers_a: Sequence[ScoredSample]
    answers_b: Sequence[ScoredSample]
    values_a: tuple[float, ...]
    values_b: tuple[float, ...]

    @property
    def paired(self) -> bool:
        """Whether both runs have an answer that was not lost."""
        return bool(self.values_a and self.values_b)

    @property
    def lost(self) -> int:
        """Number of answers, of both runs, that infrastructure lost."""
        asked = len(self.answers_a) + len(self.answers_b)
        return asked - len(self.values_a) - len(self.values_b)

    def mean(self, of_b: bool, lost_as: float | None = None) -> float:
        """Return the mean of A's answers, or of B's.

        Args:
            of_b: Whether B's answers are meant.
            lost_as: Value that a lost answer counts as; None leaves lost answers out.
        """
        answers, values = (
            (self.answers_b, self.values_b) if of_b else (self.answers_a, self.values_a)
        )
        if lost_as is None:
            return float(np.mean(values))
        return (math.fsum(values) + lost_as * (len(answers) - len(values))) / len(answers)


@dataclass(frozen=True)
class Pairs:
    """The items that both runs asked, and the number of items that only one of them asked."""

    items: tuple[Item, ...]
    alone: int
    metric: Metric

    @property
    def paired(self) -> tuple[Item, ...]:
        """Items that have an answer from both runs."""
        return tuple(item for item in self.items if item.paired)

    @property
    def lost(self) -> int:
        """Number of answers, of both runs, that infrastructure lost."""
        return sum(item.lost for item in self.items)

    def differences(self) -> Floats:
        """Return A - B of each paired item, repeats averaged first."""
        return _without_rounding([item.mean(False) - item.mean(True) for item in self.paired])

    def differences_if(self, lost_of_a: float, lost_of_b: float) -> Floats:
        """Return A - B of each shared item, with lost answers of A and B counted as given."""
        return _without_rounding(
            [item.mean(False, lost_of_a) - item.mean(True, lost_of_b) for item in self.items]
        )

    def worst(self) -> Floats:
        """Return A - B of each shared item if every lost answer had gone against A."""
        return self.differences_if(*self.metric.scale)

    def best(self) -> Floats:
        """Return A - B of each shared item if every lost answer had gone for A."""
        return self.differences_if(self.metric.scale[1], self.metric.scale[0])


def pair(run_a: EvalRun, run_b: EvalRun, metric: Metric) -> Pairs:
    """Gather the answers to the items that both runs asked, in A's order.

    Raises:
        InputError: The runs share no item, or a value is off the scale.
        EvidenceError: The same repeat of an item twice.
    """
    of_a, of_b = metric.items(run_a.samples), metric.items(run_b.samples)
    shared = [name for name in of_a if name in of_b]
    if not shared:
        raise InputError(
            f"{run_a.run_id} and {run_b.run_id} have no item in common", "at least one"
        )
    items = tuple(item_of(metric, of_a[name], of_b[name]) for name in shared)
    return Pairs(items, len(of_a.keys() | of_b.keys()) - len(shared), metric)


def item_of(
    metric: Metric, answers_a: Sequence[ScoredSample], answers_b: Sequence[ScoredSample]
) -> Item:
    """Put two runs' answers to one item side by side."""
    first = answers_a[0]
    values_a, values_b = _known(metric, answers_a), _known(metric, answers_b)
    return Item(first.sample_id, first.cluster, answers_a, answers_b, values_a, values_b)


def _known(metric: Metric, answers: Iterable[ScoredSample]) -> tuple[float, ...]:
    return tuple(value for value in map(metric.read, answers) if value is not None)


def _without_rounding(differences: Sequence[float]) -> Floats:
    found = np.array(differences, dtype=np.float64)
    return np.where(np.abs(found) < ROUNDING, 0.0, found)


def by_cluster(difference: Floats, clusters: Sequence[str | None]) -> dict[str, float]:
    """Return the mean difference of each cluster, sorted by name."""
    grouped: dict[str, list[float]] = defaultdict(list)
    for gap, cluster in zip(difference.tolist(), clusters, strict=True):
        if cluster is not None:
            grouped[cluster].append(gap)
    return {name: float(np.mean(grouped[name])) for name in sorted(grouped)}


def flips(pairs: Pairs) -> tuple[Flip, ...]:
    """Return the paired items that differ, those that A lost first."""
    found = [
        _flip(item, gap, pairs.metric)
        for item, gap in zip(pairs.paired, pairs.differences().tolist(), strict=True)
        if gap != 0
    ]
    sign = pairs.metric.sign
    return tuple(sorted(found, key=lambda flip: (sign * flip.difference, flip.sample_id)))


def _flip(item: Item, gap: float, metric: Metric) -> Flip:
    a, b = _example_answers(item, gap, metric)
    target = a.target if isinstance(a.target, str) or a.target is None else json.dumps(a.target)
    return Flip(
        sample_id=item.id,
        cluster=a.cluster,
        question=a.question,
        target=target,
        output_a=a.output,
        output_b=b.output,
        score_a=a.score,
        score_b=b.score,
        difference=gap,
    )


def _example_answers(item: Item, gap: float, metric: Metric) -> tuple[ScoredSample, ScoredSample]:
    """Return one answer of each run whose difference has the same sign as the item's."""
    pairs = ((a, b, metric.read(a), metric.read(b)) for a in item.answers_a for b in item.answers_b)
    same_sign = (
        (a, b) for a, b, x, y in pairs if x is not None and y is not None and (x - y) * gap > 0
    )
    return next(same_sign, (item.answers_a[0], item.answers_b[0]))
