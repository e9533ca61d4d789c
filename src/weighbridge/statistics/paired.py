"""Two runs over the same items: the difference, what it supports, and where it lies."""

import json
from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from scipy import optimize, stats

from weighbridge.errors import InputError
from weighbridge.records import Comparison, EvalRun, Flip, ScoredSample, Verdict
from weighbridge.statistics.aggregates import part, worth
from weighbridge.statistics.intervals import (
    Values,
    clustered_standard_error,
    degrees_of_freedom,
    groups_of,
)


def compare(
    run_a: EvalRun, run_b: EvalRun, *, margin: float = 0.02, metric: str = "value"
) -> Comparison:
    """Compare a candidate A with a reference B, item by item.

    The difference's standard error is clustered as the items are (Miller 2024, arXiv:2411.00640).
    Values of 0 and 1 without clusters get Tango's score interval for paired proportions (Tango
    1998, Stat. Med. 17:891), which stays honest where few items or none differ; everything else
    gets the t interval.

    The verdict, in order of precedence: *superior*, the interval lies above 0; *inferior*, it lies
    below -margin; *equivalent*, inside ±margin; *non-inferior*, above -margin; else *inconclusive*.

    Args:
        run_a: The candidate's run, with samples.
        run_b: The reference's run, with samples.
        margin: How much worse A may be and still count as no worse, in the metric's units.
        metric: "value", or the name of a part.

    Raises:
        InputError: The runs did not ask the same items, or the margin is negative.
    """
    _check_comparable(run_a, run_b, margin)
    samples_a, samples_b = _by_item(run_a), _by_item(run_b)
    values_a, values_b = _values(samples_a, metric), _values(samples_b, metric)
    shared = [item for item in samples_a if item in samples_b]
    paired = [i for i in shared if values_a[i] is not None and values_b[i] is not None]
    lost = len(samples_a.keys() | samples_b.keys()) - len(paired)
    if not paired:
        raise InputError(
            f"{run_a.run_id} and {run_b.run_id} have no graded item in common", "at least one"
        )
    a = np.array([values_a[i] for i in paired], dtype=np.float64)
    b = np.array([values_b[i] for i in paired], dtype=np.float64)
    clusters = [samples_a[i][0].cluster for i in paired]
    difference = a - b
    interval, p_value = _infer(a, b, clusters, margin)
    return Comparison(
        run_a=run_a.run_id,
        run_b=run_b.run_id,
        benchmark=run_a.title,
        metric=metric,
        mean_a=float(a.mean()),
        mean_b=float(b.mean()),
        difference=float(difference.mean()),
        stderr=clustered_standard_error(difference, clusters),
        interval=interval,
        margin=margin,
        p_value=p_value,
        mcnemar_p_value=mcnemar(a, b),
        verdict=verdict(interval, margin),
        n=len(paired),
        unpaired=lost,
        bounds=_bounds(difference, lost),
        by_cluster=_by_cluster(difference, clusters),
        flips=_flips(paired, samples_a, samples_b, difference),
    )


def verdict(interval: tuple[float, float], margin: float) -> Verdict:
    """Return what an interval of A - B supports at a margin; see `compare` for the order."""
    low, high = interval
    if low > 0:
        return "superior"
    if high < -margin:
        return "inferior"
    if low > -margin:
        return "equivalent" if high < margin else "non_inferior"
    return "inconclusive"


def mcnemar(a: Values, b: Values) -> float | None:
    """Exact two-sided McNemar test of no difference; None where values aren't all 0 or 1."""
    first, second = np.asarray(a), np.asarray(b)
    if not (_binary(first) and _binary(second)):
        return None
    won, lost = int(np.sum(first > second)), int(np.sum(first < second))
    if won + lost == 0:
        return 1.0
    return float(stats.binomtest(won, won + lost, 0.5).pvalue)


def tango_interval(won: int, lost: int, n: int) -> tuple[float, float]:
    """95 % score interval of the difference of paired proportions (Tango 1998, section 3).

    Args:
        won: Items that only A has right.
        lost: Items that only B has right.
        n: All paired items.
    """
    z = float(stats.norm.ppf(0.975))
    estimate = (won - lost) / n
    low = high = estimate
    if estimate > -1:
        low = float(optimize.brentq(lambda d: _tango(won, lost, n, d) - z, -1 + 1e-12, estimate))
    else:
        low = -1.0
    if estimate < 1:
        high = float(optimize.brentq(lambda d: _tango(won, lost, n, d) + z, estimate, 1 - 1e-12))
    else:
        high = 1.0
    return low, high


