"""What so many items can show, before they are paid for: what `power` prints."""

from dataclasses import dataclass
from typing import Literal

from weighbridge.documents.form import ABSENT, Inlined, OrAbsent, Printed


@dataclass(frozen=True, kw_only=True)
class PowerOfItems:
    """What a number of items that is given shows.

    Attributes:
        items: How many; this and the next ones with `--items`.
        achieved_power: Chance to show the claim with them.
        smallest_margin: That they show with the wanted chance, in the units of `scale`.
        smallest_difference: That they show to be one with the wanted chance, likewise.
        repeats_needed: Answers per item that would do; null where no number would.
        usd: What they cost; null where no price is known.
    """

    items: int
    achieved_power: float
    smallest_margin: float
    smallest_difference: float
    repeats_needed: int | None
    usd: float | None


@dataclass(frozen=True, kw_only=True)
class PowerDocument:
    """How many items a claim needs, and with `--items` what so many show.

    Attributes:
        claim: What is to be shown: that A is better, or not worse by more than the margin.
        assumed_from: Where the assumptions come from.
        margin: In the units of `scale`.
        difference: What A - B is assumed to be, in the units of `scale`.
        disagreement: Mean of (a - b)² on a scale from 0 to 1: for right-or-wrong answers the share
            of items on which the two differ.
        within: Part of `disagreement` that is chance and not the item.
        graded: Whether answers are graded in between, not just right or wrong.
        icc: Correlation of the differences of two items of one cluster.
        cluster_size: Items of a cluster, weighted by size.
        alpha: Of the one-sided test.
        scale: Worst and best value of an answer.
        power: Wanted chance to show the claim.
        repeats: Answers per item.
        items_needed: Null where no number of items shows it.
        usd_needed: What they cost; null where no price is known.
        given: With `--items`: what so many show.
    """

    claim: Literal["superior", "non_inferior"]
    assumed_from: str
    margin: float
    difference: float
    disagreement: float
    within: float
    graded: bool
    icc: float
    cluster_size: float
    alpha: float
    scale: tuple[float, float]
    power: float
    repeats: int
    items_needed: int | None
    usd_needed: float | None
    given: Inlined[OrAbsent[PowerOfItems]] = ABSENT


PRINTED = (Printed("power", PowerDocument),)
