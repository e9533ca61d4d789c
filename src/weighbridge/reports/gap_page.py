"""The page of one benchmark's gap: three charts, every model, and where each score came from."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from weighbridge.reports import palette
from weighbridge.reports.document import asset, environment, script_digest
from weighbridge.reports.page import Chart


@dataclass(frozen=True)
class GapFigure:
    """A chart with what it says.

    Attributes:
        title: Above it.
        chart: Wide and narrow.
        caption: Below it.
    """

    title: str
    chart: Chart
    caption: str


@dataclass(frozen=True)
class GapRow:
    """A model in the page's table; texts are as shown.

    Attributes:
        name: The model.
        group: open or proprietary.
        released: The day.
        retires: The day it leaves its maker's API; "" where none was announced.
        size: Parameters, and those a token uses; "not published" where they are not.
        score: The score.
        how: Variant, shots, setting and protocol.
        source: Who published it.
        url: Where.
    """

    name: str
    group: str
    released: str
    retires: str
    size: str
    score: str
    how: str
    source: str
    url: str


@dataclass(frozen=True)
class CreditedSource:
    """A table that facts were taken from.

    Attributes:
        title: Who made it.
        url: Its address.
        licence: Its licence.
    """

    title: str
    url: str
    licence: str


@dataclass(frozen=True)
class GapPage:
    """What the page says.

    Attributes:
        title: The benchmark.
        headline: The answer in a sentence.
        trend: The finding in a word or two.
        tone: good, bad or unsure.
        facts: Figures by name.
        figures: Charts.
        rows: Models, the newest first.
        method: How the lag was measured, in sentences.
        sources: The tables behind it.
        made: The day asked about and the end of the data.
    """

    title: str
    headline: str
    trend: str
    tone: str
    facts: Sequence[tuple[str, str]]
    figures: Sequence[GapFigure]
    rows: Sequence[GapRow]
    method: Sequence[str]
    sources: Sequence[CreditedSource]
    made: str


def render_gap(page: GapPage) -> str:
    """Return the page as one self-contained HTML document."""
    script = asset("gap.js")
    return (
        environment()
        .get_template("gap.html.jinja")
        .render(
            page=page,
            palette=palette.LIGHT,
            dark=palette.DARK,
            style=Markup("\n".join([palette.stylesheet(), asset("report.css"), asset("gap.css")])),
            script=Markup(script),
            script_digest=script_digest(script),
        )
    )