def _tango(won: int, lost: int, n: int, difference: float) -> float:
    """Tango's score statistic for the hypothesis that A - B is `difference`."""
    linear = -won - lost + (2 * n - won + lost) * difference
    constant = -lost * difference * (1 - difference)
    root = (np.sqrt(max(0.0, linear**2 - 8 * n * constant)) - linear) / (4 * n)
    variance = n * (2 * root + difference * (1 - difference))
    distance = won - lost - n * difference
    if variance <= 0:
        return float(np.sign(distance) * np.inf) if distance else 0.0
    return float(distance / np.sqrt(variance))


def _infer(
    a: np.ndarray, b: np.ndarray, clusters: Sequence[str | None], margin: float
) -> tuple[tuple[float, float], float]:
    """Interval of the mean difference, and the one-sided p-value of non-inferiority."""
    n = len(a)
    difference = a - b
    if _binary(a) and _binary(b) and groups_of(clusters, n) is None:
        won, lost = int(np.sum(a > b)), int(np.sum(a < b))
        p_value = float(stats.norm.sf(_tango(won, lost, n, -margin)))
        return tango_interval(won, lost, n), p_value
    spread = clustered_standard_error(difference, clusters)
    if n < 2 or spread == 0:
        # No spread was seen, which is not the same as none: at most 3/n of the items could still
        # differ by the whole scale with 95 % confidence ("rule of three", Hanley 1983).
        half = min(1.0, 3 / n)
        centre = float(difference.mean())
        p_value = 0.5 ** min(n, 50) if centre > -margin else 1.0
        return (max(-1.0, centre - half), min(1.0, centre + half)), p_value
    freedom = degrees_of_freedom(n, clusters)
    centre, half = float(difference.mean()), float(stats.t.ppf(0.975, freedom)) * spread
    return (centre - half, centre + half), float(stats.t.sf((centre + margin) / spread, freedom))


def _binary(values: np.ndarray) -> bool:
    return bool(np.isin(values, (0.0, 1.0)).all())


def _check_comparable(run_a: EvalRun, run_b: EvalRun, margin: float) -> None:
    if margin < 0:
        raise InputError(f"margin {margin:g}", "0 or above")
    for what in ("benchmark", "benchmark_version"):
        first, second = getattr(run_a, what), getattr(run_b, what)
        if first != second:
            raise InputError(
                f"{run_a.run_id} has {what} {first}, {run_b.run_id} has {second}", "the same one"
            )
    digests = {s.sample_id: s.sample_digest for s in run_b.samples}
    for sample in run_a.samples:
        if digests.get(sample.sample_id, sample.sample_digest) != sample.sample_digest:
            raise InputError(
                f"item {sample.sample_id} is not the same in the two runs",
                "runs over the same items with the same shots",
                "run both again with equal settings",
            )


def _by_item(run: EvalRun) -> dict[str, list[ScoredSample]]:
    items: dict[str, list[ScoredSample]] = defaultdict(list)
    for sample in run.samples:
        items[sample.sample_id].append(sample)
    return items


def _values(items: dict[str, list[ScoredSample]], metric: str) -> dict[str, float | None]:
    """Mean over an item's repeats; None where every one was lost to infrastructure."""
    means: dict[str, float | None] = {}
    for item, answers in items.items():
        read = [worth(a) if metric == "value" else part(a, metric) for a in answers]
        kept = [value for value in read if value is not None]
        means[item] = float(np.mean(kept)) if kept else None
    return means


def _bounds(difference: np.ndarray, lost: int) -> tuple[float, float]:
    total = float(difference.sum())
    n = len(difference) + lost
    return (total - lost) / n, (total + lost) / n


def _by_cluster(difference: np.ndarray, clusters: Sequence[str | None]) -> dict[str, float]:
    if any(cluster is None for cluster in clusters):
        return {}
    names = np.asarray(clusters, dtype=str)
    order = np.argsort(names, kind="stable")
    edges = [0, *(np.flatnonzero(names[order][1:] != names[order][:-1]) + 1), len(names)]
    return {
        str(names[order[start]]): float(difference[order[start:stop]].mean())
        for start, stop in pairwise(edges)
    }


def _flips(
    items: Sequence[str],
    samples_a: dict[str, list[ScoredSample]],
    samples_b: dict[str, list[ScoredSample]],
    difference: np.ndarray,
) -> tuple[Flip, ...]:
    found = []
    for item, gap in zip(items, difference, strict=True):
        if gap == 0:
            continue
        a, b = samples_a[item][0], samples_b[item][0]
        target = a.target if isinstance(a.target, str) or a.target is None else json.dumps(a.target)
        found.append(
            Flip(
                item,
                a.cluster,
                a.question,
                target,
                a.output,
                b.output,
                a.score,
                b.score,
                float(gap),
            )
        )
    return tuple(sorted(found, key=lambda flip: (flip.difference, flip.sample_id)))
