"""The page of a gap: charts drawn for wide columns and for phones, and every model in a table."""

from datetime import date
from typing import Literal, get_args

from weighbridge.catalog.published import Catalogue
from weighbridge.cli.gap_output import credited
from weighbridge.planning.gap import words
from weighbridge.planning.gap.analysis import Gap, GapPoint
from weighbridge.reports.charts import NARROW_PX, WIDE_PX
from weighbridge.reports.drawing import Drawing
from weighbridge.reports.gap_charts import Dot, Level, Span, by_date, by_price, by_size
from weighbridge.reports.gap_page import CreditedSource, GapFigure, GapPage, GapRow, render_gap
from weighbridge.reports.page import Chart

Axis = Literal["size", "date", "price"]
AXES: tuple[Axis, ...] = get_args(Axis)
NEAR_CEILING = 0.75
"""Share of the range from which on a chart shows the ceiling."""
_TONES = {
    "narrowing": "good",
    "widening": "bad",
    "no clear change": "unsure",
    "saturated": "unsure",
}


def gap_page(gap: Gap, facts: Catalogue) -> str:
    """Return the page as one HTML document."""
    now, benchmark = gap.now, gap.benchmark
    figures = [
        ("Best open model", words.figure(now.open_best.score.value, benchmark)),
        ("Best proprietary model", words.figure(now.proprietary_best.score.value, benchmark)),
        ("Behind, mean of a year", words.months(gap.lag)),
    ]
    ratio = now.mistakes_ratio(benchmark)
    if ratio is not None:
        figures.append(("Mistakes, open to proprietary", f"{ratio:.2f} to 1"))
    if gap.used_share is not None:
        figures.append(("Of the range used", f"{gap.used_share:.0%}"))
    return render_gap(
        GapPage(
            title=benchmark.title,
            headline=words.sentence(gap),
            trend=gap.trend,
            tone=_TONES[gap.trend],
            facts=figures,
            figures=gap_figures(gap),
            rows=[_row(point, gap) for point in reversed(gap.points)],
            method=_method(gap),
            sources=[
                CreditedSource(one.title, one.url, one.licence)
                for one in credited(gap.points, facts)
            ],
            made=f"as of {gap.as_of}, newest model of {now.day}",
        )
    )


def gap_drawing(gap: Gap, axis: Axis, name: str, width: int) -> Drawing | None:
    """Draw scores against one axis; None where too few models have a place on it.

    Args:
        gap: What was measured.
        axis: size, date, or price.
        name: File stem.
        width: In pixels.
    """
    unit = gap_unit(gap)
    if axis == "size":
        dots = [_dot(point, gap, point.model.parameters) for point in gap.points]
        return by_size(_known(dots), unit, _unknown_size(gap), name, width)
    if axis == "date":
        dots = [_dot(point, gap, year(point.model.released)) for point in gap.points]
        return by_date(_known(dots), unit, _span(gap), name, width, _ceiling(gap))
    prices = [(point, point.model.usd_per_million_tokens) for point in gap.points]
    dots = [_dot(point, gap, sum(price)) for point, price in prices if price is not None]
    return by_price(_known(dots), unit, name, width)


def gap_figures(gap: Gap) -> list[GapFigure]:
    """Return the charts that there are data for, for wide columns and for phones."""
    unknown = sum(point.model.parameters is None for point in gap.points)
    told: dict[Axis, tuple[str, str]] = {
        "size": ("Size against score", _size_caption(unknown)),
        "date": (
            "Best so far",
            "Lines: the best score so far of each group. The red line is how long ago proprietary "
            "models passed what the best open model reaches at the end. Where models are near the "
            "best possible score, a dotted line shows it.",
        ),
        "price": (
            "Price against score",
            "Makers' own list prices as models.dev had them in June 2026, a million tokens in and "
            "a million out; models without one are not here.",
        ),
    }
    found = []
    for axis, (title, caption) in told.items():
        wide, narrow = (gap_drawing(gap, axis, f"gap-{axis}", px) for px in (WIDE_PX, NARROW_PX))
        if wide is not None:
            found.append(GapFigure(title, Chart(wide, narrow), caption))
    return found


def gap_unit(gap: Gap) -> str:
    """Return what a chart's ordinate is called."""
    return gap.benchmark.unit or f"% right, {gap.benchmark.title}"


