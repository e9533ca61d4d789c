"""Two proportions over the same items: Tango's score interval and McNemar's exact test.

Both depend on the items on which the two differ: `won` counts those that only A has right, and
`lost` those that only B has right.
"""

import math

import numpy as np
from scipy import optimize, stats

from weighbridge.statistics.intervals import Values


def mcnemar(a: Values, b: Values) -> float | None:
    """Exact two-sided McNemar test of no difference; None where values aren't all 0 or 1."""
    first, second = np.asarray(a), np.asarray(b)
    if not (_binary(first) and _binary(second)):
        return None
    won, lost = int(np.sum(first > second)), int(np.sum(first < second))
    if won + lost == 0:
        return 1.0
    return float(stats.binomtest(won, won + lost, 0.5).pvalue)


def tango_statistic(won: float, lost: float, n: float, difference: float) -> float:
    """Score statistic for the hypothesis that A - B is `difference` (Tango 1998).

    Args:
        won: Items that only A has right; fractional where n is an effective sample size.
        lost: Items that only B has right.
        n: Number of all paired items.
        difference: The hypothetical difference, in [-1, 1].

    Returns:
        The statistic, standard normal under the hypothesis; positive where A did better.
    """
    if difference < 0:  # the mirror image: one branch, and the sign is exact under a swap
        return -tango_statistic(lost, won, n, -difference)
    distance = won - lost - n * difference
    variance = _variance(won, lost, n, difference)
    if variance <= 0:
        return math.copysign(math.inf, distance) if distance else 0.0
    return distance / math.sqrt(variance)


def tango_interval(
    won: float, lost: float, n: float, z: float | None = None
) -> tuple[float, float]:
    """95 % score interval of the difference of paired proportions (Tango 1998, Stat. Med. 17:891).

    It keeps its coverage where few items or none differ: with none, it is ± z²/(n+z²).

    Args:
        won: Items that only A has right; fractional where n is an effective sample size.
        lost: Items that only B has right.
        n: Number of all paired items.
        z: Quantile; None takes the normal distribution's 97.5 % quantile.
    """
    z = float(stats.norm.ppf(0.975)) if z is None else z
    return -_upper(lost, won, n, z), _upper(won, lost, n, z)


def _upper(won: float, lost: float, n: float, z: float) -> float:
    seen = (won - lost) / n
    if seen >= 1:
        return 1.0
    # Where all items agree, or all are lost, the estimated variance is 0 and the estimate itself
    # solves the score equation, too; these are the equation's other solutions.
    if won + lost == 0:
        return z * z / (n + z * z)
    if seen <= -1:
        return (z * z - n) / (n + z * z)

    def excess(difference: float) -> float:
        """Zero where the statistic is -z, without its division by a variance that may vanish."""
        mirrored = difference < 0
        first, second = (lost, won) if mirrored else (won, lost)
        variance = _variance(first, second, n, abs(difference))
        return won - lost - n * difference + z * math.sqrt(max(0.0, variance))

    return float(optimize.brentq(excess, seen, 1.0, xtol=1e-12))


def _variance(won: float, lost: float, n: float, difference: float) -> float:
    """Variance of won - lost at the most likely probabilities with the stated difference (>= 0)."""
    linear = 2 * n * difference - won * (1 + difference) - lost * (1 - difference)
    product = lost * difference * (1 - difference)
    root = math.sqrt(linear * linear + 8 * n * product)
    # The larger root of 2n·q² + linear·q - product = 0, without cancellation.
    only_b = 2 * product / (root + linear) if linear > 0 else (root - linear) / (4 * n)
    return n * (2 * only_b + difference * (1 - difference))


def _binary(values: np.ndarray) -> bool:
    return bool(np.isin(values, (0.0, 1.0)).all())
