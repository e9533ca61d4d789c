"""Power analysis: what a number of items can show, and how many items or repeats a margin needs.

The claim is that A - B lies above -margin: non-inferiority, or, with a margin of 0, superiority.
Its power is that of the test that `compare` makes, at a variance of items that is assumed or was
estimated from a pilot:

    variance of one item's difference = ω² + (σ²_A + σ²_B)/K        (Miller 2024, arXiv:2411.00640)
    design effect = 1 + (m - 1)·ICC, with m = Σm_c²/Σm_c            (Kish 1965)

Single right-or-wrong answers without clusters are enumerated, so their power is exact. Otherwise
the statistic is assumed to be noncentral t, and its standard error is guarded as `compare` guards
it (`Spread.guarded_stderr`).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

from weighbridge.errors import InputError
from weighbridge.records import Comparison
from weighbridge.statistics.intervals import hidden_stderr, mixed_effect
from weighbridge.statistics.matched_pairs import tango_statistic

MOST_ITEMS = 10_000_000
MOST_REPEATS = 1_000


@dataclass(frozen=True)
class Design:
    """The claim to be shown and the assumptions about the items, all on a scale from 0 to 1.

    Attributes:
        margin: The claim is that A - B is above -margin.
        difference: The true A - B.
        disagreement: Mean of (a - b)², each answer asked once: for right-or-wrong answers the share
            of items on which the two differ.
        within: σ²_A + σ²_B, variance of single answers to one item; 0 where answers are not drawn.
        graded: Whether answers can have values between right and wrong.
        icc: Correlation of the differences of two items of one cluster.
        cluster_size: Mean size of an item's cluster, Σm²/Σm.
        alpha: Level of the one-sided test.

    Raises:
        InputError: A value is out of its range, or two values contradict each other.
    """

    margin: float
    difference: float = 0.0
    disagreement: float = 0.2
    within: float = 0.0
    graded: bool = False
    icc: float = 0.0
    cluster_size: float = 1.0
    alpha: float = 0.025

    def __post_init__(self) -> None:
        for name, value, low, high in (
            ("margin", self.margin, 0.0, 1.0),
            ("disagreement", self.disagreement, 0.0, 1.0),
            ("ICC", self.icc, 0.0, 1.0),
            ("alpha", self.alpha, 1e-12, 0.5),
        ):
            if not low <= value <= high:
                raise InputError(f"{name} {value:g}", f"from {low:g} to {high:g}")
        if self.cluster_size < 1:
            raise InputError(f"cluster size {self.cluster_size:g}", "at least 1")
        if self.icc > 0 and self.cluster_size == 1:
            raise InputError("an ICC without clusters", "a cluster size above 1")
        most = self.disagreement if not self.graded else math.sqrt(self.disagreement)
        if abs(self.difference) > most:
            raise InputError(
                f"a difference of {self.difference:g} where only {self.disagreement:g} of the "
                "items differ",
                "a difference no larger than the disagreement",
            )
        if not 0 <= self.within <= self.variance(1) + 1e-12:
            raise InputError(
                f"a variance within items of {self.within:g}, of {self.variance(1):g} in all",
                "at most the variance in all",
            )

    def variance(self, repeats: int) -> float:
        """Return the variance of one item's difference, with answers averaged over repeats."""
        return self.disagreement - self.difference**2 - self.within * (1 - 1 / repeats)

    def design_effect(self, repeats: int) -> float:
        """Return the variance of the mean, divided by its value without clusters."""
        if self.variance(repeats) <= 0:
            return 1.0
        shared = self.icc * self.variance(1) / self.variance(repeats)
        return 1 + (self.cluster_size - 1) * min(1.0, shared)


def design_from(pilot: Comparison, margin: float, width: float = 1.0) -> Design:
    """Estimate the variance from a pilot's paired items; the true difference is taken as 0.

    Args:
        pilot: Comparison of two runs over the same items.
        margin: Margin to be shown, on the scale from 0 to 1.
        width: Width of the pilot's scale.

    Raises:
        InputError: The pilot has too few items, or none on which the two differ.
    """
    if pilot.n < 10 or not pilot.flips:
        raise InputError(
            f"a pilot of {pilot.n} paired items, {len(pilot.flips)} of which differ",
            "at least 10, some of which differ",
            "ask more items, or assume a disagreement with --disagreement",
        )
    gaps = np.array([flip.difference / width for flip in pilot.flips])
    split = pilot.variance
    within = (split.within_a + split.within_b) / width**2 if split else 0.0
    repeats = min(split.repeats_a, split.repeats_b) if split else 1.0
    # Averaging over the pilot's repeats made this smaller; it is put back to that of one answer.
    disagreement = float(np.sum(gaps**2)) / pilot.n + within * (1 - 1 / repeats)
    size = sum(m * m for m in pilot.cluster_sizes) / max(1, sum(pilot.cluster_sizes))
    return Design(
        margin,
        disagreement=min(1.0, disagreement),
        within=min(within, disagreement),
        graded=not bool(np.isin(gaps, (-1.0, 1.0)).all()) and split is None,
        icc=min(1.0, max(0.0, (pilot.design_effect - 1) / (size - 1))) if size > 1 else 0.0,
        cluster_size=max(1.0, size),
    )


