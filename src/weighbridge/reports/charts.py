"""The report's charts. Each takes a width in pixels, so that a phone gets its own drawing.

Rows carry their label above the mark, not beside it: long model names then cost height, which a
phone has, and not width, which it lacks.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import altair as alt

from weighbridge.records import Comparison
from weighbridge.reports import wording
from weighbridge.reports.content import BenchmarkSection, Forecast, TrainingPoint
from weighbridge.reports.drawing import Drawing, draw
from weighbridge.reports.palette import LIGHT

_Item = TypeVar("_Item")

WIDE_PX, NARROW_PX = 704, 328
HALF_PX = 338

_ROW_PX = 46
_LABEL_PX, _MARK_PX = 14, 30  # from a row's top to its label's baseline and to its mark
_CHARACTER_PX = 6.4  # mean width of the label font at 12 px, for cutting names to fit
_MAX_POINTS = 600  # more can't be told apart at this width and only make the file large


@dataclass(frozen=True)
class _Row:
    """An interval with its label; in per cent or points."""

    label: str
    value: float
    low: float
    high: float
    colour: str
    margin: float | None = None


def means(section: BenchmarkSection, name: str, width: int = HALF_PX) -> Drawing:
    """Both models' means with 95 % intervals, on the whole scale from 0 to 100 %."""
    rows = []
    for run, colour in (
        (section.candidate, LIGHT.candidate),
        (section.reference, LIGHT.reference),
    ):
        mean, (low, high) = run.estimate.mean, run.estimate.interval
        figures = wording.estimate(mean, (low, high))
        label = _fitted(run.model.name, figures, width)
        rows.append(_Row(label, 100 * mean, 100 * low, 100 * high, colour))
    title = "% of items, with 95 % interval"
    return draw(name, _described(section.title, rows), _rows(rows, (0, 100), title, width))


def differences(
    labelled: Sequence[tuple[str, Comparison]], name: str, width: int = HALF_PX
) -> Drawing:
    """Paired differences with 95 % intervals; the zone worse than each margin is shaded."""
    rows = []
    for label, comparison in labelled:
        low, high = comparison.interval
        figures = f"{wording.signed(comparison.difference)} [{wording.signed(low)}, "
        figures += f"{wording.signed(high)}]"
        rows.append(
            _Row(
                _fitted(label, figures, width),
                100 * comparison.difference,
                100 * low,
                100 * high,
                LIGHT.candidate,
                100 * comparison.margin,
            )
        )
    edges = [0.0]
    for row in rows:
        margin = row.margin or 0
        edges += [row.low, row.high, -2 * margin, margin]
    pad = 0.06 * (max(edges) - min(edges)) or 1.0
    domain = (min(edges) - pad, max(edges) + pad)
    title = "points, paired · shaded: worse than the margin"
    return draw(name, _described("Paired difference", rows), _rows(rows, domain, title, width))


def parts(section: BenchmarkSection, name: str, width: int) -> Drawing | None:
    """Both models' means of each named part, as bars; None where the benchmark has no parts."""
    figures = part_means(section)
    if not figures:
        return None
    bar, gap, top = 9, 3, 20
    height_row = top + 2 * (bar + gap) + 8
    bars, labels, words = [], [], []
    for index, (part, candidate, reference) in enumerate(figures):
        y = index * height_row
        labels.append({"x": 0, "y": y + 13, "text": part})
        words.append(f"{part}: {wording.percent(candidate)} against {wording.percent(reference)}")
        for place, (value, colour) in enumerate(
            ((candidate, LIGHT.candidate), (reference, LIGHT.reference))
        ):
            start = y + top + place * (bar + gap)
            text = wording.percent(value)
            bars.append(
                {
                    "x": 0,
                    "x2": 100 * value,
                    "y": start,
                    "y2": start + bar,
                    "middle": start + bar / 2,
                    "colour": colour,
                    "text": text,
                }
            )
    height = len(figures) * height_row
    # Room to the right of a full bar for its figure.
    x = _x((0, 100 + 5200 / width), "% of items", values=[0, 25, 50, 75, 100])
    y_scale = _pixels(height)
    marks = _layer(bars)
    chart = alt.layer(
        marks.mark_rect().encode(
            x=x, x2="x2", y=y_scale, y2="y2", color=alt.Color("colour:N", scale=None)
        ),
        marks.mark_text(align="left", dx=5, baseline="middle", fontSize=11).encode(
            x="x2:Q", y=alt.Y("middle:Q"), text="text:N"
        ),
        _layer(labels).mark_text(align="left").encode(x="x:Q", y="y:Q", text="text:N"),
    )
    description = f"{section.title}, share of items right by part. " + "; ".join(words)
    return draw(name, description, _sized(chart, width, height))


