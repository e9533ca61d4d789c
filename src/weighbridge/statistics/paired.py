"""Compares two runs over the same items: the difference, its verdict, and the items that differ."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from weighbridge.errors import InputError, UnknownName
from weighbridge.records import Comparison, EvalRun, Graded, VarianceSplit
from weighbridge.records.scale import (
    default_margin,
    is_share,
    less_is_better,
    margin_or_default,
    named,
    width,
)
from weighbridge.statistics.columns import Floats
from weighbridge.statistics.conditions import (
    NOTHING,
    Accepted,
    differences,
    refuse_confounders,
)
from weighbridge.statistics.inference import Conclusion, Inference, NoData, conclude, fixed
from weighbridge.statistics.intervals import clustered_standard_error
from weighbridge.statistics.matched_pairs import mcnemar
from weighbridge.statistics.pairing import Item, Metric, Pairs, by_cluster, flips, pair
from weighbridge.statistics.sequential import anytime

UNIT = (0.0, 1.0)


def compare(
    run_a: EvalRun,
    run_b: EvalRun,
    *,
    margin: float | None = None,
    metric: str = "value",
    scale: tuple[float, float] | None = None,
    across_protocols: bool = False,
    accepted: Accepted = NOTHING,
) -> Comparison:
    """Compare a candidate A with a reference B, item by item; repeats are averaged first.

    Where each item's difference is 0 or the whole scale (both right, both wrong, or one of each),
    the interval is Tango's score interval for paired proportions (Tango 1998), which keeps its
    coverage where few items or none differ; in clusters, with the effective sample size and the t
    quantile (see `intervals.spread_of`). Other differences get the t interval with a clustered
    standard error (Miller 2024, arXiv:2411.00640), guarded likewise. If either run could stop
    early, the interval is one that holds at every moment (`sequential.anytime`). Where less is
    better, as with a loss, the verdict is on B - A, although A - B is shown.

    The verdict, in order of precedence: *superior*, the 95 % interval lies above 0; *equivalent*,
    inside ±margin (two one-sided tests at 2.5 % each, stricter than the usual 5 %);
    *non-inferior*, above -margin; *inferior*, below -margin; else *inconclusive*, which includes an
    interval below 0 that the margin cuts. Answers lost to infrastructure count as if they had gone
    against whatever is claimed: the verdict is that of `bounds_interval`. The p-value is below
    2.5 % exactly if the interval lies above -margin. With no paired item left, or where none of a
    run's answers was graded, nothing is known: the interval is the whole scale and the verdict
    inconclusive.

    Items that only one run asked are left out; they show in `unpaired`, not in `bounds`.

    Args:
        run_a: The candidate's run, with samples.
        run_b: The reference's run, with samples.
        margin: How much worse A may be and still count as no worse, in the metric's units; None
            takes 2 % of the scale's width.
        metric: "value", or the name of a part.
        scale: Worst and best value; None takes A's own scale. Parts are always in [0, 1].
        across_protocols: Whether the two may have been asked by different protocols; the verdict
            is then not one about models (see `protocol_offset`).
        accepted: Differences in how the two were asked that are not refused.

    Raises:
        InputError: The runs did not ask the same items in the same way, or the margin is below 0
            or not smaller than the scale's width.
        UnknownName: No answer in either run has that part.
    """
    read = Metric(metric, (scale or run_a.estimate.scale) if metric == "value" else UNIT)
    margin = margin_or_default(margin, read.scale)
    check_margin(margin, read.scale)
    check_comparable(run_a, run_b, across_protocols, accepted)
    _check_metric(run_a, run_b, metric)
    infer = _InferenceRule(run_a, run_b, read)
    return _compared(run_a, run_b, pair(run_a, run_b, read), margin, infer)


class _InferenceRule:
    """Infers from differences, by the rule that fits two runs.

    The rule is `anytime` if either run could stop early, else `fixed`. Where none of a run's
    answers was graded, its mean tells nothing about the model, so nothing is inferred.
    """

    def __init__(self, run_a: EvalRun, run_b: EvalRun, metric: Metric) -> None:
        rules = [run.asked.stop for run in (run_a, run_b)]
        largest = [rule.largest_cluster for rule in rules if rule]
        self.anytime, self._largest = bool(largest), max(largest, default=1)
        self._width, self._measured = metric.width, metric.sign < 0
        self.ungraded_a, self.ungraded_b = _ungraded(run_a), _ungraded(run_b)

    def __call__(self, difference: Floats, clusters: Sequence[str | None]) -> Inference:
        if self.ungraded_a or self.ungraded_b:
            return NoData(self._width)
        if self.anytime:
            return anytime(difference, clusters, self._width, self._largest)
        return fixed(difference, clusters, self._width, measured=self._measured)


def _compared(
    run_a: EvalRun, run_b: EvalRun, pairs: Pairs, margin: float, infer: _InferenceRule
) -> Comparison:
    worst, paired = pairs.metric.scale[0], pairs.paired
    a = np.array([item.mean(False) for item in paired], dtype=np.float64)
    b = np.array([item.mean(True) for item in paired], dtype=np.float64)
    difference, clusters = pairs.differences(), [item.cluster for item in paired]
    shares, ends = pairs.metric.shares, sorted((pairs.worst().mean(), pairs.best().mean()))
    return Comparison(
        run_a=run_a.run_id,
        run_b=run_b.run_id,
        benchmark=run_a.title,
        metric=pairs.metric.name,
        mean_a=float(a.mean()) if paired else worst,
        mean_b=float(b.mean()) if paired else worst,
        difference=float(difference.mean()) if paired else 0.0,
        stderr=clustered_standard_error(difference, clusters),
        margin=margin,
        mcnemar_p_value=mcnemar(shares(a), shares(b)),
        n=len(paired),
        scale=pairs.metric.scale,
        unpaired=pairs.alone + len(pairs.items) - len(paired),
        bounds=(float(ends[0]), float(ends[1])),
        by_cluster=by_cluster(difference, clusters),
        flips=flips(pairs),
        lost=pairs.lost,
        variance=variance_split(paired),
        anytime=infer.anytime,
        cluster_sizes=_sizes(clusters),
        design_effect=_design_effect(difference, clusters),
        differences=differences(run_a, run_b),
        ungraded_a=infer.ungraded_a,
        ungraded_b=infer.ungraded_b,
        **_concluded(margin, pairs, infer),
    )


def _concluded(margin: float, pairs: Pairs, infer: _InferenceRule) -> Conclusion:
    """Conclude from what A is better by; intervals are of A - B as it stands."""
    found = conclude(margin, *_inferences(pairs, infer))
    if pairs.metric.sign == 1:
        return found
    (low, high), (least, most) = found["interval"], found["bounds_interval"]
    return {**found, "interval": (-high, -low), "bounds_interval": (-most, -least)}


def _ungraded(run: EvalRun) -> str:
    """Return a run's counts by reason where none of its answers was graded; else ""."""
    reasons = Counter(s.score.reason for s in run.samples if not isinstance(s.score, Graded))
    if reasons.total() < len(run.samples):
        return ""
    return ", ".join(f"{count} {reason}" for reason, count in reasons.items())


