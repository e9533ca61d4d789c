"""Two runs over the same items: the difference, what it supports, and where it lies."""

import json
import math
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from scipy import stats

from weighbridge.errors import InputError, UnknownName
from weighbridge.records import Comparison, EvalRun, Flip, Graded, ScoredSample, Verdict
from weighbridge.records.scale import default_margin, is_share, named
from weighbridge.statistics.aggregates import items_of, part
from weighbridge.statistics.columns import worth
from weighbridge.statistics.intervals import clustered_standard_error, spread_of
from weighbridge.statistics.matched_pairs import mcnemar, tango_interval, tango_statistic

Items = dict[str, list[ScoredSample]]
UNIT = (0.0, 1.0)
ROUNDING = 1e-12
"""Means over repeats that are closer than this are equal."""


def compare(
    run_a: EvalRun,
    run_b: EvalRun,
    *,
    margin: float | None = None,
    metric: str = "value",
    scale: tuple[float, float] | None = None,
    across_protocols: bool = False,
) -> Comparison:
    """Compare a candidate A with a reference B, item by item; repeats are averaged first.

    Items of which one is right and the other wrong get Tango's score interval for paired
    proportions (Tango 1998), which stays honest where few items or none differ; in clusters, with
    the effective sample size and the t quantile (see `intervals.spread_of`). Other values get the
    t interval with a clustered standard error (Miller 2024, arXiv:2411.00640), guarded likewise.

    The verdict, in order of precedence: *superior*, the 95 % interval lies above 0; *equivalent*,
    inside ±margin (two one-sided tests at 2.5 % each, stricter than the usual 5 %);
    *non-inferior*, above -margin; *inferior*, below -margin; else *inconclusive*, which includes an
    interval below 0 that the margin cuts. The p-value is below 2.5 % exactly if the interval lies
    above -margin. With no paired item left nothing is known: n is 0, the verdict inconclusive.

    Items that only one run asked are left out; they show in `unpaired`, not in `bounds`.

    Args:
        run_a: The candidate's run, with samples.
        run_b: The reference's run, with samples.
        margin: How much worse A may be and still count as no worse, in the metric's units; None
            takes 2 % of the scale's width.
        metric: "value", or the name of a part.
        scale: Lowest and highest value, A's own unless stated; parts are always in [0, 1].
        across_protocols: Whether the two may have been asked by different protocols; the verdict
            then is not one about models (see `protocol_offset`).

    Raises:
        InputError: The runs did not ask the same items, or the margin is no part of the scale.
        UnknownName: No answer in either run has that part.
    """
    scale = (scale or run_a.estimate.scale) if metric == "value" else UNIT
    width = scale[1] - scale[0]
    margin = default_margin(scale) if margin is None else margin
    check_margin(margin, scale)
    _check_comparable(run_a, run_b, across_protocols)
    _check_metric(run_a, run_b, metric)
    items_a, items_b = _items(run_a, metric, scale), _items(run_b, metric, scale)
    shared = [item for item in items_a if item in items_b]
    if not shared:
        raise InputError(
            f"{run_a.run_id} and {run_b.run_id} have no item in common", "at least one"
        )
    values_a, values_b = (
        {i: _worths(items[i], metric, scale, None) for i in shared} for items in (items_a, items_b)
    )
    paired = [i for i in shared if values_a[i] and values_b[i]]
    a = np.array([np.mean(values_a[i]) for i in paired], dtype=np.float64)
    b = np.array([np.mean(values_b[i]) for i in paired], dtype=np.float64)
    clusters = [items_a[i][0].cluster for i in paired]
    difference = np.where(np.abs(a - b) < ROUNDING, 0.0, a - b)
    interval, p_value = _infer(difference, clusters, margin, width)
    return Comparison(
        run_a=run_a.run_id,
        run_b=run_b.run_id,
        benchmark=run_a.title,
        metric=metric,
        mean_a=float(a.mean()) if paired else scale[0],
        mean_b=float(b.mean()) if paired else scale[0],
        difference=float(difference.mean()) if paired else 0.0,
        stderr=clustered_standard_error(difference, clusters),
        interval=interval,
        margin=margin,
        p_value=p_value,
        mcnemar_p_value=mcnemar((a - scale[0]) / width, (b - scale[0]) / width),
        verdict=verdict(interval, margin),
        n=len(paired),
        unpaired=len(items_a.keys() | items_b.keys()) - len(paired),
        bounds=_bounds(shared, items_a, items_b, metric, scale),
        by_cluster=_by_cluster(difference, clusters),
        flips=_flips(paired, items_a, items_b, difference, metric, scale),
        scale=scale,
    )