def part_means(section: BenchmarkSection) -> list[tuple[str, float, float]]:
    """Part, candidate's mean, reference's mean: paired where compared, else each run's own."""
    if section.part_comparisons:
        return [(part.metric, part.mean_a, part.mean_b) for part in section.part_comparisons]
    ours, theirs = section.candidate.estimate.parts, section.reference.estimate.parts
    return [(part, ours[part], theirs[part]) for part in ours if part in theirs]


def training(points: Sequence[TrainingPoint], name: str, width: int) -> Drawing | None:
    """Training loss by step, raw and smoothed, with the validation measurements as points."""
    finite = [point for point in points if math.isfinite(point.loss)]
    if len(finite) < 2:
        return None
    steps = [point.step for point in finite]
    raw = [{"x": p.step, "y": p.loss} for p in _thinned(finite)]
    smooth = [
        {"x": step, "y": loss}
        for step, loss in _thinned(
            list(zip(steps, smoothed([p.loss for p in finite]), strict=True))
        )
    ]
    checks = [
        {"x": p.step, "y": p.validation_loss}
        for p in points
        if p.validation_loss is not None and math.isfinite(p.validation_loss)
    ]
    top = 1.04 * max(row["y"] for row in (*raw, *checks))
    x = alt.X(
        "x:Q",
        title="optimiser step",
        scale=alt.Scale(domain=[0, max(steps)], nice=False),
        axis=alt.Axis(grid=False, tickCount=max(3, width // 90), format="~s"),
    )
    y = alt.Y(
        "y:Q",
        title="loss, nats per target token",
        scale=alt.Scale(domain=[0, top], nice=True),
        axis=alt.Axis(tickCount=5),
    )
    layers = [
        _layer(raw).mark_line(color=LIGHT.faint, strokeWidth=1).encode(x=x, y=y),
        _layer(smooth).mark_line(color=LIGHT.candidate, strokeWidth=2).encode(x=x, y=y),
    ]
    # Each label goes to the side of its line where the other one is not.
    above = not checks or smooth[-1]["y"] > checks[-1]["y"]
    ends = [(smooth[-1], f"training {finite[-1].loss:.3f}", LIGHT.candidate, above)]
    words = f"Training loss from {finite[0].loss:.3f} to {finite[-1].loss:.3f}"
    if checks:
        layers.append(
            _layer(checks)
            .mark_point(
                shape="diamond",
                size=58,
                filled=True,
                color=LIGHT.ink,
                opacity=1,
                stroke=LIGHT.paper,
                strokeWidth=1,
            )
            .encode(x=x, y=y)
        )
        ends.append((checks[-1], f"validation {checks[-1]['y']:.3f}", LIGHT.ink, not above))
        words += f"; validation loss from {checks[0]['y']:.3f} to {checks[-1]['y']:.3f}"
    for row, text, colour, over in ends:
        layers.append(
            _layer([{**row, "text": text}])
            .mark_text(align="right", dy=-13 if over else 15, color=colour, fontWeight="bold")
            .encode(x=x, y=y, text="text:N")
        )
    chart = _sized(alt.layer(*layers), width, 250)
    return draw(name, f"{words}, over {wording.count(max(steps))} steps.", chart)


def smoothed(values: Sequence[float]) -> list[float]:
    """Centred moving mean over about a twentieth of the values; shorter at both ends."""
    reach = max(1, len(values) // 40)
    return [
        math.fsum(window) / len(window)
        for window in (
            values[max(0, i - min(reach, i, len(values) - 1 - i)) :][
                : 2 * min(reach, i, len(values) - 1 - i) + 1
            ]
            for i in range(len(values))
        )
    ]


def forecasts(items: Sequence[Forecast], name: str, width: int) -> Drawing | None:
    """Bullet bars: the measurement as a share of its forecast, the forecast as a line at 100 %."""
    measured = [item for item in items if item.measured is not None and item.predicted > 0]
    if not measured:
        return None
    rows, words = [], []
    for index, item in enumerate(measured):
        value = item.measured or 0.0
        top = index * _ROW_PX
        figures = (
            f"{wording.amount(value, item.unit)} of {wording.amount(item.predicted, item.unit)}"
        )
        words.append(f"{item.name}: {figures} forecast")
        rows.append(
            {
                "x": 0,
                "x2": 100 * value / item.predicted,
                "full": 100,
                "label_y": top + _LABEL_PX,
                "y": top + _MARK_PX - 6,
                "y2": top + _MARK_PX + 6,
                "tick": top + _MARK_PX - 10,
                "tick2": top + _MARK_PX + 10,
                "text": _fitted(item.name, figures, width),
            }
        )
    height = len(rows) * _ROW_PX
    x = _x((0, max(125.0, *(row["x2"] * 1.05 for row in rows))), "measured, % of the forecast")
    y = _pixels(height)
    marks = _layer(rows)
    chart = alt.layer(
        marks.mark_rect(color=LIGHT.candidate).encode(x=x, x2="x2", y=y, y2="y2"),
        marks.mark_rule(color=LIGHT.ink, strokeWidth=2.5).encode(
            x="full:Q", y="tick:Q", y2="tick2"
        ),
        marks.mark_text(align="left").encode(x=x, y="label_y:Q", text="text:N"),
    )
    return draw(
        name, "Measured against forecast. " + "; ".join(words), _sized(chart, width, height)
    )


def _rows(rows: Sequence[_Row], domain: tuple[float, float], title: str, width: int) -> Any:
    """Intervals one below the other; where a row has a margin, zero and the zone are drawn too."""
    data = [
        {
            "start": domain[0],
            "value": row.value,
            "low": row.low,
            "high": row.high,
            "colour": row.colour,
            "text": row.label,
            "label_y": index * _ROW_PX + _LABEL_PX,
            "y": index * _ROW_PX + _MARK_PX,
            "top": index * _ROW_PX + _MARK_PX - 10,
            "bottom": index * _ROW_PX + _MARK_PX + 10,
            "margin": -row.margin if row.margin is not None else None,
            "zero": 0,
        }
        for index, row in enumerate(rows)
    ]
    height = len(rows) * _ROW_PX
    x, y = _x(domain, title, field="value"), _pixels(height)
    marks = _layer(data)
    colour = alt.Color("colour:N", scale=None)
    layers = []
    if any(row.margin is not None for row in rows):
        span = {"y": alt.Y("top:Q"), "y2": "bottom"}
        layers += [
            marks.mark_rect(color=LIGHT.zone).encode(x="start:Q", x2="margin", **span),
            marks.mark_rule(color=LIGHT.bad, strokeDash=[3, 2]).encode(x="margin:Q", **span),
            marks.mark_rule(color=LIGHT.muted).encode(x="zero:Q", **span),
        ]
    layers += [
        marks.mark_rule(strokeWidth=3).encode(x="low:Q", x2="high", y=y, color=colour),
        marks.mark_point(
            filled=True, size=95, opacity=1, stroke=LIGHT.paper, strokeWidth=1.5
        ).encode(x=x, y=y, fill=colour),
        marks.mark_text(align="left").encode(x="start:Q", y="label_y:Q", text="text:N"),
    ]
    return _sized(alt.layer(*layers), width, height)


def _x(
    domain: tuple[float, float], title: str, field: str = "x", values: list[int] | None = None
) -> Any:
    axis = alt.Axis(tickCount=5, values=values) if values else alt.Axis(tickCount=5)
    scale = alt.Scale(domain=list(domain), nice=False, zero=False)
    return alt.X(f"{field}:Q", title=title, scale=scale, axis=axis)


def _pixels(height: int) -> Any:
    """A y channel in pixels from the top: rows are laid out by hand."""
    scale = alt.Scale(domain=[0, height], reverse=True, nice=False, zero=False)
    return alt.Y("y:Q", scale=scale, axis=None)


def _layer(rows: Iterable[dict[str, Any]]) -> Any:
    return alt.Chart(alt.Data(values=list(rows)))


def _sized(chart: Any, width: int, height: int) -> Any:
    fit = alt.AutoSizeParams(type="fit-x", contains="padding")
    return chart.properties(width=width, height=height, autosize=fit)


def _fitted(label: str, figures: str, width: int) -> str:
    """A row's label with its figures, the label cut so that both fit on one line."""
    room = int((width - 8) / _CHARACTER_PX) - len(figures) - 2
    return f"{wording.excerpt(label, max(8, room))}  {figures}"


def _described(title: str, rows: Sequence[_Row]) -> str:
    return f"{title}. " + "; ".join(row.label.replace("  ", ": ") for row in rows)


def _thinned(items: Sequence[_Item]) -> list[_Item]:
    """At most `_MAX_POINTS` items, evenly spaced, first and last among them."""
    if len(items) <= _MAX_POINTS:
        return list(items)
    last = len(items) - 1
    return [items[round(i * last / (_MAX_POINTS - 1))] for i in range(_MAX_POINTS)]
