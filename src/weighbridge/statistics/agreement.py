"""Agreement of two raters of the same items: rate, Cohen's kappa and rank correlation.

Several labels of one item are not independent, so intervals count items (or their clusters), not
labels.
"""

import math
from collections.abc import Hashable, Sequence

import numpy as np
from scipy import stats

from weighbridge.records import Agreement
from weighbridge.statistics.intervals import mean_interval


def agreement_rate(
    first: Sequence[Hashable], second: Sequence[Hashable], clusters: Sequence[str]
) -> Agreement:
    """Return the share of labels on which both raters agree, with a clustered score interval."""
    same = [float(a == b) for a, b in zip(first, second, strict=True)]
    return Agreement(math.fsum(same) / len(same), mean_interval(same, clusters), len(same))


def cohen_kappa(
    first: Sequence[Hashable], second: Sequence[Hashable], clusters: Sequence[str]
) -> Agreement | None:
    """Return Cohen's kappa (1960); None where both raters give every item the same single label.

    κ = (p - e)/(1 - e), with p the share of agreement, and e the agreement expected of two
    independent raters with the same marginals. The interval is that of p, put through the same
    formula with e fixed at its observed value (Lee & Tu 1994): unlike the delta method's interval,
    it does not shrink to a point where all labels agree.
    """
    agreed = agreement_rate(first, second, clusters)
    names = set(first) | set(second)
    chance = math.fsum(
        first.count(name) / agreed.n * (second.count(name) / agreed.n) for name in names
    )
    if chance >= 1:
        return None

    def beyond(rate: float) -> float:
        return (rate - chance) / (1 - chance)

    low, high = agreed.interval
    return Agreement(beyond(agreed.rate), (max(-1.0, beyond(low)), beyond(high)), agreed.n)


def rank_correlation(
    first: Sequence[float], second: Sequence[float], clusters: Sequence[str]
) -> Agreement | None:
    """Return Spearman's correlation; None with fewer than four clusters, or where one is constant.

    Interval: Fisher's z with the standard error √((1 + r²/2)/(n - 3)) (Bonett & Wright 2000,
    Psychometrika 65:23). n is the number of clusters, as if all items of a cluster agreed.
    """
    units = len(set(clusters))
    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if units < 4 or len(set(a.tolist())) < 2 or len(set(b.tolist())) < 2:
        return None
    found = float(stats.spearmanr(a, b).statistic)
    # r = ±1 in a small sample would give an interval of no width, so r is shrunk before it.
    held = max(-1.0, min(1.0, found)) * (1 - 1 / (2 * units))
    error = math.sqrt((1 + held * held / 2) / (units - 3))
    low, high = (math.tanh(math.atanh(held) + side * 1.959964 * error) for side in (-1, 1))
    return Agreement(found, (min(low, found), max(high, found)), len(a))
