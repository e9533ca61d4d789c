"""Computes a run's figures from its samples, by named functions that `verify` calls again."""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from weighbridge.errors import EvidenceError, InputError, UnknownName
from weighbridge.records import Estimate, Figure, Graded, GroupMeans, ScoredSample, Slicing
from weighbridge.records.scale import ends
from weighbridge.statistics.columns import (
    GRADED,
    REASONS,
    UNCLUSTERED,
    Columns,
    Flags,
    Floats,
    Integers,
    by_cluster,
    check_value,
    columns_of,
)
from weighbridge.statistics.intervals import clustered_standard_error, mean_interval
from weighbridge.statistics.slices import SliceLabels


def pass_at_k(samples: int, passed: int, k: int) -> float:
    """Estimate pass@k without bias from n samples of which c passed.

    1 - C(n - c, k) / C(n, k), Chen et al. 2021 (arXiv:2107.03374), equation 1.

    Raises:
        InputError: k is larger than the number of samples, or a count is impossible.

    >>> pass_at_k(10, 3, 1)
    0.3
    """
    if not 1 <= k <= samples:
        raise InputError(
            f"pass@{k} of {samples} samples", f"at least {k} samples", "raise --repeats"
        )
    if not 0 <= passed <= samples:
        raise InputError(f"{passed} of {samples} samples passed", f"0 to {samples}")
    if samples - passed < k:
        return 1.0
    draws = math.comb(samples, k)  # exact integers up to the one division: no n overflows
    return (draws - math.comb(samples - passed, k)) / draws


def _mean(values: Floats) -> Floats:
    means: Floats = np.mean(values, axis=1)
    return means


def _pass(values: Floats, k: int) -> Floats:
    answers = values.shape[1]
    figures = np.array([pass_at_k(answers, passed, k) for passed in range(answers + 1)])
    chances: Floats = figures[(values == 1).sum(axis=1)]
    return chances


@dataclass(frozen=True)
class Aggregate:
    """Computes each item's figure from its repeats; a run's figure is the mean over items.

    Attributes:
        combine: Maps values of shape (items, answers) to figures of shape (items,).
        answers: Number of answers that an item must have; an item with fewer counts as lost.
        beside: Names of aggregates that are shown beside this one, where every item has enough
            answers for them.
    """

    combine: Callable[[Floats], Floats]
    answers: int = 1
    beside: tuple[str, ...] = ()

    def figures(self, values: Floats, item: Integers, kept: Flags) -> tuple[Integers, Floats]:
        """Return the items that have enough answers, and their figures.

        Args:
            values: Value of each answer, shape (answers,).
            item: Index of each answer's item, shape (answers,), in ascending order.
            kept: Whether each answer counts, shape (answers,).
        """
        values, item = values[kept], item[kept]
        counts = np.bincount(item)
        begins = np.cumsum(counts) - counts
        figures = np.zeros(len(counts))
        for count in np.unique(counts[counts >= self.answers]).tolist():
            having = np.flatnonzero(counts == count)
            rows = values[begins[having][:, None] + np.arange(count)]
            figures[having] = self.combine(rows)
        enough = np.flatnonzero(counts >= self.answers)
        return enough, figures[enough]


AGGREGATES: dict[str, Aggregate] = {
    "mean": Aggregate(_mean),
    "pass_at_1": Aggregate(partial(_pass, k=1), beside=("pass_at_10", "pass_at_100")),
    "pass_at_10": Aggregate(partial(_pass, k=10), answers=10),
    "pass_at_100": Aggregate(partial(_pass, k=100), answers=100),
}


def items_of(
    samples: Iterable[ScoredSample], scale: tuple[float, float] = (0.0, 1.0)
) -> dict[str, list[ScoredSample]]:
    """Gather samples into items, in order of appearance, each with its repeats in order.

    Raises:
        InputError: A value off the scale.
        EvidenceError: The same repeat of an item twice, which would count double.
    """
    items: dict[str, dict[int, ScoredSample]] = defaultdict(dict)
    for sample in samples:
        check_value(sample, scale)
        if sample.repeat in items[sample.sample_id]:
            raise EvidenceError(
                f"sample {sample.sample_id}, repeat {sample.repeat} is there twice",
                "each repeat of a sample once",
            )
        items[sample.sample_id][sample.repeat] = sample
    return {name: [item[repeat] for repeat in sorted(item)] for name, item in items.items()}


