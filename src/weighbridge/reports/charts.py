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
from weighbridge.records.scale import Scale, is_share, less_is_better
from weighbridge.records.scale import width as scale_width
from weighbridge.reports import wording
from weighbridge.reports.content import ArmsSection, BenchmarkSection, Forecast, TrainingPoint
from weighbridge.reports.drawing import Drawing, draw
from weighbridge.reports.palette import LIGHT

_Item = TypeVar("_Item")

WIDE_PX, NARROW_PX = 704, 328
HALF_PX = 338

_ROW_PX = 48
_LABEL_PX, _MARK_PX, _REACH_PX = 12, 30, 10  # label's baseline, mark, half the mark's height
_PART_PX, _BAR_PX = 54, 9
_CHARACTER_PX = 6.4  # mean width of the label font at 12 px, for cutting names to fit
_MAX_POINTS = 600  # more can't be told apart at this width and only make the file large


@dataclass(frozen=True)
class _Row:
    """An interval with its label, in the chart's unit; without a value nothing is drawn."""

    label: str
    figures: str
    value: float | None
    low: float
    high: float
    colour: str
    margin: float | None = None


def means(section: BenchmarkSection, name: str, width: int = HALF_PX) -> Drawing:
    """Both models' means with 95 % intervals, on the whole scale."""
    rows = []
    scale = section.comparison.scale
    per = _per_unit(scale)
    for run, colour in (
        (section.candidate, LIGHT.candidate),
        (section.reference, LIGHT.reference),
    ):
        mean, (low, high) = run.estimate.known_mean, run.estimate.interval
        value = None if mean is None else per * mean
        figures = wording.run_mean(run)
        rows.append(_Row(run.model.name, figures, value, per * low, per * high, colour))
    title = f"{wording.unit(scale)}, with 95 % interval"
    ends = (per * scale[0], per * scale[1])
    if less_is_better(scale):  # no text costs eight bits a byte: the two would be one point
        ends = (0.0, 1.1 * max(row.high for row in rows))
    return draw(name, _described(section.title, rows), _rows(rows, ends, title, width))


def arms(section: ArmsSection, name: str, width: int) -> Drawing:
    """Each arm's mean with its 95 % interval, on the whole scale."""
    scale = section.arms[0].run.estimate.scale
    per = _per_unit(scale)
    rows = []
    for arm in section.arms:
        mean, (low, high) = arm.run.estimate.known_mean, arm.run.estimate.interval
        value = None if mean is None else per * mean
        colour = LIGHT.candidate if arm.colour == "candidate" else LIGHT.reference
        figures = wording.run_mean(arm.run)
        rows.append(_Row(arm.name, figures, value, per * low, per * high, colour))
    title = f"{wording.unit(scale)}, with 95 % interval"
    ends = (per * scale[0], per * scale[1])
    return draw(
        name, _described(f"{section.title}, each arm", rows), _rows(rows, ends, title, width)
    )


def _per_unit(scale: Scale) -> float:
    return 100 if is_share(scale) else 1


def _per_cent(comparison: Comparison) -> float:
    """Per cent of the scale that one unit is; of the reference's own loss, which ends nowhere."""
    scale = comparison.scale
    whole = comparison.mean_b if less_is_better(scale) else scale_width(scale)
    return 100 / whole if whole else 0.0


