"""Several benchmarks compared at once: Holm's correction, claim by claim."""

from collections.abc import Sequence
from dataclasses import dataclass

from weighbridge.records import Comparison, Verdict
from weighbridge.statistics.inference import first_claim


@dataclass(frozen=True)
class JointVerdict:
    """What a comparison supports as one of several.

    Attributes:
        verdict: Verdict at a family-wise error rate of 2.5 % for each kind of claim.
        claims: Holm-adjusted p-value of each verdict.
        family: Number of comparisons in the family.
    """

    verdict: Verdict
    claims: dict[Verdict, float]
    family: int


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust p-values so that comparing each with alpha bounds the chance of any error by alpha.

    The i-th smallest of m is multiplied by m - i + 1, and none is below the one before it (Holm
    1979, Scand. J. Statist. 6:65). The tests may depend on each other in any way.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    adjusted, least = [0.0] * len(p_values), 0.0
    for rank, i in enumerate(order):
        least = max(least, min(1.0, p_values[i] * (len(p_values) - rank)))
        adjusted[i] = least
    return adjusted


def decide_together(comparisons: Sequence[Comparison]) -> tuple[JointVerdict, ...]:
    """Give each comparison the verdict that it supports as one of a family.

    Each kind of claim (superior, equivalent, non-inferior, inferior) is corrected over all
    comparisons. In a family of one, nothing is corrected.
    """
    kinds = list(comparisons[0].claims) if comparisons else []
    adjusted = {kind: holm([c.claims[kind] for c in comparisons]) for kind in kinds}
    found = []
    for i in range(len(comparisons)):
        claims = {kind: adjusted[kind][i] for kind in kinds}
        found.append(JointVerdict(first_claim(claims), claims, len(comparisons)))
    return tuple(found)
