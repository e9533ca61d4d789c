"""A run's figures as named functions of its samples: `verify` calls the same ones by name."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import get_args

import numpy as np

from weighbridge.errors import EvidenceError, InputError, UnknownName
from weighbridge.records import Estimate, Graded, ScoredSample, Ungraded, UngradedReason
from weighbridge.statistics.intervals import clustered_standard_error, mean_interval
from weighbridge.statistics.pass_at_k import pass_at_k

REASONS: tuple[str, ...] = get_args(UngradedReason)


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values))


def _pass(values: Sequence[float], k: int) -> float:
    return pass_at_k(len(values), sum(value == 1 for value in values), k)


@dataclass(frozen=True)
class Aggregate:
    """From an item's values, over its repeats, to its figure; a run's is the mean over items.

    Attributes:
        combine: The item's figure.
        answers: How many of an item's answers it takes; with fewer the item counts as lost.
    """

    combine: Callable[[Sequence[float]], float]
    answers: int = 1


AGGREGATES: dict[str, Aggregate] = {
    "mean": Aggregate(_mean),
    "pass_at_1": Aggregate(partial(_pass, k=1), answers=1),
    "pass_at_10": Aggregate(partial(_pass, k=10), answers=10),
    "pass_at_100": Aggregate(partial(_pass, k=100), answers=100),
}


def worth(sample: ScoredSample, floor: float = 0.0) -> float | None:
    """Return what a sample counts: the floor if the model failed to answer, None if we failed."""
    if isinstance(sample.score, Graded):
        return sample.score.value
    return None if sample.score.reason == "infrastructure" else floor


def worth_at_end(sample: ScoredSample, floor: float, end: float) -> float:
    """Return what a sample counts if everything lost to infrastructure had scored `end`."""
    value = worth(sample, floor)
    return end if value is None else value


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
        name = f"sample {sample.sample_id}, repeat {sample.repeat}"
        if isinstance(sample.score, Graded) and not scale[0] <= sample.score.value <= scale[1]:
            raise InputError(
                f"{name} has the value {sample.score.value:g}",
                f"a value from {scale[0]:g} to {scale[1]:g}",
            )
        if sample.repeat in items[sample.sample_id]:
            raise EvidenceError(f"{name} is there twice", "each repeat of a sample once")
        items[sample.sample_id][sample.repeat] = sample
    return {name: [item[repeat] for repeat in sorted(item)] for name, item in items.items()}


def estimate(
    samples: Iterable[ScoredSample],
    aggregate: str = "mean",
    scale: tuple[float, float] = (0.0, 1.0),
) -> Estimate:
    """Compute a run's headline figure.

    Refused, unparsed and truncated answers count as the scale's lowest value, because not
    answering must not pay. Infrastructure failures are left out, counted, and bounded. Items are
    the unit: repeats are aggregated within an item first, for `mean_graded` too. With no item left
    nothing is known: n is 0, the mean the scale's lowest value, interval and bounds the scale.

    Args:
        samples: All of a run's samples.
        aggregate: A name in `AGGREGATES`.
        scale: Lowest and highest value.

    Raises:
        UnknownName: No such aggregate.
        InputError: A value off the scale, or fewer repeats than the aggregate takes.
        EvidenceError: The same repeat of an item twice.
    """
    if aggregate not in AGGREGATES:
        raise UnknownName("aggregate", aggregate, AGGREGATES)
    chosen = AGGREGATES[aggregate]
    items = items_of(samples, scale)
    values: list[float] = []
    clusters: list[str | None] = []
    graded: list[float] = []
    bounds: list[tuple[float, float]] = []
    for item, answers in items.items():
        if len(answers) < chosen.answers:
            raise InputError(
                f"item {item} has {len(answers)} answers",
                f"at least {chosen.answers} for {aggregate}",
                f"run with --repeats {chosen.answers}",
            )
        bounds.append(
            (
                chosen.combine([worth_at_end(a, scale[0], scale[0]) for a in answers]),
                chosen.combine([worth_at_end(a, scale[0], scale[1]) for a in answers]),
            )
        )
        kept = _kept(worth(answer, scale[0]) for answer in answers)
        if len(kept) >= chosen.answers:
            values.append(chosen.combine(kept))
            clusters.append(answers[0].cluster)
        seen = [a.score.value for a in answers if isinstance(a.score, Graded)]
        if len(seen) >= chosen.answers:
            graded.append(chosen.combine(seen))
    by_cluster = _by_cluster(values, clusters)
    return Estimate(
        aggregate=aggregate,
        mean=float(np.mean(values)) if values else scale[0],
        mean_graded=float(np.mean(graded)) if graded else None,
        stderr=clustered_standard_error(values, clusters),
        interval=mean_interval(values, clusters, scale),
        n=len(values),
        ungraded=_count_ungraded(items),
        bounds=(
            float(np.mean([low for low, _ in bounds])) if bounds else scale[0],
            float(np.mean([high for _, high in bounds])) if bounds else scale[1],
        ),
        macro_mean=float(np.mean(list(by_cluster.values()))) if by_cluster else None,
        clusters=by_cluster,
        parts=_parts(items),
    )


def _by_cluster(values: Sequence[float], clusters: Sequence[str | None]) -> dict[str, float]:
    grouped: dict[str, list[float]] = defaultdict(list)
    for value, cluster in zip(values, clusters, strict=True):
        if cluster is not None:
            grouped[cluster].append(value)
    return {name: float(np.mean(grouped[name])) for name in sorted(grouped)}


def _count_ungraded(items: dict[str, list[ScoredSample]]) -> dict[str, int]:
    counts = dict.fromkeys(REASONS, 0)
    for answers in items.values():
        for answer in answers:
            if isinstance(answer.score, Ungraded):
                counts[answer.score.reason] += 1
    return counts


def _parts(items: dict[str, list[ScoredSample]]) -> dict[str, float]:
    """Mean of each named part; an answer that could not be graded has none of them right."""
    names: dict[str, None] = {}
    for answers in items.values():
        for answer in answers:
            if isinstance(answer.score, Graded):
                names.update(dict.fromkeys(answer.score.parts))
    means: dict[str, float] = {}
    for name in names:
        shares = [_kept(part(answer, name) for answer in answers) for answers in items.values()]
        means[name] = float(np.mean([np.mean(values) for values in shares if values]))
    return means


def _kept(values: Iterable[float | None]) -> list[float]:
    return [value for value in values if value is not None]


def part(sample: ScoredSample, name: str) -> float | None:
    """Return one part of a sample's score, by the same rules as `worth`."""
    if isinstance(sample.score, Graded):
        return sample.score.parts.get(name, 0.0)
    return None if sample.score.reason == "infrastructure" else 0.0
