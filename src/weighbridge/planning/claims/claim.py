"""What a claim is, and what checking it returns."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

from weighbridge.documents.claims import (
    ClaimChart,
    ClaimEvidence,
    ClaimMeasurement,
    ClaimTable,
    Outcome,
)

Interval = tuple[float, float]


@dataclass(frozen=True)
class Finding:
    """What came out of checking a claim.

    Attributes:
        outcome: holds, fails, or holds_if: only under the conditions.
        sentence: The finding in one or two sentences that stand by themselves.
        conditions: What must be true for it to hold, or what it was tested under.
        measured: Figures that it was held against.
        evidence: Where they come from.
        chart: The figures as a chart.
        table: Further figures.
    """

    outcome: Outcome
    sentence: str
    conditions: tuple[str, ...]
    measured: tuple[ClaimMeasurement, ...]
    evidence: tuple[ClaimEvidence, ...]
    chart: ClaimChart
    table: ClaimTable | None = None


@dataclass(frozen=True)
class Claim:
    """A quantitative sentence of the article.

    Attributes:
        name: The file's stem.
        place: Its place in the article, counted from 1.
        section: The heading that it stands under.
        text: What the article says.
        check: Returns the finding as of a day.
    """

    name: str
    place: int
    section: str
    text: str
    check: Callable[[date], Finding]


def measured(
    name: str, value: float, unit: str = "", interval: Interval | None = None, digits: int = 3
) -> ClaimMeasurement:
    """Return a figure with its words: `DeepSeek-V2 over Llama 3 70B: 0.303`.

    Args:
        name: What it is of.
        value: The figure.
        unit: What it is counted in; "x" and "%" are written without a space.
        interval: 95 % interval.
        digits: Significant digits that are shown.
    """
    shown = f"{name}: {written(value, unit, digits)}"
    if interval is not None:
        shown += f" (95 % interval {interval[0]:.{digits}g} to {interval[1]:.{digits}g})"
    return ClaimMeasurement(name=name, value=value, unit=unit, interval=interval, shown=shown)


def written(value: float, unit: str = "", digits: int = 3) -> str:
    """Return a figure as people write it.

    >>> written(0.3034), written(12345.0, "x"), written(47.61, "GB"), written(99.9, "x", 2)
    ('0.303', '12,345x', '47.6 GB', '100x')
    """
    number = f"{value:.{digits}g}"
    if "e+" in number or abs(value) >= 1000:  # no exponents
        number = f"{value:,.0f}"
    return f"{number}{unit}" if unit in ("", "x", "%") else f"{number} {unit}"


COMPUTED = ClaimEvidence(title="Counted from the models' configurations: weighbridge inspect")
"""The evidence of what is counted and not measured."""
