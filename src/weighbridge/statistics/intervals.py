"""Standard errors and 95 % intervals of means, clustered where items share a source.

A plain interval is too narrow for two reasons. Items of one cluster tend to agree, so that they
tell less than independent ones (the *design effect*). And where few items differ from the rest, the
data determine neither the spread nor the design effect. So both are averaged with their worst case,
which weighs less the more differing items are seen; see `Spread`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from weighbridge.records.scale import ends, less_is_better

Values = Sequence[float] | npt.NDArray[np.float64]
Clusters = Sequence[str | None] | npt.NDArray[np.int64] | None
"""Cluster of each item, by name or number; None or a negative number: a cluster of its own."""

CONFIDENCE = 0.95


def wilson(successes: float, n: float, z: float | None = None) -> tuple[float, float]:
    """Score interval of a proportion (Wilson 1927).

    Args:
        successes: Number of successes; fractional where n is an effective sample size.
        n: Number of trials, above 0.
        z: Quantile; None takes the normal distribution's 97.5 % quantile.

    >>> [round(x, 4) for x in wilson(9, 10)]
    [0.5958, 0.9821]
    """
    z = float(stats.norm.ppf((1 + CONFIDENCE) / 2)) if z is None else z
    share = successes / n
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    low = 0.0 if share == 0 else max(0.0, middle - half)
    high = 1.0 if share == 1 else min(1.0, middle + half)
    return low, high


def groups_of(clusters: Clusters, n: int) -> npt.NDArray[np.int64] | None:
    """Number the clusters 0…C-1; an item without one is a cluster of its own.

    Returns:
        The cluster's number of each item, shape (items,); None where clusters make no difference:
        there are fewer than two, or every item is a cluster of its own.
    """
    if clusters is None:
        return None
    codes = clusters if isinstance(clusters, np.ndarray) else _coded(clusters)
    alone = codes < 0
    codes = np.where(alone, codes.max(initial=0) + 1 + np.arange(len(codes)), codes)
    _, first, group = np.unique(codes, return_index=True, return_inverse=True)
    if not 1 < len(first) < n:
        return None
    rank = np.empty(len(first), dtype=np.int64)
    rank[np.argsort(first)] = np.arange(len(first))  # in order of appearance
    return rank[group]


def _coded(names: Sequence[str | None]) -> npt.NDArray[np.int64]:
    codes: dict[str | None, int] = {None: -1}
    return np.array([codes.setdefault(name, len(codes) - 1) for name in names], dtype=np.int64)


def clustered_standard_error(values: Values, clusters: Clusters = None) -> float:
    """Return the standard error of a mean.

    Clustered (Miller 2024, arXiv:2411.00640, equation 4, with the small-sample factor C/(C-1)):
    SE² = C/(C-1) · 1/n² · Σ_c (Σ_{i∈c} (s_i - s̄))². Without clusters, sd/√n with n-1 under the sd.

    Returns:
        The standard error; 0.0 where no value differs from another, as with a single one.
    """
    data = np.asarray(values, dtype=np.float64)
    n = len(data)
    if n < 2 or bool((data == data[0]).all()):
        return 0.0
    groups = groups_of(clusters, n)
    if groups is None:
        return float(data.std(ddof=1) / np.sqrt(n))
    sums = np.bincount(groups, weights=data - data.mean())
    count = len(sums)
    return float(np.sqrt(count / (count - 1) * np.sum(sums**2)) / n)


@dataclass(frozen=True)
class Spread:
    """What a sample of values says about the precision of its mean.

    Attributes:
        mean: Mean of the values.
        stderr: The values' `clustered_standard_error`.
        n: Number of values.
        effective_n: n divided by the design effect; n without clusters.
        differing: Number of values that differ from the commonest one.
        freedom: Degrees of freedom: clusters - 1, or n - 1 without clusters.
        clustered: Whether clusters were taken into account.
    """

    mean: float
    stderr: float
    n: int
    effective_n: float
    differing: int
    freedom: int
    clustered: bool

    @property
    def quantile(self) -> float:
        """Student's 97.5 % quantile."""
        return float(stats.t.ppf((1 + CONFIDENCE) / 2, self.freedom))

    @property
    def score_quantile(self) -> float:
        """Quantile for the score intervals of 0/1 values: the normal's unless clustered."""
        return self.quantile if self.clustered else float(stats.norm.ppf((1 + CONFIDENCE) / 2))

    def guarded_stderr(self, width: float) -> float:
        """Return the standard error, widened for differences too rare to show among the values.

        `width` is the scale's: the most that two scores can differ by.

        Where all values are equal, a share of up to z²/(n+z²) of items may still lie elsewhere
        (Wilson's bound at zero events), so the interval gets that half-width; each value that
        differs dilutes the term, which is negligible once a few dozen do.
        """
        hidden = hidden_stderr(self.quantile, self.effective_n, self.differing, width)
        return math.hypot(self.stderr, hidden)


