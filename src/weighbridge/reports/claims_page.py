"""The page of the article's claims: each with its outcome, its chart and a sentence to quote."""

from collections import Counter
from dataclasses import dataclass

from markupsafe import Markup

from weighbridge.documents import ABSENT
from weighbridge.documents.claims import ClaimDocument, ClaimsDocument, ClaimTable, Outcome
from weighbridge.reports import palette
from weighbridge.reports.charts import NARROW_PX, WIDE_PX
from weighbridge.reports.claim_charts import claim_chart
from weighbridge.reports.document import asset, environment
from weighbridge.reports.page import Chart

OUTCOMES: dict[Outcome, tuple[str, str, str]] = {
    "holds": ("good", "✓", "Holds"),
    "holds_if": ("unsure", "~", "Holds if"),
    "fails": ("bad", "✕", "Fails"),
}
"""How each outcome is shown: tone, glyph, words."""


@dataclass(frozen=True)
class ClaimView:
    """A claim as the template reads it.

    Attributes:
        claim: The claim.
        tone: Of its outcome.
        glyph: Of its outcome.
        word: Of its outcome.
        chart: Wide and narrow.
        table: Further figures; None without.
    """

    claim: ClaimDocument
    tone: str
    glyph: str
    word: str
    chart: Chart
    table: ClaimTable | None


def render_claims(document: ClaimsDocument) -> str:
    """Return the page as one self-contained HTML document."""
    views = [_view(claim) for claim in document.claims]
    counts = Counter(claim.outcome for claim in document.claims)
    style = "\n".join([palette.stylesheet(), asset("report.css"), asset("claims.css")])
    return (
        environment()
        .get_template("claims.html.jinja")
        .render(
            as_of=document.as_of,
            views=views,
            counts=[(OUTCOMES[name], counts[name]) for name in OUTCOMES],
            palette=palette.LIGHT,
            dark=palette.DARK,
            style=Markup(style),
        )
    )


def _view(claim: ClaimDocument) -> ClaimView:
    tone, glyph, word = OUTCOMES[claim.outcome]
    wide, narrow = (claim_chart(claim.chart, claim.id, px) for px in (WIDE_PX, NARROW_PX))
    table = claim.table
    return ClaimView(
        claim, tone, glyph, word, Chart(wide, narrow), None if table is ABSENT else table
    )
