"""Noise of a judge: how much repeated judgements vary, and how that widens an interval.

Two kinds of noise must be told apart (generalizability theory, Brennan 2001, items x passes):

- Noise of each judgement by itself. A comparison's interval contains it already, because it is part
  of how the items' differences scatter; more items, or more judgements of each, make it smaller.
- Noise that all judgements of one pass over the answers share (through the judge's version, its
  batch or the day). More items don't average it out, and their scatter does not show it, so it is
  added here.
"""

import math
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from scipy import stats

from weighbridge.records import Comparison, Graded, RepeatSpread, ScoredSample
from weighbridge.records.scale import width
from weighbridge.statistics.inference import AsymmetricNormal, ShiftedByLostAnswers, conclude

Judgements = dict[tuple[str, int | str], dict[int, float]]
"""Values by answer (sample id and number of the answer) and by pass of the judge."""


def judgements_of(samples: Iterable[ScoredSample], judge_repeats: int | None) -> Judgements:
    """Gather readable judgements by answer and pass.

    Args:
        samples: Samples of a judged run.
        judge_repeats: Number of judgements of each answer: a sample's `repeat` is then the number
            of its answer times this, plus the number of the pass. None where it is not known: then
            samples of one item with the same prompt digest are judgements of one answer.
    """
    found: Judgements = {}
    passes: dict[tuple[str, int | str], int] = {}
    for sample in samples:
        if judge_repeats is not None:
            answer, number = divmod(sample.repeat, judge_repeats)
            key: tuple[str, int | str] = (sample.sample_id, answer)
        else:
            key = (sample.sample_id, sample.prompt_digest)
            number = passes.get(key, 0)
            passes[key] = number + 1
        if isinstance(sample.score, Graded):
            found.setdefault(key, {})[number] = sample.score.value
    return found


def repeat_spread(judgements: Judgements) -> RepeatSpread | None:
    """Split the variance of repeated judgements; None where no answer was judged twice.

    One-way random effects: within² = Σ(x - x̄_i)² / Σ(K_i - 1), between² = (MS_between - within²)/K₀
    (Searle, Casella & McCulloch 1992, chapter 3); the share is 1 - ICC(1) of Shrout & Fleiss 1979.
    """
    rows = [np.array(list(by_pass.values())) for by_pass in judgements.values()]
    again = [row for row in rows if len(row) > 1]
    if not again:
        return None
    counts = np.array([len(row) for row in again])
    total, answers = int(counts.sum()), len(again)
    within = sum(float(((row - row.mean()) ** 2).sum()) for row in again) / (total - answers)
    between = _between(again, counts, within) if answers > 1 else 0.0
    variance = within + between
    means, shared, freedom = _passes(judgements)
    return RepeatSpread(
        answers=answers,
        judgements=total,
        within_sd=math.sqrt(within),
        between_sd=math.sqrt(between),
        share=within / variance if variance > 0 else 0.0,
        pass_means=means,
        pass_variance=shared,
        pass_freedom=freedom,
    )


def _between(rows: list[np.ndarray], counts: np.ndarray, within: float) -> float:
    """Return the variance between answers, by the method of moments; never below 0."""
    means = np.array([row.mean() for row in rows])
    grand = float(np.average(means, weights=counts))
    mean_square = float((counts * (means - grand) ** 2).sum()) / (len(rows) - 1)
    typical = (counts.sum() - (counts**2).sum() / counts.sum()) / (len(rows) - 1)
    return max(0.0, (mean_square - within) / float(typical))


def _passes(judgements: Judgements) -> tuple[tuple[float, ...], float, int]:
    """Return each pass's mean, the variance that passes share, and its degrees of freedom.

    Over answers that every pass could read: var(pass means)/K - MS_residual/(n·K), floored at 0, is
    the variance of the run's mean that its passes share (two-way random effects, Brennan 2001).
    """
    passes = sorted({number for by_pass in judgements.values() for number in by_pass})
    whole = [by_pass for by_pass in judgements.values() if len(by_pass) == len(passes)]
    if len(passes) < 2 or len(whole) < 2:
        return (), 0.0, 0
    table = np.array([[by_pass[number] for number in passes] for by_pass in whole])
    answers, times = table.shape
    means = table.mean(axis=0)
    residual = table - table.mean(axis=1, keepdims=True) - means + table.mean()
    mean_square = float((residual**2).sum()) / ((answers - 1) * (times - 1))
    shared = float(means.var(ddof=1)) / times - mean_square / (answers * times)
    return tuple(means.tolist()), max(0.0, shared), times - 1


def with_judge_noise(
    comparison: Comparison, spreads: Iterable[RepeatSpread | None], clusters: int
) -> Comparison:
    """Widen a comparison's interval by the noise that all judgements of one pass share.

    SE² = SE²_items + Σ_runs pass variance, with Satterthwaite's (1946) degrees of freedom, because
    a few passes determine the pass variance poorly. Each side of the interval grows by
    √(1 + Σ/SE²_items) · t(ν)/t(ν_items), so that a side that was guarded stays so. The p-value is
    that of a normal distribution with the widened interval: below 2.5 % exactly if the interval
    lies above -margin.

    Args:
        comparison: Comparison of two judged runs.
        spreads: Spread of each run's judgements; None, or one without a second pass, adds nothing.
        clusters: Number of independent units among the paired items.
    """
    measured = [s for s in spreads if s is not None and s.pass_variance > 0]
    low, high = comparison.interval
    if not measured or comparison.n < 2 or comparison.why_unknown:
        return comparison
    freedom = max(1, clusters - 1)
    quantile = float(stats.t.ppf(0.975, freedom))
    half = max(comparison.difference - low, high - comparison.difference)
    items = (half / quantile) ** 2
    shared = sum(s.pass_variance for s in measured)
    spread = items**2 / freedom + sum(s.pass_variance**2 / s.pass_freedom for s in measured)
    wider = float(stats.t.ppf(0.975, (items + shared) ** 2 / spread)) / quantile
    grows = max(1.0, math.sqrt(1 + shared / items) * wider)
    middle, reach = comparison.difference, width(comparison.scale)
    interval = (
        max(-reach, middle - grows * (middle - low)),
        min(reach, middle + grows * (high - middle)),
    )
    known = AsymmetricNormal(middle, interval)
    worst, best = (ShiftedByLostAnswers(known, bound - middle) for bound in comparison.bounds)
    return replace(
        comparison,
        stderr=math.hypot(comparison.stderr, math.sqrt(shared)),
        judge_stderr=math.sqrt(shared),
        **conclude(comparison.margin, known, worst, best),
    )


def means_by_item(judgements: Judgements) -> dict[str, float]:
    """Return each item's mean over its readable judgements."""
    values: dict[str, list[float]] = {}
    for (sample_id, _), by_pass in judgements.items():
        values.setdefault(sample_id, []).extend(by_pass.values())
    return {sample_id: math.fsum(row) / len(row) for sample_id, row in values.items()}
