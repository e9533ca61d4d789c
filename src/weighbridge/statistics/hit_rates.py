"""How often attempts hit, as counted by a judge that errs: with one attempt, and with any of k.

Attempts at one behaviour resemble each other, so that intervals are over behaviours: a rate over
attempts counts as one over as many independent ones as its spread between behaviours tells.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from weighbridge.statistics.intervals import wilson
from weighbridge.statistics.judge_error import (
    Corrected,
    JudgeError,
    at_any_of,
    corrected_rate,
)

_ROUNDS, _SETTLED = 500, 1e-10


@dataclass(frozen=True)
class Tries:
    """Attempts at one behaviour.

    Attributes:
        hits: That the judge took for hits.
        scored: That it could judge.
    """

    hits: int
    scored: int


def hit_at_1(tries: Sequence[Tries]) -> tuple[Corrected, float] | None:
    """Return the chance that one attempt hits, and the number of independent ones it is worth.

    It is the mean over behaviours with a scored attempt; None where there is none.

    >>> hit_at_1([Tries(1, 1), Tries(0, 1)])
    ((0.5, (0.09453120573423063, 0.9054687942657693)), 2)
    """
    shares = np.array([one.hits / one.scored for one in tries if one.scored])
    if not len(shares):
        return None
    scored = sum(one.scored for one in tries)
    rate = float(shares.mean())
    worth: float = len(shares)
    variance = float(shares.var(ddof=1)) / len(shares) if len(shares) > 1 else 0.0
    if variance > 0 and scored > len(shares):
        worth = min(max(rate * (1 - rate) / variance, worth), float(scored))
    return (rate, wilson(rate * worth, worth)), worth


def hit_at_k(tries: Sequence[Tries], attempts: int) -> tuple[Corrected, int] | None:
    """Return the share of behaviours that any attempt hits, and how many they are.

    They are those whose attempts are all scored; None where there is none.
    """
    whole = [one for one in tries if one.scored == attempts]
    if not whole:
        return None
    hit = sum(one.hits > 0 for one in whole)
    return (hit / len(whole), wilson(hit, len(whole))), len(whole)


def true_at_1(tries: Sequence[Tries], judge: JudgeError) -> Corrected | None:
    """Return `hit_at_1` as if the judge never erred; None where it tells nothing."""
    found = hit_at_1(tries)
    if found is None:
        return None
    (rate, _), worth = found
    return corrected_rate(rate, worth, judge)


def true_at_k(tries: Sequence[Tries], attempts: int, judge: JudgeError) -> Corrected | None:
    """Return `hit_at_k` as if the judge never erred; None where it tells nothing.

    The more attempts, the more often a judge sees a hit that is none. How much depends on whether
    it errs on each attempt anew or on a behaviour as a whole; the interval holds for both. The
    figure itself is the likeliest if it errs on each anew.
    """
    found = hit_at_k(tries, attempts)
    if found is None:
        return None
    (rate, _), behaviours = found
    as_a_whole = corrected_rate(rate, behaviours, judge)
    if as_a_whole is None:
        return None
    each_anew = corrected_rate(rate, behaviours, at_any_of(judge, attempts))
    if each_anew is None:
        return None
    low, high = each_anew[1][0], as_a_whole[1][1]
    counts = np.bincount(
        [one.hits for one in tries if one.scored == attempts], minlength=attempts + 1
    )
    return min(max(_likeliest(counts, attempts, judge), low), high), (low, high)


def _likeliest(counts: npt.NDArray[np.int64], attempts: int, judge: JudgeError) -> float:
    """Return the likeliest share of behaviours with a true hit (expectation maximisation).

    Args:
        counts: Behaviours by the number of hits that the judge saw.
        attempts: At each.
        judge: How it errs, on each attempt independently.
    """
    seen = _seen_by_true(attempts, judge)  # [true hits, seen hits]
    there = counts / counts.sum()
    shares = np.full(attempts + 1, 1 / (attempts + 1))
    for _ in range(_ROUNDS):
        expected = shares @ seen
        weights = np.divide(there, expected, out=np.zeros(attempts + 1), where=expected > 0)
        before, shares = shares, shares * (seen @ weights)
        if np.abs(shares - before).max() < _SETTLED:
            break
    return float(1 - shares[0])


def _seen_by_true(attempts: int, judge: JudgeError) -> npt.NDArray[np.float64]:
    """Return the chance of each number of hits seen, a row for each number of true ones."""
    sensitivity, mistaken = judge.found / judge.there, 1 - judge.passed / judge.absent
    rows = []
    for true in range(attempts + 1):
        row = np.ones(1)
        for number in range(attempts):
            chance = sensitivity if number < true else mistaken
            row = np.convolve(row, [1 - chance, chance])
        rows.append(row)
    return np.array(rows)