def _sizes(clusters: Sequence[str | None]) -> tuple[int, ...]:
    counts = Counter(name for name in clusters if name is not None)
    return tuple(counts.values()) if any(count > 1 for count in counts.values()) else ()


def _design_effect(difference: Floats, clusters: Sequence[str | None]) -> float:
    plain = clustered_standard_error(difference)
    return (clustered_standard_error(difference, clusters) / plain) ** 2 if plain > 0 else 1.0


def check_margin(margin: float, scale: tuple[float, float]) -> None:
    """Refuse a margin that is negative or not smaller than the scale's width.

    Raises:
        InputError: The margin is one of these.
    """
    most = width(scale)
    if 0 <= margin < most:
        return
    if less_is_better(scale):
        do = f"the default is {default_margin(scale):g}"
        raise InputError(f"margin {margin:g}", f"a gap in bits per byte, 0 to below {most:g}", do)
    what = "share of the scale" if is_share(scale) else f"gap on {named(scale)}"
    raise InputError(
        f"margin {margin:g}",
        f"a {what}, from 0 to below {most:g}",
        f"2 {'points' if is_share(scale) else '% of it'} are {default_margin(scale):g}",
    )


def _inferences(pairs: Pairs, infer: _InferenceRule) -> tuple[Inference, Inference, Inference]:
    """Infer A's advantage: from the items as they are, with lost answers against A, and for A."""
    sign = pairs.metric.sign
    known = infer(sign * pairs.differences(), [item.cluster for item in pairs.paired])
    if not (pairs.lost and pairs.paired):
        return known, known, known
    clusters = [item.cluster for item in pairs.items]
    return known, infer(sign * pairs.worst(), clusters), infer(sign * pairs.best(), clusters)