def hidden_stderr(quantile: float, effective_n: float, differing: float, width: float) -> float:
    """Return the term that `Spread.guarded_stderr` adds, as a standard error."""
    return quantile / (effective_n + quantile**2) * width / math.sqrt(1 + differing)


def mixed_effect(differing: float, seen: float, worst: float) -> float:
    """Return the design effect, averaged from its estimate and its worst case; see `spread_of`."""
    return (differing * seen + worst) / (differing + 1)


def spread_of(values: Values, clusters: Clusters = None) -> Spread:
    """Measure mean, standard error and effective sample size.

    The effective sample size divides n by the design effect (Rao & Scott 1992, Biometrics 48:577):
    the squared ratio of clustered to plain standard error. That ratio is estimated from the values
    that differ; with few of them the estimate is poor (one alone always gives about 1). So it is
    averaged with its worst case Σm_c²/n, in which all items of a cluster agree; the worst case has
    the weight of one differing value. The design effect is never taken below 1.
    """
    data = np.asarray(values, dtype=np.float64)
    n = len(data)
    stderr = clustered_standard_error(data, clusters)
    differing = n - int(np.unique(data, return_counts=True)[1].max())
    groups = groups_of(clusters, n)
    mean = math.fsum(data) / n
    if groups is None:
        return Spread(mean, stderr, n, float(n), differing, max(1, n - 1), False)
    sizes = np.bincount(groups)
    plain = clustered_standard_error(data)
    seen = (stderr / plain) ** 2 if plain > 0 else 0.0
    worst = float(np.sum(sizes**2)) / n
    effect = mixed_effect(differing, seen, worst)
    return Spread(mean, stderr, n, n / max(1.0, effect), differing, len(sizes) - 1, True)


def mean_interval(
    values: Values, clusters: Clusters = None, scale: tuple[float, float] = (0.0, 1.0)
) -> tuple[float, float]:
    """95 % interval of a mean, inside the scale.

    Values that are all at one end of the scale or the other get Wilson's interval, which holds near
    the ends; in clusters, with the effective sample size and the t quantile of C-1 degrees of
    freedom. Other values get the t interval with `Spread.guarded_stderr`; losses get it with the
    plain standard error, see `inference.fixed`. Without values, or with a single one between the
    scale's ends, nothing is known, and the interval is the whole scale.
    """
    data = np.asarray(values, dtype=np.float64)
    low, high = ends(scale)
    if len(data) == 0:
        return low, high
    spread = spread_of(data, clusters)
    if less_is_better(scale) and len(data) > 1:
        half = spread.quantile * spread.stderr
        return max(low, spread.mean - half), min(high, spread.mean + half)
    if bool(np.isin(data, scale).all()):
        share = (spread.mean - low) / (high - low)
        bounds = wilson(share * spread.effective_n, spread.effective_n, spread.score_quantile)
        return low + bounds[0] * (high - low), low + bounds[1] * (high - low)
    if len(data) == 1:
        return low, high
    half = spread.quantile * spread.guarded_stderr(high - low)
    return max(low, spread.mean - half), min(high, spread.mean + half)
