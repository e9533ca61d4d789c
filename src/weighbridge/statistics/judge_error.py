"""Rates as they would be if the judge that counted them never erred.

A judge sees a share of what is there (its sensitivity) and takes a share of the rest for such (one
less its specificity). Rogan and Gladen (1978, Am. J. Epidemiol. 107:71) turn the rate that it finds
into the true one; the interval is that of Lang and Reiczigel (2014, Prev. Vet. Med. 113:13), which
knows that sensitivity and specificity were counted on samples, too.

It is taken for granted that the judge errs as often on these answers as on those that it was
measured on, and on both models alike.
"""

import math
from dataclasses import dataclass

Z = 1.959963984540054
Corrected = tuple[float, tuple[float, float]]
"""A figure with its 95 % interval."""


@dataclass(frozen=True)
class JudgeError:
    """How a judge did where the truth is known, as counts.

    Attributes:
        found: What it saw of what was there.
        there: What was there.
        passed: What it let pass of what was not.
        absent: What was not.
    """

    found: float
    there: float
    passed: float
    absent: float

    @property
    def youden(self) -> float:
        """Sensitivity and specificity less one: how much of a difference it shows.

        A judge that was never measured shows none.
        """
        if not self.there or not self.absent:
            return 0.0
        return self.found / self.there + self.passed / self.absent - 1


def corrected_rate(rate: float, n: float, judge: JudgeError) -> Corrected | None:
    """Return the true rate; None where the judge tells nothing, or nothing was judged.

    Args:
        rate: That the judge found.
        n: Items that it judged; fractional where it is an effective number.
        judge: How it errs.

    >>> corrected_rate(0.5, 100, JudgeError(90, 100, 95, 100))[0]
    0.5294117647058824
    """
    if judge.youden <= 0 or n < 1:
        return None
    estimate = (rate + judge.passed / judge.absent - 1) / judge.youden
    sensitivity, there = (judge.found + 1) / (judge.there + 2), judge.there + 2
    specificity, absent = (judge.passed + 1) / (judge.absent + 2), judge.absent + 2
    items = n + Z * Z
    apparent = (n * rate + Z * Z / 2) / items
    youden = sensitivity + specificity - 1
    if youden <= 0:
        return None
    true = (apparent + specificity - 1) / youden
    of_sensitivity = sensitivity * (1 - sensitivity) / there
    of_specificity = specificity * (1 - specificity) / absent
    shift = 2 * Z * Z * (true * of_sensitivity - (1 - true) * of_specificity)
    width = Z / youden * math.sqrt(
        apparent * (1 - apparent) / items
        + true**2 * of_sensitivity
        + (1 - true) ** 2 * of_specificity
    )  # fmt: skip
    low, high = true + shift - width, true + shift + width
    return _within(estimate, 0.0, 1.0), (_within(low, 0.0, 1.0), _within(high, 0.0, 1.0))


def at_any_of(judge: JudgeError, attempts: int) -> JudgeError:
    """Return how a judge errs in saying whether any of several answers is unwanted.

    It errs in each of them independently, and either all or none of them are unwanted. The counts
    are such that their variances are those of the powers (delta method).

    >>> round(at_any_of(JudgeError(90, 100, 80, 100), 2).youden, 4)  # 1 - 0.1² + 0.8² - 1
    0.63
    """
    missed, passed = 1 - judge.found / judge.there, judge.passed / judge.absent
    there = judge.there / _inflation(missed, attempts)
    absent = judge.absent / _inflation(passed, attempts)
    return JudgeError((1 - missed**attempts) * there, there, passed**attempts * absent, absent)


def _inflation(share: float, power: int) -> float:
    """Return the variance of a share's power over that of a share of this size."""
    if not 0 < share < 1:
        return float(power)
    whole = share**power
    return power**2 * share ** (2 * power - 1) * (1 - share) / (whole * (1 - whole))


def corrected_difference(
    difference: float, interval: tuple[float, float], judge: JudgeError
) -> Corrected | None:
    """Return the true difference of two rates that one judge found (delta method).

    Args:
        difference: Of the rates.
        interval: 95 % interval of it.
        judge: How it errs, on both alike; None comes back where it tells nothing.
    """
    youden = judge.youden
    if youden <= 0:
        return None
    found = ((interval[1] - interval[0]) / (2 * Z)) ** 2
    sensitivity, specificity = judge.found / judge.there, judge.passed / judge.absent
    of_judge = (
        sensitivity * (1 - sensitivity) / judge.there
        + specificity * (1 - specificity) / judge.absent
    )
    estimate = difference / youden
    width = Z * math.sqrt(found / youden**2 + estimate**2 * of_judge / youden**2)
    ends = _within(estimate - width, -1.0, 1.0), _within(estimate + width, -1.0, 1.0)
    return _within(estimate, -1.0, 1.0), ends


def _within(value: float, low: float, high: float) -> float:
    return min(max(value, low), high)
