"""A run's figures as named functions of its samples: `verify` calls the same ones by name."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import get_args

import numpy as np

from weighbridge.errors import UnknownName
from weighbridge.records import Estimate, Graded, ScoredSample, Ungraded, UngradedReason
from weighbridge.statistics.intervals import clustered_standard_error, mean_interval
from weighbridge.statistics.pass_at_k import pass_at_k

REASONS: tuple[str, ...] = get_args(UngradedReason)


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values))


def _pass(values: Sequence[float], k: int) -> float:
    return pass_at_k(len(values), sum(value == 1 for value in values), k)


AGGREGATES: dict[str, Callable[[Sequence[float]], float]] = {
    "mean": _mean,
    "pass_at_1": partial(_pass, k=1),
    "pass_at_10": partial(_pass, k=10),
    "pass_at_100": partial(_pass, k=100),
}
"""From an item's values, over its repeats, to its figure; a run's is the mean over items."""


def worth(sample: ScoredSample, floor: float = 0.0) -> float | None:
    """Return what a sample counts: the floor if the model failed to answer, None if we failed."""
    if isinstance(sample.score, Graded):
        return sample.score.value
    return None if sample.score.reason == "infrastructure" else floor


def estimate(
    samples: Iterable[ScoredSample],
    aggregate: str = "mean",
    scale: tuple[float, float] = (0.0, 1.0),
) -> Estimate:
    """Compute a run's headline figure.

    Refused, unparsed and truncated answers count as the scale's lowest value, because not
    answering must not pay. Infrastructure failures are left out, counted, and bounded. Items are
    the unit: repeats are aggregated within an item first.

    Args:
        samples: All of a run's samples.
        aggregate: A name in `AGGREGATES`.
        scale: Lowest and highest value.

    Raises:
        UnknownName: No such aggregate.
    """
    if aggregate not in AGGREGATES:
        raise UnknownName("aggregate", aggregate, AGGREGATES)
    combine = AGGREGATES[aggregate]
    items: dict[str, list[ScoredSample]] = defaultdict(list)
    for sample in samples:
        items[sample.sample_id].append(sample)
    values: list[float] = []
    clusters: list[str | None] = []
    graded: list[float] = []
    bounds: list[tuple[float, float]] = []
    for answers in items.values():
        kept = _kept(worth(answer, scale[0]) for answer in answers)
        graded += [a.score.value for a in answers if isinstance(a.score, Graded)]
        bounds.append(
            tuple(  # type: ignore[arg-type]
                combine([end if (v := worth(a, scale[0])) is None else v for a in answers])
                for end in scale
            )
        )
        if kept:
            values.append(combine(kept))
            clusters.append(answers[0].cluster)
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
