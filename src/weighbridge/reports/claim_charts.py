"""A claim's chart: rows of marks over one scale, held against vertical lines.

A row carries its label above its marks, so that a long label costs height, which a phone has.
"""

import math
from typing import Any

import altair as alt

from weighbridge.documents.claims import ClaimChart
from weighbridge.reports import wording
from weighbridge.reports.drawing import Drawing, draw
from weighbridge.reports.palette import LIGHT
from weighbridge.reports.scaling_charts import layer, log_x, sized, text_layer

COLOURS = {"claimed": LIGHT.unsure, "measured": LIGHT.candidate, "other": LIGHT.reference}
SHAPES = {"claimed": "diamond", "measured": "circle", "other": "square"}
_ROW_PX, _LABEL_PX, _MARK_PX, _HEAD_PX = 46, 12, 30, 20
_CHARACTER_PX = 6.4  # mean width of the label font at 12 px
_HALO = {"color": LIGHT.paper, "stroke": LIGHT.paper, "strokeWidth": 5}
_PLAIN = "format(datum.value, ',')"


def claim_chart(chart: ClaimChart, name: str, width: int) -> Drawing:
    """Draw a claim's chart at a width."""
    height = _HEAD_PX * bool(chart.lines) + _ROW_PX * len(chart.rows)
    low, high = _domain(chart)
    x = _abscissa(chart, low, high)
    scale = alt.Scale(domain=[0, height], reverse=True, nice=False, zero=False)
    y = alt.Y("y:Q", title=None, scale=scale, axis=None)
    marks = [*_lines(chart, x, y, (low, high), height), *_labels(chart, (low, high), width, x, y)]
    marks += _marks(chart, x, y)
    described = f"{chart.axis}. " + "; ".join(f"{row.label}: {row.figures}" for row in chart.rows)
    if chart.lines:
        described += ". Lines: " + ", ".join(line.text for line in chart.lines)
    return draw(name, described, sized(alt.layer(*marks), width, height))


def _abscissa(chart: ClaimChart, low: float, high: float) -> Any:
    if chart.log:
        return log_x(chart.axis, low, high, _PLAIN)
    scale = alt.Scale(domain=[low, high], nice=False, zero=False)
    return alt.X("x:Q", title=chart.axis, scale=scale, axis=alt.Axis(tickCount=5, grid=False))


def _domain(chart: ClaimChart) -> tuple[float, float]:
    values = [line.value for line in chart.lines]
    for row in chart.rows:
        for mark in row.marks:
            values += [mark.value, *(mark.interval or ())]
    low, high = min(values), max(values)
    if chart.log:
        room = (high / low) ** 0.06 if high > low else 1.5
        return low / room, high * room
    room = 0.06 * (high - low) or 1.0
    return low - room, high + room


def _lines(chart: ClaimChart, x: Any, y: Any, ends: tuple[float, float], height: int) -> list[Any]:
    """The values that rows are held against, named at the top."""
    marks: list[Any] = []
    for line in chart.lines:
        rows = [{"x": line.value, "y": _HEAD_PX - 6}, {"x": line.value, "y": height}]
        rule = layer(rows).mark_line(color=LIGHT.bad, strokeDash=[4, 3], aria=False)
        words = [{"x": line.value, "y": 7, "text": line.text}]
        right = _share(line.value, ends, chart.log) > 0.5
        style = {"align": "right" if right else "left", "dx": 4 if right else -4}
        named = text_layer(words, LIGHT.bad, fontSize=11, aria=False, **style)
        marks += [rule.encode(x=x, y=y), named.encode(x=x, y=y)]
    return marks


def _share(value: float, ends: tuple[float, float], log: bool) -> float:
    if log:
        return math.log(value / ends[0]) / math.log(ends[1] / ends[0])
    return (value - ends[0]) / (ends[1] - ends[0])


def _top(chart: ClaimChart, index: int) -> int:
    return _HEAD_PX * bool(chart.lines) + index * _ROW_PX


def _labels(chart: ClaimChart, ends: tuple[float, float], width: int, x: Any, y: Any) -> list[Any]:
    """Each row's label at the left and its figures at the right, clear of what is under them."""
    left, right = [], []
    for index, row in enumerate(chart.rows):
        room = max(8, int(width / _CHARACTER_PX - 1.2 * len(row.figures)) - 3)
        at = _top(chart, index) + _LABEL_PX
        left.append({"x": ends[0], "y": at, "text": wording.excerpt(row.label, room)})
        right.append({"x": ends[1], "y": at, "text": row.figures})
    marks: list[Any] = []
    for rows, style in (
        (left, {"align": "left"}),
        (right, {"align": "right", "fontWeight": "bold"}),
    ):
        halo = layer(rows).mark_text(**style, **_HALO, aria=False).encode(text="text:N")
        marks += [halo, text_layer(rows, LIGHT.ink, **style, aria=False)]
    return [one.encode(x=x, y=y) for one in marks]


def _marks(chart: ClaimChart, x: Any, y: Any) -> list[Any]:
    """Intervals as lines, figures as points: one layer each, however many rows there are."""
    points, spans = [], []
    for index, row in enumerate(chart.rows):
        for mark in row.marks:
            place = {"y": _top(chart, index) + _MARK_PX, "colour": COLOURS[mark.colour]}
            points.append({"x": mark.value, "shape": SHAPES[mark.colour], **place})
            if mark.interval is not None:
                spans.append({"x": mark.interval[0], "x2": mark.interval[1], **place})
    colour = alt.Color("colour:N", scale=None)
    marks = []
    if spans:
        rule = layer(spans).mark_rule(strokeWidth=3, opacity=0.6, aria=False)
        marks.append(rule.encode(x=x, x2="x2", y=y, color=colour))
    style = {"filled": True, "opacity": 1, "size": 85, "stroke": LIGHT.paper, "strokeWidth": 1}
    point = layer(points).mark_point(**style, aria=False)
    shape = alt.Shape("shape:N", scale=None)
    return [*marks, point.encode(x=x, y=y, color=colour, shape=shape)]
