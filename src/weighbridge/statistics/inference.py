"""Inference on the mean of paired differences: an interval, and p-values against any bound.

There are two ways to an `Inference`: `fixed`, for a number of items that was fixed beforehand, and
`sequential.anytime`, for a run that may stop at any time.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypedDict

import numpy as np
from scipy import special

from weighbridge.records import Verdict
from weighbridge.statistics.columns import Floats
from weighbridge.statistics.intervals import Clusters, Spread, spread_of
from weighbridge.statistics.matched_pairs import tango_interval, tango_statistic

ALPHA = 0.025
"""Level of each one-sided test, and of each tail of a 95 % interval."""


class Inference(Protocol):
    """What is known about a mean difference."""

    def interval(self) -> tuple[float, float]:
        """95 % interval."""

    def p_above(self, bound: float) -> float:
        """One-sided p-value of the claim that the mean lies above a bound."""

    def p_below(self, bound: float) -> float:
        """One-sided p-value of the claim that the mean lies below a bound."""


@dataclass(frozen=True)
class NoData:
    """Nothing is known.

    There is no item, a single one whose difference is neither 0 nor the whole scale, or a run
    without a graded answer. `width` is the scale's.
    """

    width: float

    def interval(self) -> tuple[float, float]:
        """The whole scale."""
        return -self.width, self.width

    def p_above(self, bound: float) -> float:
        """Return 1: there is no evidence for the claim."""
        return 1.0

    def p_below(self, bound: float) -> float:
        """Return 1: there is no evidence for the claim."""
        return 1.0


@dataclass(frozen=True)
class WonAndLost:
    """Tango's score test, for items that are won, lost or tied.

    Attributes:
        won: Number of items won, scaled to the effective sample size.
        lost: Number of items lost, scaled likewise.
        spread: Spread of the items' differences.
        width: Width of the scale.
    """

    won: float
    lost: float
    spread: Spread
    width: float

    def interval(self) -> tuple[float, float]:
        """Tango's score interval, with the effective sample size in place of n."""
        low, high = tango_interval(
            self.won, self.lost, self.spread.effective_n, self.spread.score_quantile
        )
        return low * self.width, high * self.width

    def p_above(self, bound: float) -> float:
        """Return the upper tail of the score statistic at the bound."""
        return self._below(-self._statistic(bound))

    def p_below(self, bound: float) -> float:
        """Return the lower tail of the score statistic at the bound."""
        return self._below(self._statistic(bound))

    def _statistic(self, bound: float) -> float:
        n = self.spread.effective_n
        return tango_statistic(self.won, self.lost, n, bound / self.width)

    def _below(self, statistic: float) -> float:
        """Return the chance of a lower statistic: normal, or Student's t where items cluster."""
        if self.spread.clustered:
            return float(special.stdtr(self.spread.freedom, statistic))
        return float(special.ndtr(statistic))


@dataclass(frozen=True)
class GradedPairs:
    """Student's t with a clustered standard error, for differences of any size.

    Attributes:
        spread: Spread of the items' differences.
        width: Width of the scale.
        guarded: Whether the standard error is guarded against what the data could hide; see
            `Spread.guarded_stderr`.
    """

    spread: Spread
    width: float
    guarded: bool = True

    def interval(self) -> tuple[float, float]:
        """Mean plus or minus quantile times standard error, cut to what the scale allows."""
        mean, half = self.spread.mean, self.spread.quantile * self._stderr
        return max(-self.width, mean - half), min(self.width, mean + half)

    def p_above(self, bound: float) -> float:
        """Return the upper tail of the t statistic at the bound."""
        return self._below(bound - self.spread.mean)

    def p_below(self, bound: float) -> float:
        """Return the lower tail of the t statistic at the bound."""
        return self._below(self.spread.mean - bound)

    def _below(self, distance: float) -> float:
        stderr = self._stderr
        if stderr == 0:  # every item says the same, to the last bit
            return 1.0 if distance >= 0 else 0.0
        return float(special.stdtr(self.spread.freedom, distance / stderr))

    @property
    def _stderr(self) -> float:
        if not self.guarded:
            return self.spread.stderr
        return self.spread.guarded_stderr(self.width + abs(self.spread.mean))