def estimate(
    samples: Iterable[ScoredSample],
    aggregate: str = "mean",
    scale: tuple[float, float] = (0.0, 1.0),
    slicing: Slicing | None = None,
) -> Estimate:
    """Compute a run's headline figure.

    Refused, unparsed and truncated answers count as the scale's worst value, because not
    answering must not pay. Infrastructure failures are left out, counted, and bounded. Items are
    the unit: repeats are aggregated within an item first, for `mean_graded` too. Where no item is
    left, nothing is known: n is 0, the mean is the scale's worst value, and interval and bounds
    are the whole scale.

    Args:
        samples: All of a run's samples; read once, one at a time, and not kept.
        aggregate: A name in `AGGREGATES`.
        scale: Worst and best value.
        slicing: Slices to compute figures of, too: by kind and name, the ids of their samples.

    Raises:
        UnknownName: No such aggregate.
        InputError: A value off the scale, or fewer repeats than the aggregate needs.
        EvidenceError: The same repeat of an item twice.
    """
    if aggregate not in AGGREGATES:
        raise UnknownName("aggregate", aggregate, AGGREGATES)
    chosen = AGGREGATES[aggregate]
    labels = SliceLabels(slicing or {})
    read = columns_of(labels.noted(samples), scale)
    _check_answers(read, aggregate)
    items, values = chosen.figures(read.value, read.item, ~read.lost)
    _, graded = chosen.figures(read.value, read.item, read.reason == GRADED)
    # An item's cluster is that of its first answer.
    clusters = read.cluster[np.searchsorted(read.item, items)]
    means = by_cluster(values, clusters, read.cluster_names)
    return Estimate(
        aggregate=aggregate,
        mean=float(np.mean(values)) if len(values) else scale[0],
        mean_graded=float(np.mean(graded)) if len(graded) else None,
        stderr=clustered_standard_error(values, clusters),
        interval=mean_interval(values, clusters, scale),
        n=len(values),
        ungraded={name: int((read.reason == i).sum()) for i, name in enumerate(REASONS)},
        bounds=_bounds(read, chosen, scale),
        macro_mean=float(np.mean(list(means.values()))) if means else None,
        clusters=means,
        parts=_parts(read),
        cluster_sizes=_sizes(clusters, read.cluster_names),
        scale=scale,
        slices=labels.figures(read, items, values, clusters, scale),
        beside=_beside(read, chosen, scale),
    )


def _beside(read: Columns, chosen: Aggregate, scale: tuple[float, float]) -> dict[str, Figure]:
    """Return figures of the further aggregates for which every item has enough answers."""
    asked = np.bincount(read.item).min(initial=len(read.item)) if len(read.item) else 0
    found = {}
    for name in chosen.beside:
        aggregate = AGGREGATES[name]
        if asked < aggregate.answers:
            continue
        # An item that lost so many answers that too few are left is left out, and n says so.
        items, values = aggregate.figures(read.value, read.item, ~read.lost)
        clusters = read.cluster[np.searchsorted(read.item, items)]
        found[name] = Figure(
            mean=float(np.mean(values)) if len(values) else scale[0],
            stderr=clustered_standard_error(values, clusters),
            interval=mean_interval(values, clusters, scale),
            n=len(values),
        )
    return found


def group_means(estimate: Estimate, groups: Mapping[str, tuple[str, ...]]) -> dict[str, GroupMeans]:
    """Return both means of each group whose clusters are all present and which is not the whole."""
    means, sizes = estimate.clusters, estimate.cluster_sizes
    found = {}
    for name, members in groups.items():
        if not set(members) <= sizes.keys() or len(members) == len(means):
            continue
        n = sum(sizes[member] for member in members)
        total = sum(sizes[member] * means[member] for member in members)
        macro = sum(means[member] for member in members) / len(members)
        found[name] = GroupMeans(n, total / n, macro)
    return found


def _sizes(clusters: Integers, names: Sequence[str]) -> dict[str, int]:
    codes, counts = np.unique(clusters[clusters != UNCLUSTERED], return_counts=True)
    sizes = {names[c]: n for c, n in zip(codes.tolist(), counts.tolist(), strict=True)}
    return {name: sizes[name] for name in sorted(sizes)}


def _check_answers(read: Columns, aggregate: str) -> None:
    needed = AGGREGATES[aggregate].answers
    counts = np.bincount(read.item)
    if (counts < needed).any():
        item = int(np.argmax(counts < needed))
        first = int(read.position[np.searchsorted(read.item, item)])
        raise InputError(
            f"the item of sample {first + 1} has {counts[item]} answers",
            f"at least {needed} for {aggregate}",
            f"run with --repeats {needed}",
        )


def _bounds(read: Columns, chosen: Aggregate, scale: tuple[float, float]) -> tuple[float, float]:
    """Return the mean's lowest and highest value, whatever lost answers would have scored."""
    if not read.items:
        return ends(scale)
    every = np.ones(len(read.item), dtype=bool)
    low, high = (
        chosen.figures(np.where(read.lost, end, read.value), read.item, every)[1]
        for end in ends(scale)
    )
    return float(np.mean(low)), float(np.mean(high))


def _parts(read: Columns) -> dict[str, float]:
    """Return each named part's mean; an answer that could not be graded counts 0 in every part."""
    mean = AGGREGATES["mean"]
    return {
        name: float(np.mean(mean.figures(read.part(name), read.item, ~read.lost)[1]))
        for name in read.parts
    }


def part(sample: ScoredSample, name: str) -> float | None:
    """Return one part of a sample's score, by the same rules as `score_value`."""
    if isinstance(sample.score, Graded):
        return sample.score.parts.get(name, 0.0)
    return None if sample.score.reason == "infrastructure" else 0.0
