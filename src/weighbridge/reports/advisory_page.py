"""The page of an advisory: what is wrong with which weights, and what their holders should do."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from weighbridge.reports import palette
from weighbridge.reports.document import asset, environment

_TONES = {"critical": "bad", "high": "bad", "medium": "unsure", "low": "good"}


@dataclass(frozen=True)
class ConcernedWeights:
    """A row of the table of digests.

    Attributes:
        digest: The digest.
        label: What it is called; "" where that is not known.
        relation: How it is concerned, in words.
    """

    digest: str
    label: str
    relation: str


@dataclass(frozen=True)
class AdvisoryPage:
    """What the page shows.

    Attributes:
        id: The advisory's id.
        model: What the weights are called.
        developer: Who made them.
        level: Severity in a word.
        severity: How it was reckoned, a line each: what, and the figure.
        summary: What is wrong.
        mended: Digest of weights without the flaw; "" where there are none.
        proof: How it is known that they lack it; "" where there are none.
        mitigation: What else holders should do; "" for nothing.
        weights: Whom it concerns.
        timeline: What happened when.
        credit: Who is thanked; "" for nobody.
        early: Why it was published within the embargo; "" where it was not.
    """

    id: str
    model: str
    developer: str
    level: str
    severity: Sequence[tuple[str, str]]
    summary: str
    mended: str
    proof: str
    mitigation: str
    weights: Sequence[ConcernedWeights]
    timeline: Sequence[tuple[str, str]]
    credit: str = ""
    early: str = ""


def render_advisory(page: AdvisoryPage) -> str:
    """Return the page as one self-contained HTML document."""
    return (
        environment()
        .get_template("advisory.html.jinja")
        .render(
            page=page,
            tone=_TONES[page.level],
            palette=palette.LIGHT,
            dark=palette.DARK,
            style=Markup("\n".join([palette.stylesheet(), asset("report.css")])),
        )
    )