def check_comparable(
    run_a: EvalRun,
    run_b: EvalRun,
    across_protocols: bool = False,
    accepted: Accepted = NOTHING,
) -> None:
    """Refuse runs whose benchmark, protocol, scale, judge, items or way of asking differ.

    Raises:
        InputError: The runs differ, or one has no samples; the message says in what.
    """
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
    if run_a.asked.judge != run_b.asked.judge:
        raise InputError(
            f"{run_a.run_id} and {run_b.run_id} were judged by different judges",
            "the same judge, asked as often",
            "run one of them again with the other's --judge",
        )
    refuse_confounders(run_a, run_b, accepted)
    digests = {s.sample_id: s.sample_digest for s in run_b.samples}
    for sample in run_a.samples:
        if digests.get(sample.sample_id, sample.sample_digest) != sample.sample_digest:
            raise InputError(
                f"item {sample.sample_id} is not the same in the two runs",
                "runs over the same items with the same shots",
                "run both again with equal settings",
            )


def _check_metric(run_a: EvalRun, run_b: EvalRun, metric: str) -> None:
    """Refuse an unknown part: it would be 0 in both runs and make any two models look equal."""
    graded = [s.score for s in (*run_a.samples, *run_b.samples) if isinstance(s.score, Graded)]
    known = dict.fromkeys(name for score in graded for name in score.parts)
    if metric != "value" and metric not in known:
        raise UnknownName("metric", metric, ["value", *known])


def variance_split(items: Sequence[Item]) -> VarianceSplit | None:
    """Split the variance of the paired differences (Miller 2024, arXiv:2411.00640, section 3).

    With K answers to an item, the variance of its mean is Var(x) + σ²/K (equation 5 ff.): Var(x) is
    the variance of the items' true values, σ² the mean conditional variance of one answer. For the
    paired difference of two runs that gives ω² + σ²_A/K_A + σ²_B/K_B, which is what the paper's
    sample-size formula (equation 9) is made of. σ² is estimated by the unbiased variance within
    items; ω² by what is left of the variance of the items' observed differences, never below 0
    (the method of moments of one-way analysis of variance).

    Args:
        items: Paired items.

    Returns:
        None where no item has two answers of either run, or fewer than two items are paired.
    """
    a, b = [item.values_a for item in items], [item.values_b for item in items]
    if len(items) < 2 or max(map(len, (*a, *b))) < 2:
        return None
    observed = float(np.var([np.mean(x) - np.mean(y) for x, y in zip(a, b, strict=True)], ddof=1))
    repeats_a, repeats_b = _answers_an_item(a), _answers_an_item(b)
    within_a, within_b = _within_items(a), _within_items(b)
    between = max(0.0, observed - within_a / repeats_a - within_b / repeats_b)
    return VarianceSplit(repeats_a, repeats_b, between, within_a, within_b)


def _answers_an_item(values_by_item: Sequence[tuple[float, ...]]) -> float:
    """Return the harmonic mean of the numbers of answers per item."""
    return 1.0 / float(np.mean([1.0 / len(values) for values in values_by_item]))


def _within_items(values_by_item: Sequence[tuple[float, ...]]) -> float:
    """Return the mean variance of one answer within an item, over items with at least two."""
    several = [values for values in values_by_item if len(values) > 1]
    return float(np.mean([np.var(values, ddof=1) for values in several])) if several else 0.0
