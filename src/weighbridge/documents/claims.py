"""The article's quantitative sentences against what is measured: what `claims` prints."""

from dataclasses import dataclass
from typing import Literal

from weighbridge.documents.form import ABSENT, OrAbsent, Printed

Outcome = Literal["holds", "fails", "holds_if"]
Colour = Literal["claimed", "measured", "other"]


@dataclass(frozen=True, kw_only=True)
class ClaimMeasurement:
    """One figure that a claim was held against.

    Attributes:
        name: What it is of.
        value: The figure.
        unit: What it is counted in; "" for a plain ratio.
        interval: 95 % interval, where there is one.
        shown: Name, value and interval as people write them.
    """

    name: str
    value: float
    unit: str
    interval: tuple[float, float] | None
    shown: str


@dataclass(frozen=True, kw_only=True)
class ClaimEvidence:
    """Where figures come from.

    Attributes:
        title: Who published them, or what computed them.
        url: Its address; "" for what is computed here.
        day: When it was published or measured, ISO 8601; "" where that doesn't matter.
    """

    title: str
    url: str = ""
    day: str = ""


@dataclass(frozen=True, kw_only=True)
class ClaimMark:
    """One figure in a chart.

    Attributes:
        value: Where it stands.
        colour: claimed, measured, or other.
        interval: Drawn as a line, where there is one.
    """

    value: float
    colour: Colour = "measured"
    interval: tuple[float, float] | None = None


@dataclass(frozen=True, kw_only=True)
class ClaimRow:
    """A line of a chart.

    Attributes:
        label: What its marks are of.
        figures: Its values in words.
        marks: One or more.
    """

    label: str
    figures: str
    marks: tuple[ClaimMark, ...]


@dataclass(frozen=True, kw_only=True)
class ClaimLine:
    """A value that rows are held against.

    Attributes:
        value: Where it stands.
        text: What it is.
    """

    value: float
    text: str


@dataclass(frozen=True, kw_only=True)
class ClaimChart:
    """A claim's chart: rows of marks over one scale.

    Attributes:
        axis: What the scale counts.
        rows: From the top.
        lines: Vertical lines through all rows.
        log: Whether the scale is logarithmic.
        key: What the colours mean, in the order of the colours that occur.
        caption: What it shows.
    """

    axis: str
    rows: tuple[ClaimRow, ...]
    lines: tuple[ClaimLine, ...] = ()
    log: bool = False
    key: tuple[tuple[Colour, str], ...] = ()
    caption: str = ""


@dataclass(frozen=True, kw_only=True)
class ClaimTable:
    """Figures behind a claim that are too many for its chart.

    Attributes:
        columns: Their names.
        rows: Texts, a row a line.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, kw_only=True)
class ClaimDocument:
    """A sentence of the article, and whether it holds.

    Attributes:
        id: Its name.
        text: What the article says.
        section: Where.
        outcome: holds, fails, or holds_if: only under the conditions.
        sentence: The finding, to be quoted.
        conditions: What must be true for it to hold, or what it was tested under.
        measured: Figures that it was held against.
        evidence: Where they come from.
        chart: The figures as a chart.
        table: Further figures.
    """

    id: str
    text: str
    section: str
    outcome: Outcome
    sentence: str
    conditions: tuple[str, ...]
    measured: tuple[ClaimMeasurement, ...]
    evidence: tuple[ClaimEvidence, ...]
    chart: ClaimChart
    table: OrAbsent[ClaimTable] = ABSENT


@dataclass(frozen=True, kw_only=True)
class ClaimsDocument:
    """The article's quantitative sentences on one day.

    Attributes:
        as_of: The day, ISO 8601: prices and models are those of that day.
        claims: In the article's order.
        written: The page, with --out.
    """

    as_of: str
    claims: tuple[ClaimDocument, ...]
    written: OrAbsent[str] = ABSENT


PRINTED = (Printed("claims", ClaimsDocument),)