def fixed(
    difference: Floats, clusters: Clusters, width: float, measured: bool = False
) -> Inference:
    """Infer from a number of items that was fixed beforehand; see `paired.compare`.

    Args:
        difference: A's advantage on each item, shape (items,).
        clusters: Cluster of each item.
        width: Width of the scale that A and B are on.
        measured: Whether values are measured, as losses are. A grade hides what would have tipped
            it, so that many equal grades may stand beside a very different one. A loss is a sum
            over every word, and any change of the weights moves it, so its spread can be seen.
    """
    n = len(difference)
    if measured:
        if n < 2:
            return NoData(width)
        return GradedPairs(spread_of(difference, clusters), width, guarded=False)
    all_or_nothing = bool(np.isin(difference, (-width, 0.0, width)).all())
    if n == 0 or (n == 1 and not all_or_nothing):
        return NoData(width)
    spread = spread_of(difference, clusters)
    if not all_or_nothing:
        return GradedPairs(spread, width)
    share = spread.effective_n / n
    won, lost = float(np.sum(difference > 0)) * share, float(np.sum(difference < 0)) * share
    return WonAndLost(won, lost, spread, width)


@dataclass(frozen=True)
class AsymmetricNormal:
    """A 95 % interval given by its ends; each side is read as a normal's, with its own error.

    Attributes:
        mean: The mean difference.
        ends: Lower and upper end of the interval.
    """

    mean: float
    ends: tuple[float, float]

    def interval(self) -> tuple[float, float]:
        """The interval itself."""
        return self.ends

    def p_above(self, bound: float) -> float:
        """Use the lower side's error: below 2.5 % exactly if the interval lies above the bound."""
        return _tail(self.mean - bound, self.mean - self.ends[0])

    def p_below(self, bound: float) -> float:
        """Use the upper side's error: below 2.5 % exactly if the interval lies below the bound."""
        return _tail(bound - self.mean, self.ends[1] - self.mean)


@dataclass(frozen=True)
class ShiftedByLostAnswers:
    """Another inference, shifted by the effect that lost answers may have had.

    Attributes:
        known: The inference from the answers at hand.
        by: The shift of the mean.
    """

    known: Inference
    by: float

    def interval(self) -> tuple[float, float]:
        """The interval of `known`, shifted."""
        low, high = self.known.interval()
        return low + self.by, high + self.by

    def p_above(self, bound: float) -> float:
        """Return the p-value of `known` at the bound shifted back."""
        return self.known.p_above(bound - self.by)

    def p_below(self, bound: float) -> float:
        """Return the p-value of `known` at the bound shifted back."""
        return self.known.p_below(bound - self.by)


def _tail(distance: float, half: float) -> float:
    if half <= 0:
        return 0.0 if distance > 0 else 1.0
    return float(special.ndtr(-special.ndtri(1 - ALPHA) * distance / half))


def claims_at(
    margin: float, known: Inference, worst: Inference, best: Inference
) -> dict[Verdict, float]:
    """Return the one-sided p-value of each verdict.

    Args:
        margin: How much worse A may be.
        known: Inference from the answers at hand.
        worst: Inference if every lost answer had gone against A.
        best: Inference if every lost answer had gone for A.
    """
    above = max(known.p_above(-margin), worst.p_above(-margin))
    return {
        "superior": max(known.p_above(0.0), worst.p_above(0.0)),
        # Two one-sided tests (Schuirmann 1987): both must reject, so the larger p-value counts.
        "equivalent": max(above, known.p_below(margin), best.p_below(margin)),
        "non_inferior": above,
        "inferior": max(known.p_below(-margin), best.p_below(-margin)),
    }


class Conclusion(TypedDict):
    """The fields of a `Comparison` that `conclude` computes."""

    interval: tuple[float, float]
    bounds_interval: tuple[float, float]
    p_value: float
    claims: dict[Verdict, float]
    verdict: Verdict


def conclude(margin: float, known: Inference, worst: Inference, best: Inference) -> Conclusion:
    """Conclude at a margin; the verdict holds whatever values the lost answers would have had.

    Args:
        margin: How much worse A may be.
        known: Inference from the answers at hand.
        worst: Inference if every lost answer had gone against A.
        best: Inference if every lost answer had gone for A.
    """
    low, high = known.interval()
    bounds = min(low, worst.interval()[0]), max(high, best.interval()[1])
    return Conclusion(
        interval=(low, high),
        bounds_interval=bounds,
        p_value=known.p_above(-margin),
        claims=claims_at(margin, known, worst, best),
        verdict=verdict(bounds, margin),
    )


def verdict(interval: tuple[float, float], margin: float) -> Verdict:
    """Return the verdict of an interval of A - B at a margin; `paired.compare` gives the order."""
    low, high = interval
    if low > 0:
        return "superior"
    if low > -margin:
        return "equivalent" if high < margin else "non_inferior"
    return "inferior" if high < -margin else "inconclusive"


def first_claim(claims: dict[Verdict, float], alpha: float = ALPHA) -> Verdict:
    """Return the strongest verdict whose p-value is below alpha."""
    order: Sequence[Verdict] = ("superior", "equivalent", "non_inferior", "inferior")
    return next((name for name in order if claims[name] < alpha), "inconclusive")