def power_of(design: Design, items: int, repeats: int = 1) -> float:
    """Return the chance that `compare` supports the claim.

    Args:
        design: The claim and the assumptions.
        items: Number of paired items.
        repeats: Number of answers to each item, in each run.
    """
    binary = not design.graded and repeats == 1
    if binary and design.cluster_size == 1:
        return _exact(design, items)
    freedom = (items / design.cluster_size if design.cluster_size > 1 else items) - 1
    if freedom < 1:
        return 0.0
    true = math.sqrt(design.variance(repeats) * design.design_effect(repeats) / items)
    tested = _tested_stderr(design, items, repeats, freedom, binary)
    critical = float(stats.t.ppf(1 - design.alpha, freedom)) * tested
    if true == 0:
        return float(design.difference + design.margin > critical)
    away = (design.difference + design.margin) / true
    found = float(stats.nct.sf(critical / true, freedom, away))
    # scipy's noncentral t fails far out, where the normal is as good.
    return found if math.isfinite(found) else float(stats.norm.sf(critical / true - away))


def _exact(design: Design, items: int) -> float:
    """Sum, over counts of lost items, the chance that enough are won for Tango's score test."""
    won = max(0.0, (design.disagreement + design.difference) / 2)
    lost = max(0.0, (design.disagreement - design.difference) / 2)
    z = float(stats.norm.ppf(1 - design.alpha))
    likely = np.arange(*_range(items, lost))
    chances = stats.binom.pmf(likely, items, lost)
    least = [_least_won(design, items, count, z) for count in likely.tolist()]
    share = won / (1 - lost) if lost < 1 else 0.0
    enough = stats.binom.sf(np.array(least) - 1, items - likely, share)
    return float(chances @ enough)


def _range(n: int, p: float) -> tuple[int, int]:
    """Return the range of counts outside which a binomial has less than 1e-12 at each end."""
    return int(stats.binom.ppf(1e-12, n, p)), int(stats.binom.ppf(1 - 1e-12, n, p)) + 1


def _least_won(design: Design, items: int, lost: int, z: float) -> int:
    """Return the fewest won items that support the claim, given the lost ones."""
    low, high = 0, items - lost + 1
    while low < high:
        middle = (low + high) // 2
        if tango_statistic(middle, lost, items, -design.margin) > z:
            high = middle
        else:
            low = middle + 1
    return low


def _tested_stderr(design: Design, items: int, repeats: int, freedom: float, binary: bool) -> float:
    """Return the standard error by which `compare` will test: at the margin, and guarded."""
    effect, worst = design.design_effect(repeats), design.cluster_size
    differing = items * design.disagreement
    if worst > 1:
        effect = mixed_effect(differing, effect, worst)
    gap = design.difference + design.margin
    if not binary:
        quantile = float(stats.t.ppf(1 - design.alpha, freedom))
        plain = math.sqrt(design.variance(repeats) * design.design_effect(repeats) / items)
        width = 1 + abs(design.difference)
        return math.hypot(plain, hidden_stderr(quantile, items / effect, differing, width))
    n = items / effect
    won = n * (design.disagreement + design.difference) / 2
    lost = n * (design.disagreement - design.difference) / 2
    statistic = tango_statistic(won, lost, n, -design.margin)
    return gap / statistic if statistic else math.sqrt(design.disagreement / n)


def items_needed(design: Design, power: float = 0.8, repeats: int = 1) -> int | None:
    """Return the fewest items that give the power; None if more than ten million would be needed.

    Exact power can drop by a point where one more item does not allow one more lost item. The
    search doubles the number until the power suffices, and bisects the last step as if power always
    rose, so where it drops a slightly smaller number may suffice, too.
    """
    if design.difference + design.margin <= 0:
        return None
    step = max(1, round(design.cluster_size))
    return _fewest(lambda n: power_of(design, n * step, repeats) >= power, MOST_ITEMS // step, step)


def repeats_needed(design: Design, items: int, power: float = 0.8) -> int | None:
    """Return the fewest repeats that give the power with so many items; None if no number does.

    More items always gain more than more repeats of the same ones (Miller 2024, section 3.2); where
    there are no more items, repeats reduce the variance of drawn answers, so that in the limit only
    the variance between items is left.
    """
    if design.difference + design.margin <= 0:
        return None
    if design.within == 0:
        return 1 if power_of(design, items) >= power else None
    return _fewest(lambda k: power_of(design, items, k) >= power, MOST_REPEATS, 1)


def smallest_margin(design: Design, items: int, power: float = 0.8, repeats: int = 1) -> float:
    """Return the smallest margin for which so many items show non-inferiority with the power."""

    def shown(margin: float) -> bool:
        return power_of(replace(design, margin=margin), items, repeats) >= power

    return _smallest(shown, max(0.0, -design.difference), 1.0)


def smallest_difference(design: Design, items: int, power: float = 0.8, repeats: int = 1) -> float:
    """Return the smallest true advantage of A that so many items detect with the wanted power."""

    def shown(difference: float) -> bool:
        disagreement = max(design.disagreement, difference)
        assumed = replace(
            design, margin=0.0, difference=difference, disagreement=disagreement, within=0.0
        )
        within = min(design.within, assumed.variance(1))
        return power_of(replace(assumed, within=within), items, repeats) >= power

    return _smallest(shown, 0.0, 1.0)


def _fewest(enough: Callable[[int], bool], most: int, step: int) -> int | None:
    high = 1
    while not enough(high):
        if high >= most:
            return None
        high = min(most, 2 * high)
    low = high // 2 + 1
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle + 1, high)
    return high * step


def _smallest(shown: Callable[[float], bool], low: float, high: float) -> float:
    for _ in range(30):
        middle = (low + high) / 2
        low, high = (low, middle) if shown(middle) else (middle, high)
    return high
