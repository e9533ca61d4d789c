"""Standard errors and 95 % intervals of means, clustered where items share a source."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import stats

Values = Sequence[float] | npt.NDArray[np.float64]
Clusters = Sequence[str | None] | None


def wilson(successes: float, n: float, z: float | None = None) -> tuple[float, float]:
    """Score interval of a proportion (Wilson 1927).

    Args:
        successes: May be fractional where n is an effective sample size.
        n: Trials, above 0.
        z: Quantile; None takes the normal's 97.5 %.

    >>> [round(x, 4) for x in wilson(9, 10)]
    [0.5958, 0.9821]
    """
    z = float(stats.norm.ppf(0.975)) if z is None else z
    share = successes / n
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z * np.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    low = 0.0 if share == 0 else max(0.0, float(middle - half))
    high = 1.0 if share == 1 else min(1.0, float(middle + half))
    return low, high


def groups_of(clusters: Clusters, n: int) -> npt.NDArray[np.int64] | None:
    """Number the clusters 0…C-1; None where there are fewer than two, or every item is its own."""
    if clusters is None or any(cluster is None for cluster in clusters):
        return None
    names, numbers = np.unique(np.asarray(clusters, dtype=str), return_inverse=True)
    return numbers.astype(np.int64) if 1 < len(names) < n else None


def clustered_standard_error(values: Values, clusters: Clusters = None) -> float:
    """Standard error of a mean.

    Clustered (Miller 2024, arXiv:2411.00640, equation 4, with the small-sample factor C/(C-1)):
    SE² = C/(C-1) · 1/n² · Σ_c (Σ_{i∈c} (s_i - s̄))². Without clusters, sd/√n with n-1 under the sd.

    Returns:
        0.0 for a single value: nothing can be said about its spread.
    """
    data = np.asarray(values, dtype=np.float64)
    n = len(data)
    if n < 2:
        return 0.0
    groups = groups_of(clusters, n)
    if groups is None:
        return float(data.std(ddof=1) / np.sqrt(n))
    sums = np.bincount(groups, weights=data - data.mean())
    count = len(sums)
    return float(np.sqrt(count / (count - 1) * np.sum(sums**2)) / n)


def degrees_of_freedom(n: int, clusters: Clusters) -> int:
    """Return n - 1, or the number of clusters - 1."""
    groups = groups_of(clusters, n)
    return max(1, (n if groups is None else int(groups.max()) + 1) - 1)


def mean_interval(
    values: Values, clusters: Clusters = None, scale: tuple[float, float] = (0.0, 1.0)
) -> tuple[float, float]:
    """95 % interval of a mean, inside the scale.

    Values that are all 0 or 1 get Wilson's interval, which holds near the ends; in clusters, with
    the effective sample size p(1-p)/SE² and the t quantile of C-1 degrees of freedom. Other values
    get the t interval; where they are all equal, which says little of the next one, the interval
    is widened to what a proportion with as many observations would have.
    """
    data = np.asarray(values, dtype=np.float64)
    n = len(data)
    low, high = scale
    if n == 0:
        return scale
    quantile = float(stats.t.ppf(0.975, degrees_of_freedom(n, clusters)))
    clustered = groups_of(clusters, n) is not None
    spread = clustered_standard_error(data, clusters)
    share = (float(data.mean()) - low) / (high - low)
    if bool(np.isin(data, (low, high)).all()) or spread == 0:
        z = quantile if clustered else None
        effective = float(n)
        if clustered and spread > 0:
            effective = min(float(n), share * (1 - share) / (spread / (high - low)) ** 2)
        bounds = wilson(share * effective, max(effective, 1.0), z)
        return low + bounds[0] * (high - low), low + bounds[1] * (high - low)
    mean = float(data.mean())
    return max(low, mean - quantile * spread), min(high, mean + quantile * spread)
