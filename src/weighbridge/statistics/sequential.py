"""An interval that holds at every moment, so that a run may stop as soon as it is decided.

A 95 % interval that is looked at after every item, until it shows what one hopes for, misses the
true value far more often than one time in twenty. This module computes a *confidence sequence*
instead: the chance that it ever misses, at any of arbitrarily many looks, is at most 5 %.

It is constructed by betting (Waudby-Smith & Ramdas 2024, JRSS B 86:1, arXiv:2010.09686). Against
the hypothesis that the mean difference is at most δ, a gambler stakes a share u of the capital on
each item; with d in [-1, 1] the capital is

    K(δ) = Π_i (1 + u·(d_i - δ)/(1 + δ)),

whose expectation does not grow if the hypothesis holds, so that it ever exceeds 1/α with a chance
of at most α (Ville 1939). δ is rejected once K(δ) ≥ 1/α. The capital is averaged over shares u from
the arcsine distribution, as in Cover's universal portfolio, which stays within a factor of about
√(πn) of the best share in hindsight (Orabona & Jun 2024, IEEE Trans. Inf. Theory 70:436,
arXiv:2110.14099). The average is over a grid of shares, which leaves the guarantee exact. Because
the shares are fixed, the capital depends on which items were asked, not on their order, so it can
be recomputed from a finished run.

Each cluster is one bet, or *round*: for a cluster of m items whose differences sum to S, and with M
the size of the largest cluster, (S - δm)/M takes the place of d - δ. Its mean is 0 exactly where δ
is the mean over items. Clusters must be asked whole and in a random order. Unequal clusters cost
power: with a few dozen of very different sizes, such as MMLU's subjects, a run hardly ever stops
early.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import optimize, special

from weighbridge.records import canonical_digest
from weighbridge.statistics.columns import Floats
from weighbridge.statistics.inference import ALPHA, Inference, NoData

_SHARES = np.sin(np.pi * (2 * np.arange(64) + 1) / 256) ** 2
"""Betting fractions: quantiles of the arcsine distribution, equally weighted."""

_EPSILON = 1e-9


@dataclass(frozen=True)
class Anytime:
    """The confidence sequence after the rounds so far; see the module's docstring.

    Rounds with the same sum and size are one kind. The arrays have the shape (kinds,).

    Attributes:
        sums: Sum of the differences in a round of each kind, each divided by the scale's width.
        sizes: Number of items in a round of each kind.
        counts: Number of rounds of each kind.
        largest: Number of items in the largest cluster, whether it was asked yet or not.
        width: Width of the scale.
    """

    sums: Floats
    sizes: Floats
    counts: Floats
    largest: int
    width: float

    def interval(self) -> tuple[float, float]:
        """95 % confidence sequence of the mean difference."""
        mean = float(self.counts @ self.sums) / float(self.counts @ self.sizes)
        low = _lowest(lambda bound: self._log_capital(self.sums, bound), mean)
        high = -_lowest(lambda bound: self._log_capital(-self.sums, bound), -mean)
        return low * self.width, high * self.width

    def p_above(self, bound: float) -> float:
        """Return 1/K, at most 1: valid at any stop (Shafer et al. 2011, Statist. Sci. 26:84)."""
        return min(1.0, math.exp(-self._log_capital(self.sums, bound / self.width)))

    def p_below(self, bound: float) -> float:
        """Return 1/K of the claim that the mean lies below the bound, at most 1."""
        return min(1.0, math.exp(-self._log_capital(-self.sums, -bound / self.width)))

    def _log_capital(self, sums: Floats, bound: float) -> float:
        gains = (sums - bound * self.sizes) / (self.largest * (1 + bound))
        growth = self.counts @ np.log1p(gains[:, None] * _SHARES)
        return float(special.logsumexp(growth) - math.log(len(_SHARES)))


def place_in_order(seed: int, cluster: str | None, sample_id: str) -> tuple[str, str]:
    """Return a sort key that puts clusters in random order and keeps each of them whole.

    The key depends on the seed and the names alone, so that the order is fixed before anything is
    asked, and can be recomputed from evidence.
    """
    whole = cluster if cluster is not None else f"item {sample_id}"
    return canonical_digest([seed, whole]), canonical_digest([seed, whole, sample_id])


def anytime(
    difference: Floats,
    clusters: Sequence[str | None] | None,
    width: float,
    largest_cluster: int = 1,
) -> Inference:
    """Infer from the items asked so far, at any moment.

    Args:
        difference: A - B of each item, shape (items,); each cluster must be complete.
        clusters: Cluster of each item; None where every item is a cluster of its own.
        width: Width of the scale that A and B are on.
        largest_cluster: Number of items in the largest cluster, whether it was asked yet or not.
    """
    if len(difference) == 0:
        return NoData(width)
    groups = _rounds(clusters, len(difference))
    sums = np.bincount(groups, weights=difference / width).astype(np.float64)
    return of_rounds(sums, np.bincount(groups).astype(np.float64), width, largest_cluster)


def _rounds(clusters: Sequence[str | None] | None, n: int) -> npt.NDArray[np.int64]:
    """Number the clusters; an item without one is a cluster of its own."""
    numbers: dict[object, int] = {}
    names = clusters or [None] * n
    keys = ((i, None) if name is None else name for i, name in enumerate(names))
    return np.array([numbers.setdefault(key, len(numbers)) for key in keys], dtype=np.int64)


def of_rounds(sums: Floats, sizes: Floats, width: float, largest: int) -> Inference:
    """Infer from rounds, each given by its size and the sum of its differences over the width."""
    if not len(sums):
        return NoData(width)
    kinds, counts = np.unique(np.column_stack([sums, sizes]), axis=0, return_counts=True)
    return Anytime(
        kinds[:, 0], kinds[:, 1], counts.astype(np.float64), max(largest, int(sizes.max())), width
    )


def _lowest(log_capital: Callable[[float], float], mean: float) -> float:
    """Find the lowest mean that is not rejected; the capital falls as the tested mean rises."""
    end, wanted = -1 + _EPSILON, -math.log(ALPHA)
    if mean <= end or log_capital(end) < wanted:
        return -1.0
    return float(optimize.brentq(lambda bound: log_capital(bound) - wanted, end, mean, xtol=1e-10))
