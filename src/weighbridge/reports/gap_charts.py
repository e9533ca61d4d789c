"""Charts of open against proprietary models: size, date and price against a score.

Each takes a width in pixels, so that a phone gets its own drawing. Every dot carries a line of
words that the page shows when it is pointed at; on paper only the best of each group is named.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import altair as alt

from weighbridge.reports.drawing import TOLD, Drawing, draw
from weighbridge.reports.palette import LIGHT
from weighbridge.reports.scaling_charts import layer, log_x, sized, text_layer

HEIGHT_PX = 340
Group = Literal["open", "proprietary"]
COLOURS: dict[str, str] = {"open": LIGHT.candidate, "proprietary": LIGHT.unsure}
_SHAPES = {"open": "circle", "proprietary": "diamond"}
_COUNT = "replace(format(datum.value, '~s'), 'G', 'B')"
_AXIS_PX = 46
_HALO = {"color": LIGHT.paper, "stroke": LIGHT.paper, "strokeWidth": 4}


@dataclass(frozen=True)
class Dot:
    """A model in a chart.

    Attributes:
        group: Open or proprietary.
        x: Parameters, a year with its fraction, or dollars.
        y: The score, a share in per cent.
        name: The model.
        told: All that is known of it, in one line.
        record: Whether it was the best of its group on its day.
    """

    group: Group
    x: float
    y: float
    name: str
    told: str
    record: bool = False


@dataclass(frozen=True)
class Level:
    """A score without an abscissa: the best model whose size is not published.

    Attributes:
        y: The score.
        text: Words on the line.
    """

    y: float
    text: str


@dataclass(frozen=True)
class Span:
    """How far the open frontier is behind at the end.

    Attributes:
        start: When proprietary models went past it, as a year.
        end: The end of the data.
        y: The score.
        text: Words beside it.
    """

    start: float
    end: float
    y: float
    text: str


def by_size(
    dots: Sequence[Dot], unit: str, level: Level | None, name: str, width: int
) -> Drawing | None:
    """Parameters against score; a proprietary model of unknown size is a line, not a dot."""
    if not dots:
        return None
    low, high = min(d.x for d in dots) / 1.4, max(d.x for d in dots) * 1.6
    x = log_x("parameters, all of them", low, high, _COUNT)
    extra = [] if level is None else [level.y]
    y = _score(unit, [*(d.y for d in dots), *extra])
    marks = _dots(dots, x, y)
    if level is not None:
        ends = [{"x": low, "y": level.y}, {"x": high, "y": level.y}]
        row = {"x": low, "y": level.y, "text": _fitted(level.text, width)}
        line = layer(ends).mark_line(color=LIGHT.unsure, strokeDash=[5, 4], aria=False)
        marks = [line.encode(x=x, y=y), *marks, *_words([row], LIGHT.unsure, x, y, dx=4, dy=-7)]
    marks += _best_named(dots, x, y, (low, high), log=True, others=extra)
    described = (
        f"{sum(d.group == 'open' for d in dots)} open and "
        f"{sum(d.group == 'proprietary' for d in dots)} proprietary models of published size, "
        f"parameters against {unit}."
    )
    if level is not None:
        described += f" {level.text}."
    return draw(name, described, sized(alt.layer(*marks), width, HEIGHT_PX))


def by_date(
    dots: Sequence[Dot],
    unit: str,
    span: Span | None,
    name: str,
    width: int,
    ceiling: Level | None = None,
) -> Drawing | None:
    """Draw scores by day of release, with a step line of each group's best score so far.

    Args:
        dots: The models.
        unit: What the score counts.
        span: How far open models are behind at the end.
        name: File stem.
        width: In pixels.
        ceiling: The best score that there can be, where models are near it.
    """
    if not dots:
        return None
    first, last = min(d.x for d in dots), max(d.x for d in dots)
    ends = (first - 0.02 * (last - first), last + 0.03 * (last - first) + 0.02)
    x = alt.X("x:Q", title="released", scale=alt.Scale(domain=list(ends), nice=False),
              axis=_years(ends, width))  # fmt: skip
    y = _score(unit, [*(d.y for d in dots), *([] if ceiling is None else [ceiling.y])])
    marks: list[Any] = []
    if ceiling is not None:
        line = layer([{"x": end, "y": ceiling.y} for end in ends])
        dashed = line.mark_line(color=LIGHT.muted, strokeDash=[2, 3], aria=False)
        row = {"x": ends[0], "y": ceiling.y, "text": ceiling.text}
        marks += [dashed.encode(x=x, y=y), *_words([row], LIGHT.muted, x, y, dx=4, dy=12)]
    for group in COLOURS:
        steps = staircase([d for d in dots if d.group == group and d.record], ends[1])
        rows = [{"x": a, "y": b, "i": i} for i, (a, b) in enumerate(steps)]
        line = layer(rows).mark_line(color=COLOURS[group], strokeWidth=2, aria=False)
        marks.append(line.encode(x=x, y=y, order="i:Q"))
    marks += _dots(dots, x, y)
    if span is not None:
        rows = [{"x": span.start, "y": span.y}, {"x": span.end, "y": span.y}]
        line = layer(rows).mark_line(color=LIGHT.bad, strokeWidth=2.5, aria=False)
        at = {"x": span.end, "y": span.y, "text": span.text}
        marks += [line.encode(x=x, y=y)]
        marks += _words([at], LIGHT.bad, x, y, align="right", dy=15, fontWeight="bold")
    below = 14 if span is None else 30
    marks += _best_named(dots, x, y, ends, log=False, below=below)
    described = f"Day of release against {unit}, with the best so far of each group."
    if span is not None:
        described += f" At the end open models are behind: {span.text}."
    if ceiling is not None:
        described += f" {ceiling.text[:1].upper()}{ceiling.text[1:]}."
    return draw(name, described, sized(alt.layer(*marks), width, HEIGHT_PX))


def by_price(dots: Sequence[Dot], unit: str, name: str, width: int) -> Drawing | None:
    """Makers' list prices against score."""
    if len(dots) < 2:
        return None
    low, high = min(d.x for d in dots) / 1.3, max(d.x for d in dots) * 1.5
    money = "'$' + format(datum.value, '~g')"
    x = log_x("list price of 1M tokens in and 1M out", low, high, money)
    y = _score(unit, [d.y for d in dots])
    marks = [*_dots(dots, x, y), *_best_named(dots, x, y, (low, high), log=True)]
    described = f"List prices of {len(dots)} models against {unit}."
    return draw(name, described, sized(alt.layer(*marks), width, HEIGHT_PX))


