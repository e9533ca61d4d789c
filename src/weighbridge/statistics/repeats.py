"""Repeated answers to one item: how much of the variance is the items', how much the answers'."""

from collections.abc import Sequence

import numpy as np

from weighbridge.records import VarianceSplit
from weighbridge.statistics.pairing import Item


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
    a, b = [item.worths_a for item in items], [item.worths_b for item in items]
    if len(items) < 2 or max(map(len, (*a, *b))) < 2:
        return None
    observed = float(np.var([np.mean(x) - np.mean(y) for x, y in zip(a, b, strict=True)], ddof=1))
    repeats_a, repeats_b = _answers(a), _answers(b)
    within_a, within_b = _within(a), _within(b)
    between = max(0.0, observed - within_a / repeats_a - within_b / repeats_b)
    return VarianceSplit(repeats_a, repeats_b, between, within_a, within_b)


def _answers(worths: Sequence[tuple[float, ...]]) -> float:
    """Return the harmonic mean of the numbers of answers per item."""
    return 1.0 / float(np.mean([1.0 / len(values) for values in worths]))


def _within(worths: Sequence[tuple[float, ...]]) -> float:
    """Mean variance of one answer within an item, over the items that have at least two."""
    several = [values for values in worths if len(values) > 1]
    return float(np.mean([np.var(values, ddof=1) for values in several])) if several else 0.0