def verdict(interval: tuple[float, float], margin: float) -> Verdict:
    """Return what an interval of A - B supports at a margin; see `compare` for the order."""
    low, high = interval
    if low > 0:
        return "superior"
    if low > -margin:
        return "equivalent" if high < margin else "non_inferior"
    return "inferior" if high < -margin else "inconclusive"


def _infer(
    difference: np.ndarray, clusters: Sequence[str | None], margin: float, width: float
) -> tuple[tuple[float, float], float]:
    """Interval of the mean difference, and the one-sided p-value of non-inferiority."""
    n = len(difference)
    all_or_nothing = bool(np.isin(difference, (-width, 0.0, width)).all())
    if n == 0 or (n == 1 and not all_or_nothing):
        return (-width, width), 1.0
    spread = spread_of(difference, clusters)
    law = stats.t(spread.freedom) if spread.clustered or not all_or_nothing else stats.norm()
    if all_or_nothing:
        share = spread.effective_n / n
        won, lost = float(np.sum(difference > 0)) * share, float(np.sum(difference < 0)) * share
        low, high = tango_interval(won, lost, spread.effective_n, spread.score_quantile)
        statistic = tango_statistic(won, lost, spread.effective_n, -margin / width)
        return (low * width, high * width), float(law.sf(statistic))
    stderr = spread.guarded_stderr(width + abs(spread.mean))
    half = spread.quantile * stderr
    low, high = max(-width, spread.mean - half), min(width, spread.mean + half)
    return (low, high), float(law.sf((spread.mean + margin) / stderr))


def check_margin(margin: float, scale: tuple[float, float]) -> None:
    """Refuse a margin that is no gap on the scale.

    Raises:
        InputError: It is not.
    """
    width = scale[1] - scale[0]
    if 0 <= margin < width:
        return
    what = "share of the scale" if is_share(scale) else f"gap on {named(scale)}"
    raise InputError(
        f"margin {margin:g}",
        f"a {what}, from 0 to below {width:g}",
        f"2 {'points' if is_share(scale) else '% of it'} are {default_margin(scale):g}",
    )


def _check_comparable(run_a: EvalRun, run_b: EvalRun, across_protocols: bool) -> None:
    if run_a.estimate.scale != run_b.estimate.scale:
        raise InputError(
            f"{run_a.run_id} is on {named(run_a.estimate.scale)}, "
            f"{run_b.run_id} on {named(run_b.estimate.scale)}",
            "one scale",
        )
    for run in (run_a, run_b):
        if not run.samples:
            raise InputError(f"{run.run_id} has no samples", "a run with its scored samples")
    for what in ("benchmark", "benchmark_version", *(() if across_protocols else ("protocol",))):
        first, second = getattr(run_a, what), getattr(run_b, what)
        if first != second:
            raise InputError(
                f"{run_a.run_id} has {what} {first}, {run_b.run_id} has {second}", "the same one"
            )
    if run_a.settings.get("judge") != run_b.settings.get("judge"):
        raise InputError(
            f"{run_a.run_id} and {run_b.run_id} were judged by different judges",
            "the same judge, asked as often",
            "run one of them again with the other's --judge",
        )
    digests = {s.sample_id: s.sample_digest for s in run_b.samples}
    for sample in run_a.samples:
        if digests.get(sample.sample_id, sample.sample_digest) != sample.sample_digest:
            raise InputError(
                f"item {sample.sample_id} is not the same in the two runs",
                "runs over the same items with the same shots",
                "run both again with equal settings",
            )