def differences(
    labelled: Sequence[tuple[str, Comparison]], name: str, width: int = HALF_PX
) -> Drawing:
    """Paired differences with 95 % intervals; the zone worse than each margin is shaded.

    Where scales differ, all are drawn in per cent of their own scale, losses in per cent of the
    reference's; the figures stay as they are. Better is always to the right, so a loss that grows
    lies to the left.
    A row without a graded answer has its label and margin, but no mark.
    """
    rows = []
    scales = {comparison.scale for _, comparison in labelled}
    for label, comparison in labelled:
        (low, high), scale = comparison.interval, comparison.scale
        per = _per_unit(scale) if len(scales) == 1 else _per_cent(comparison)
        if less_is_better(scale):  # to the right is better in every chart of differences
            low, high, per = high, low, -per
        rows.append(
            _Row(
                label,
                "nothing was graded" if comparison.why_unknown else wording.compared(comparison),
                None if comparison.why_unknown else per * comparison.difference,
                per * low,
                per * high,
                LIGHT.candidate,
                abs(per) * comparison.margin,
            )
        )
    edges = [0.0]
    for row in rows:
        margin = row.margin or 0
        edges += [-1.5 * margin, margin]
        edges += [] if row.value is None else [row.low, row.high]
    pad = 0.06 * (max(edges) - min(edges)) or 1.0
    domain = (min(edges) - pad, max(edges) + pad)
    unit = "% of each scale"
    unit += " or loss" if any(map(less_is_better, scales)) else ""
    if len(scales) == 1:
        (scale,) = scales
        unit = "points" if is_share(scale) else f"scale {scale[0]:g} to {scale[1]:g}"
        unit = "bits per byte saved" if less_is_better(scale) else unit
    title = f"{unit}, paired · shaded: worse than the margin"
    return draw(name, _described("Paired difference", rows), _rows(rows, domain, title, width))


def parts(section: BenchmarkSection, name: str, width: int) -> Drawing | None:
    """Both models' means of each named part, as bars; None where the benchmark has no parts."""
    figures = part_means(section)
    if not figures:
        return None
    bars, labels, words = [], [], []
    for index, (part, candidate, reference) in enumerate(figures):
        top = index * _PART_PX
        labels.append(
            {"x": 0, "label_y": top + _LABEL_PX, "label": _fitted(part, "", width), "figures": ""}
        )
        words.append(f"{part}: {wording.percent(candidate)} against {wording.percent(reference)}")
        for start, value, colour in (
            (top + 19, candidate, LIGHT.candidate),
            (top + 30, reference, LIGHT.reference),
        ):
            bars.append(
                {
                    "x": 0,
                    "end": 100 * value,
                    "y": start,
                    "y2": start + _BAR_PX,
                    "middle": start + _BAR_PX / 2,
                    "colour": colour,
                    "text": wording.percent(value),
                }
            )
    # The scale goes past 100 % by the room that a full bar's figure needs.
    domain = (0, 100 * width / (width - 52))
    frame = _Frame(domain, "% of items", width, len(figures) * _PART_PX, (0, 25, 50, 75, 100))
    marks, x, y = _layer(bars), frame.x, frame.y
    figure = marks.mark_text(align="left", dx=5, baseline="middle", fontSize=11)
    chart = frame.chart(
        *_row_labels(frame, labels, "x", "x"),
        marks.mark_rect().encode(
            x=x("x"), x2="end", y=y("y"), y2="y2", color=alt.Color("colour:N", scale=None)
        ),
        figure.encode(x=x("end"), y=y("middle"), text="text:N"),
    )
    description = f"{section.title}, share of items right by part. " + "; ".join(words)
    return draw(name, description, chart)


def part_means(section: BenchmarkSection) -> list[tuple[str, float, float]]:
    """Part, candidate's mean, reference's mean: paired where compared, else each run's own."""
    if section.comparison.why_unknown:
        return []
    if section.part_comparisons:
        return [(part.metric, part.mean_a, part.mean_b) for part in section.part_comparisons]
    ours, theirs = section.candidate.estimate.parts, section.reference.estimate.parts
    return [(part, ours[part], theirs[part]) for part in ours if part in theirs]