def staircase(records: Sequence[Dot], end: float) -> list[tuple[float, float]]:
    """Return the corners of the best so far, from the first record to the end."""
    corners: list[tuple[float, float]] = []
    for dot in sorted(records, key=lambda d: d.x):
        if corners:
            corners.append((dot.x, corners[-1][1]))
        corners.append((dot.x, dot.y))
    return [*corners, (end, corners[-1][1])] if corners else []


def _dots(dots: Sequence[Dot], x: Any, y: Any) -> list[Any]:
    """Marks of the dots, records over the others; each is described in words."""
    marks = []
    for record in (False, True):
        for group in COLOURS:
            rows = [
                {"x": d.x, "y": d.y, "told": TOLD + d.told}
                for d in dots
                if d.record == record and d.group == group
            ]
            style = {
                "shape": _SHAPES[group], "filled": True, "color": COLOURS[group],
                "size": 80 if record else 42, "opacity": 1 if record else 0.5,
                "stroke": LIGHT.paper, "strokeWidth": 0.75,
            }  # fmt: skip
            if rows:
                mark = layer(rows).mark_point(**style)
                marks.append(mark.encode(x=x, y=y, description="told:N"))
    return marks


def _best_named(
    dots: Sequence[Dot],
    x: Any,
    y: Any,
    ends: tuple[float, float],
    *,
    log: bool,
    below: int = 14,
    others: Sequence[float] = (),
) -> list[Any]:
    """Names of the best of each group, towards the middle: the better one above, the other below.

    Args:
        dots: All of them.
        x: The abscissa.
        y: The ordinate.
        ends: Of the abscissa.
        log: Whether the abscissa is logarithmic.
        below: How far below its dot the lower name stands, clear of other words.
        others: Scores whose words stand above them, too.
    """
    best = [
        max(of_group, key=lambda d: d.y)
        for group in COLOURS
        if (of_group := [d for d in dots if d.group == group])
    ]
    low, high = (math.log(e) if log else e for e in ends)
    marks = []
    for dot in best:
        at = ((math.log(dot.x) if log else dot.x) - low) / (high - low)
        style = {"align": "right", "dx": 6} if at > 0.5 else {"align": "left", "dx": -6}
        top = dot.y == max([*others, *(one.y for one in best)])
        row = {"x": dot.x, "y": dot.y, "text": dot.name}
        marks += _words([row], COLOURS[dot.group], x, y, dy=-10 if top else below, **style)
    return marks


def _words(rows: list[dict[str, Any]], colour: str, x: Any, y: Any, **style: Any) -> list[Any]:
    """Text over whatever is under it."""
    style = {"align": "left", "fontSize": 11, "aria": False} | style
    halo = layer(rows).mark_text(**style, **_HALO).encode(text="text:N")
    return [one.encode(x=x, y=y) for one in (halo, text_layer(rows, colour, **style))]


def _score(unit: str, values: Sequence[float]) -> Any:
    low, high = min(values), max(values)
    room = 0.1 * (high - low) or 1.0
    shares = unit.startswith("%")
    domain = [max(0.0, low - room) if low >= 0 else low - room, high + room]
    if shares:
        domain[1] = min(102.0, domain[1])
    scale = alt.Scale(domain=domain, nice=False)
    return alt.Y("y:Q", title=unit, scale=scale, axis=alt.Axis(tickCount=6))


def _years(ends: tuple[float, float], width: int) -> Any:
    """An axis of years, of half years where there are few."""
    span = ends[1] - ends[0]
    step = 0.5 if span < 2.5 else 1.0 if span < 7 or width > 500 else 2.0
    first = math.ceil(ends[0] / step) * step
    values = [first + i * step for i in range(int((ends[1] - first) / step) + 1)]
    labels = "datum.value % 1 == 0 ? format(datum.value, 'd') : 'July'"
    return alt.Axis(grid=False, values=values, labelExpr=labels, labelFlush=False)


def _fitted(text: str, width: int) -> str:
    most = int((width - _AXIS_PX) / 5.6)
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"
