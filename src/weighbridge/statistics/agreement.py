"""Two readers of the same items: how often they agree, beyond chance, and in rank.

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
    """Share of labels on which both agree, with a clustered score interval."""
    same = [float(a == b) for a, b in zip(first, second, strict=True)]
    return Agreement(math.fsum(same) / len(same), mean_interval(same, clusters), len(same))


def cohen_kappa(
    first: Sequence[Hashable], second: Sequence[Hashable], clusters: Sequence[str]
) -> Agreement | None:
    """Cohen's kappa (1960); None where both readers always give the same single answer.

    κ = (p - e)/(1 - e), with e the agreement of two who only share these marginals. Its interval is
    that of the agreement p, put through the same formula with e as it was seen (Lee & Tu 1994): it
    never shrinks to a point where everyone agrees, as the delta method's does.
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
    """Spearman's rank correlation; None with fewer than four clusters, or where one never varies.

    Interval: Fisher's z with the standard error √((1 + r²/2)/(n - 3)) (Bonett & Wright 2000,
    Psychometrika 65:23); n counts clusters, as if the items of each said the same.
    """
    units = len(set(clusters))
    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if units < 4 or len(set(a.tolist())) < 2 or len(set(b.tolist())) < 2:
        return None
    found = float(stats.spearmanr(a, b).statistic)
    # Perfect order in a small sample is not perfect order; the bound is a rank in doubt.
    held = max(-1.0, min(1.0, found)) * (1 - 1 / (2 * units))
    error = math.sqrt((1 + held * held / 2) / (units - 3))
    low, high = (math.tanh(math.atanh(held) + side * 1.959964 * error) for side in (-1, 1))
    return Agreement(found, (min(low, found), max(high, found)), len(a))
