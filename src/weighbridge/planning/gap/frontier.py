"""The best score so far, and how far one group's is behind the other's, in time.

The lag on a day is a horizontal distance between two staircases: how long ago the leading group
went past what the following group reaches on that day. It depends on the order of scores alone, so
it is the same for accuracies, log-odds or ratings. This is how Epoch AI measures the lag of open
models on its index (epoch.ai/data-insights/open-weights-vs-closed-weights-models, 2025), but for
two choices: here the lag is averaged over the days of a year rather than over the records that
open models set, and a lead counts as a negative lag.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Frontier:
    """Records of one group in the order of time; each is higher than the one before.

    Attributes:
        days: When each record was set, as ordinals of dates.
        values: The records.
        rows: Position of each record among the rows that it was made from.
    """

    days: Array
    values: Array
    rows: NDArray[np.intp]

    def at(self, days: Array) -> Array:
        """Return the best so far on each day; minus infinity before the first record."""
        place = np.searchsorted(self.days, days, side="right")
        return np.concatenate(([-np.inf], self.values))[place]


def frontier(days: Array, values: Array) -> Frontier:
    """Return the records among scores: those that no score of that day or before reaches.

    Args:
        days: Ordinals of dates, in any order.
        values: A score for each.
    """
    order = np.lexsort((-values, days))
    before = np.concatenate(([-np.inf], np.maximum.accumulate(values[order])[:-1]))
    kept = order[values[order] > before]
    return Frontier(days[kept], values[kept], kept)


@dataclass(frozen=True, eq=False)
class Lags:
    """Lag on each day.

    Attributes:
        days: Behind; negative where the follower leads; NaN where either group has no score yet.
        at_least: Whether the leader was past that score in its first record already, so that the
            true lag is longer.
    """

    days: Array
    at_least: NDArray[np.bool_]

    @property
    def mean_days(self) -> float:
        """Mean over the days on which both groups have scores; NaN where there is none."""
        known = self.days[np.isfinite(self.days)]
        return float(known.mean()) if known.size else float("nan")


def lags(leader: Frontier, follower: Frontier, days: Array) -> Lags:
    """Return by how many days the follower is behind on each of these days."""
    led, followed = leader.at(days), follower.at(days)
    behind, first = _since_passed(leader, followed, days)
    ahead, _ = _since_passed(follower, led, days)
    found = np.where(followed < led, behind, np.where(followed > led, -ahead, 0.0))
    known = np.isfinite(led) & np.isfinite(followed)
    return Lags(np.where(known, found, np.nan), known & (followed < led) & first)


def _since_passed(records: Frontier, values: Array, days: Array) -> tuple[Array, NDArray[np.bool_]]:
    """Return how long ago records went past values, and whether the first record already did."""
    place = np.searchsorted(records.values, values, side="right")
    passed = np.concatenate((records.days, [np.inf]))[place]
    return days - passed, place == 0


def every_day(first: int, last: int, step: int = 1) -> Array:
    """Return the ordinals from the first to the last, both included."""
    found: Sequence[int] = range(first, last + 1, step)
    return np.asarray(found, dtype=np.float64)