def _check_metric(run_a: EvalRun, run_b: EvalRun, metric: str) -> None:
    """A misspelt part would be 0 in both runs, and so make any two models look alike."""
    graded = [s.score for s in (*run_a.samples, *run_b.samples) if isinstance(s.score, Graded)]
    known = dict.fromkeys(name for score in graded for name in score.parts)
    if metric != "value" and metric not in known:
        raise UnknownName("metric", metric, ["value", *known])


def _items(run: EvalRun, metric: str, scale: tuple[float, float]) -> Items:
    # A part has its own scale; its run's values then stay unchecked.
    return items_of(run.samples, scale if metric == "value" else (-math.inf, math.inf))


def _worths(
    answers: Sequence[ScoredSample],
    metric: str,
    scale: tuple[float, float],
    lost_as: float | None,
) -> list[float]:
    """What an item's answers count; those lost to infrastructure as stated, or left out."""
    read = [worth(a, scale[0]) if metric == "value" else part(a, metric) for a in answers]
    return [value for value in (lost_as if v is None else v for v in read) if value is not None]


def _bounds(
    shared: Sequence[str], items_a: Items, items_b: Items, metric: str, scale: tuple[float, float]
) -> tuple[float, float]:
    """Difference over all shared items, every lost answer having gone against A, and for A."""

    def mean_with(items: Items, lost_as: float) -> float:
        return math.fsum(
            float(np.mean(_worths(items[i], metric, scale, lost_as))) for i in shared
        ) / len(shared)

    low, high = scale
    return (
        mean_with(items_a, low) - mean_with(items_b, high),
        mean_with(items_a, high) - mean_with(items_b, low),
    )


def _by_cluster(difference: np.ndarray, clusters: Sequence[str | None]) -> dict[str, float]:
    grouped: dict[str, list[float]] = defaultdict(list)
    for gap, cluster in zip(difference.tolist(), clusters, strict=True):
        if cluster is not None:
            grouped[cluster].append(gap)
    return {name: float(np.mean(grouped[name])) for name in sorted(grouped)}


def _flips(
    items: Sequence[str],
    items_a: Items,
    items_b: Items,
    difference: np.ndarray,
    metric: str,
    scale: tuple[float, float],
) -> tuple[Flip, ...]:
    found = []
    for item, gap in zip(items, difference.tolist(), strict=True):
        if gap == 0:
            continue
        a, b = _telling(items_a[item], items_b[item], gap, metric, scale)
        target = a.target if isinstance(a.target, str) or a.target is None else json.dumps(a.target)
        found.append(
            Flip(
                sample_id=item,
                cluster=a.cluster,
                question=a.question,
                target=target,
                output_a=a.output,
                output_b=b.output,
                score_a=a.score,
                score_b=b.score,
                difference=gap,
            )
        )
    return tuple(sorted(found, key=lambda flip: (flip.difference, flip.sample_id)))


def _telling(
    first: Sequence[ScoredSample],
    second: Sequence[ScoredSample],
    gap: float,
    metric: str,
    scale: tuple[float, float],
) -> tuple[ScoredSample, ScoredSample]:
    """An answer of each that shows the difference: the first pair that leans the same way."""

    def read(sample: ScoredSample) -> float | None:
        return worth(sample, scale[0]) if metric == "value" else part(sample, metric)

    pairs = ((a, b, read(a), read(b)) for a in first for b in second)
    leaning = (
        (a, b) for a, b, x, y in pairs if x is not None and y is not None and (x - y) * gap > 0
    )
    return next(leaning, (first[0], second[0]))