def training(points: Sequence[TrainingPoint], name: str, width: int) -> Drawing | None:
    """Training loss by step, raw and smoothed, with the validation measurements as points."""
    finite = [point for point in points if math.isfinite(point.loss)]
    if len(finite) < 2:
        return None
    losses = [point.loss for point in finite]
    raw = _thinned([{"x": p.step, "y": p.loss} for p in finite])
    smooth = _thinned(
        [{"x": p.step, "y": y} for p, y in zip(finite, smoothed(losses), strict=True)]
    )
    checks = [
        {"x": p.step, "y": p.validation_loss}
        for p in points
        if p.validation_loss is not None and math.isfinite(p.validation_loss)
    ]
    ceiling = 1.04 * max(row["y"] for row in (*raw, *checks))
    x = alt.X(
        "x:Q",
        title="optimiser step",
        scale=alt.Scale(domain=[0, finite[-1].step], nice=False),
        axis=alt.Axis(grid=False, tickCount=max(3, width // 90), format=",d"),
    )
    y = alt.Y(
        "y:Q",
        title="loss, nats per target token",
        scale=alt.Scale(domain=[0, ceiling], nice=True),
        axis=alt.Axis(tickCount=5),
    )
    # Each label goes to the side of its line where the other line is not.
    above = not checks or smooth[-1]["y"] > checks[-1]["y"]
    words = f"training {losses[-1]:.3f}"
    description = f"Training loss from {losses[0]:.3f} to {losses[-1]:.3f}"
    layers = [
        _layer(raw).mark_line(color=LIGHT.faint, strokeWidth=1),
        _layer(smooth).mark_line(color=LIGHT.candidate, strokeWidth=2),
        _end_label(smooth[-1], words, LIGHT.candidate, above),
    ]
    if checks:
        first, last = checks[0]["y"], checks[-1]["y"]
        description += f"; validation loss from {first:.3f} to {last:.3f}"
        diamond = {"shape": "diamond", "size": 58, "filled": True, "opacity": 1}
        layers += [
            _layer(checks).mark_point(**diamond, color=LIGHT.ink),
            _end_label(checks[-1], f"validation {last:.3f}", LIGHT.ink, not above),
        ]
    chart = alt.layer(*(layer.encode(x=x, y=y) for layer in layers))
    description += f", over {wording.count(finite[-1].step)} steps."
    return draw(name, description, _sized(chart, width, 250))


def _end_label(row: dict[str, Any], text: str, colour: str, above: bool) -> Any:
    marks = _layer([{**row, "text": text}])
    shift = -13 if above else 15
    return marks.mark_text(align="right", dy=shift, color=colour, fontWeight="bold").encode(
        text="text:N"
    )


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
    rows: list[dict[str, Any]] = []
    words = []
    for item in items:
        if item.measured is None or item.predicted <= 0:
            continue
        top = len(rows) * _ROW_PX
        measured, predicted = (
            wording.amount(v, item.unit) for v in (item.measured, item.predicted)
        )
        words.append(f"{item.name}: {measured} of {predicted} forecast")
        rows.append(
            {
                "x": 0,
                "share": 100 * item.measured / item.predicted,
                "forecast": 100,
                "label_y": top + _LABEL_PX,
                "y": top + _MARK_PX - 5,
                "y2": top + _MARK_PX + 5,
                "line": top + _MARK_PX - _REACH_PX,
                "line2": top + _MARK_PX + _REACH_PX,
                "label": _fitted(item.name, f"{measured} of {predicted}", width),
                "figures": f"{measured} of {predicted}",
            }
        )
    if not rows:
        return None
    domain = (0.0, 1.05 * max(120.0, *(row["share"] for row in rows)))
    rows = [{**row, "end": domain[1]} for row in rows]
    frame = _Frame(domain, "measured, % of the forecast", width, len(rows) * _ROW_PX)
    marks, x, y = _layer(rows), frame.x, frame.y
    line = marks.mark_rule(color=LIGHT.ink, strokeWidth=2.5)
    chart = frame.chart(
        *_row_labels(frame, rows, "x", "end"),
        marks.mark_rect(color=LIGHT.candidate).encode(x=x("x"), x2="share", y=y("y"), y2="y2"),
        line.encode(x=x("forecast"), y=y("line"), y2="line2"),
    )
    return draw(name, "Measured against forecast. " + "; ".join(words), chart)


def _rows(rows: Sequence[_Row], domain: tuple[float, float], title: str, width: int) -> Any:
    """Intervals one below the other; where a row has a margin, zero and the zone are drawn too."""
    data = [
        {
            "start": domain[0],
            "value": row.value,
            "low": row.low,
            "high": row.high,
            "colour": row.colour,
            "end": domain[1],
            "label": _fitted(row.label, row.figures, width),
            "figures": row.figures,
            "label_y": index * _ROW_PX + _LABEL_PX,
            "y": index * _ROW_PX + _MARK_PX,
            "top": index * _ROW_PX + _MARK_PX - _REACH_PX,
            "bottom": index * _ROW_PX + _MARK_PX + _REACH_PX,
            "margin": -row.margin if row.margin is not None else None,
            "zero": 0,
        }
        for index, row in enumerate(rows)
    ]
    frame = _Frame(domain, title, width, len(rows) * _ROW_PX)
    marks, x, y = _layer(data), frame.x, frame.y
    colour = alt.Color("colour:N", scale=None)
    layers = _row_labels(frame, data, "start", "end")
    if any(row.margin is not None for row in rows):
        span = {"y": y("top"), "y2": "bottom"}
        layers += [
            marks.mark_rect(color=LIGHT.zone).encode(x=x("start"), x2="margin", **span),
            marks.mark_rule(color=LIGHT.bad, strokeDash=[3, 2]).encode(x=x("margin"), **span),
            marks.mark_rule(color=LIGHT.muted).encode(x=x("zero"), **span),
        ]
    known = _layer([row for row in data if row["value"] is not None])
    dot = known.mark_circle(size=95, opacity=1, stroke=LIGHT.paper, strokeWidth=1.5)
    layers += [
        known.mark_rule(strokeWidth=3).encode(x=x("low"), x2="high", y=y("y"), color=colour),
        dot.encode(x=x("value"), y=y("y"), color=colour),
    ]
    return frame.chart(*layers)


def _row_labels(frame: "_Frame", rows: list[dict[str, Any]], start: str, end: str) -> list[Any]:
    """Each row's label at the left and its figures at the right, clear of the grid.

    Halos cover what is under them: these come before the marks.
    """
    layers = []
    for field, at, style in (
        ("label", start, {"align": "left"}),
        ("figures", end, {"align": "right", "fontWeight": "bold"}),
    ):
        place = {"x": frame.x(at), "y": frame.y("label_y"), "text": f"{field}:N"}
        halo = {"color": LIGHT.paper, "stroke": LIGHT.paper, "strokeWidth": 5}
        layers += [
            _layer(rows).mark_text(**style, **halo).encode(**place),
            _layer(rows).mark_text(**style, color=LIGHT.ink).encode(**place),
        ]
    return layers


@dataclass(frozen=True)
class _Frame:
    """A plot whose x is in data units and whose y is in pixels from the top, rows laid by hand."""

    domain: tuple[float, float]
    title: str
    width: int
    height: int
    ticks: tuple[int, ...] = ()

    def x(self, field: str) -> Any:
        ticks = {"values": list(self.ticks)} if self.ticks else {"tickCount": 5}
        scale = alt.Scale(domain=list(self.domain), nice=False, zero=False)
        return alt.X(f"{field}:Q", title=self.title, scale=scale, axis=alt.Axis(**ticks))

    def y(self, field: str) -> Any:
        scale = alt.Scale(domain=[0, self.height], reverse=True, nice=False, zero=False)
        return alt.Y(f"{field}:Q", title=None, scale=scale, axis=None)

    def chart(self, *layers: Any) -> Any:
        return _sized(alt.layer(*layers), self.width, self.height)


def _layer(rows: Iterable[dict[str, Any]]) -> Any:
    return alt.Chart(alt.Data(values=list(rows)))


def _sized(chart: Any, width: int, height: int) -> Any:
    fit = alt.AutoSizeParams(type="fit-x", contains="padding")
    return chart.properties(width=width, height=height, autosize=fit)


def _fitted(label: str, figures: str, width: int) -> str:
    """A row's label, cut so that its figures fit beside it."""
    room = int(width / _CHARACTER_PX) - len(figures) - 2
    return wording.excerpt(label, max(8, room))


def _described(title: str, rows: Sequence[_Row]) -> str:
    return f"{title}. " + "; ".join(f"{row.label}: {row.figures}" for row in rows)


def _thinned(items: Sequence[_Item]) -> list[_Item]:
    """At most `_MAX_POINTS` items, evenly spaced, first and last among them."""
    if len(items) <= _MAX_POINTS:
        return list(items)
    last = len(items) - 1
    return [items[round(i * last / (_MAX_POINTS - 1))] for i in range(_MAX_POINTS)]
