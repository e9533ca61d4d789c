"""What a count of trials can support: exact one-sided bounds of a rate, and the rule of three.

The bounds are those of Clopper and Pearson (1934, Biometrika 26:404) at 95 %. With no hit in n
trials the upper one is about 3/n (Hanley and Lippman-Hand 1983, JAMA 249:1743), so that a rate of
at most 1 % can't be claimed from fewer than 300 trials, whatever they showed.
"""

import math

from scipy import stats

from weighbridge.release.gate import Finding, failed, insufficient, passed

CONFIDENCE = 0.95


def upper_bound(hits: int, n: int) -> float:
    """Return the rate that, at 95 %, the true one does not exceed.

    >>> round(upper_bound(0, 300), 5)
    0.00994
    """
    return 1.0 if hits >= n else float(stats.beta.ppf(CONFIDENCE, hits + 1, n - hits))


def lower_bound(hits: int, n: int) -> float:
    """Return the rate that, at 95 %, the true one is not below."""
    return 0.0 if hits <= 0 or n <= 0 else float(stats.beta.ppf(1 - CONFIDENCE, hits, n - hits + 1))


def trials_needed(limit: float) -> int:
    """Return how many clean trials a claim of at most this rate needs.

    >>> trials_needed(0.01)
    300
    """
    return math.ceil(round(3 / limit, 9))


def at_most(what: str, hits: int, n: int, limit: float, *evidence: str) -> Finding:
    """Decide whether a rate is at most a limit.

    Args:
        what: What was counted, in the plural.
        hits: How many of them there were.
        n: Trials.
        limit: The highest rate that passes.
        evidence: Digests of what was counted in.
    """
    high, needed = upper_bound(hits, n), trials_needed(limit)
    said = f"{hits} {what} of {n}, at most {high:.1%} at 95 %"
    if lower_bound(hits, n) > limit:
        return failed(f"{said}; the limit is {limit:.1%}", f"a model with fewer {what}", *evidence)
    if n < needed:
        why = f"{said}; a claim of at most {limit:.1%} needs {needed} trials"
        return insufficient(why, f"{needed - n} more trials", *evidence)
    if high > limit:
        why = f"{said}; the limit is {limit:.1%}"
        return insufficient(why, f"more trials, or fewer {what}", *evidence)
    return passed(said, *evidence)