def year(day: date) -> float:
    """Return a day as a year with its fraction."""
    return day.year + (day.timetuple().tm_yday - 1) / 365.25


def _known(dots: list[Dot | None]) -> list[Dot]:
    return [dot for dot in dots if dot is not None]


def _dot(point: GapPoint, gap: Gap, x: float | None) -> Dot | None:
    if x is None:
        return None
    value = point.score.value * (1 if gap.benchmark.unit else 100)
    return Dot(point.model.weights, x, value, point.model.name, told(point, gap), point.record)


def told(point: GapPoint, gap: Gap) -> str:
    """Return all that is known of a point, in one line."""
    model, score = point.model, point.score
    parts = [
        model.name,
        model.organization,
        model.weights,
        f"{words.figure(score.value, gap.benchmark)}",
        size_of(point),
        f"released {model.released}",
        how(point),
        score.source.title,
    ]
    if model.retires is not None:
        parts.append(f"leaves its API {model.retires}")
    return " · ".join(part for part in parts if part)


def size_of(point: GapPoint) -> str:
    """Return a model's size in words."""
    model = point.model
    if model.parameters is None:
        return "size not published"
    shown = f"{model.parameters / 1e9:.3g}B"
    if model.active_parameters is not None:
        shown += f", {model.active_parameters / 1e9:.3g}B a token"
    return shown


def how(point: GapPoint) -> str:
    """Return variant, shots, setting and protocol."""
    score = point.score
    parts = [score.variant if score.variant != "unstated" else "variant not stated"]
    parts.append("shots not stated" if score.shots is None else f"{score.shots}-shot")
    return ", ".join([*parts, *filter(None, [score.setting]), score.source.protocol])


def _row(point: GapPoint, gap: Gap) -> GapRow:
    model, score = point.model, point.score
    return GapRow(
        name=model.name,
        group=model.weights,
        released=model.released.isoformat(),
        retires="" if model.retires is None else model.retires.isoformat(),
        size=size_of(point).replace("size not published", "not published"),
        score=words.figure(score.value, gap.benchmark),
        how=how(point),
        source=score.source.title,
        url=score.source.url,
    )


def _unknown_size(gap: Gap) -> Level | None:
    """The best proprietary model, where its size is not published."""
    best = gap.now.proprietary_best
    if best.model.parameters is not None:
        return None
    shown = words.figure(best.score.value, gap.benchmark)
    value = best.score.value * (1 if gap.benchmark.unit else 100)
    return Level(value, f"{best.model.name}, size not published: {shown}")


def _ceiling(gap: Gap) -> Level | None:
    """The best score that there can be, where the best model is near it."""
    if gap.benchmark.ceiling is None or gap.used_share is None or gap.used_share < NEAR_CEILING:
        return None
    shown = words.figure(gap.benchmark.ceiling, gap.benchmark)
    return Level(100 * gap.benchmark.ceiling, f"best possible: {shown}")


def _span(gap: Gap) -> Span | None:
    """From where proprietary models went past the open best to the end of the data."""
    best = gap.now.open_best.score.value
    passed = [
        point.model.released
        for point in gap.points
        if point.model.weights == "proprietary" and point.score.value > best
    ]
    if not passed:
        return None
    start = min(passed)
    months = (gap.now.day - start).days / (365.25 / 12)
    value = best * (1 if gap.benchmark.unit else 100)
    return Span(year(start), year(gap.now.day), value, f"{months:.1f} months")


def _size_caption(unknown: int) -> str:
    return (
        "Large dots were the best of their group on their day. Mixtures stand at all their "
        f"parameters. {unknown} models of unknown size are not drawn; the dashed line is the best "
        "of them."
    )


def _method(gap: Gap) -> list[str]:
    told = list(words.METHOD)
    if gap.benchmark.ceiling_source:
        told.append(
            f"The ceiling of {gap.benchmark.title} is taken as "
            f"{gap.benchmark.ceiling:.1%}: {gap.benchmark.ceiling_source}."
        )
    one = gap.one_source
    if one.lag is not None and one.models < len(gap.points):
        told.append(
            f"Within the one source that measured most models ({one.title}, {one.models}), the lag "
            f"is {words.months(one.lag)}."
        )
    return told
