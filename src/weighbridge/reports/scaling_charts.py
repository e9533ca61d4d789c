"""Charts of scaling laws, from plain series: nothing here knows how a law is fitted."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt

from weighbridge.reports.drawing import Drawing, draw
from weighbridge.reports.labels import apart, spread
from weighbridge.reports.palette import LIGHT

WIDTH_PX, HEIGHT_PX = 640, 380

_COUNT = "replace(format(datum.value, '~s'), 'G', 'B')"  # people say billions, not giga
POWER = "replace(format(datum.value, '.0e'), '+', '')"
_LABEL_PX, _HEAD_PX = 15, 20
_COLUMN, _LEADER = 0.33, 0.035  # shares of the width: labels right of the lines, leaders to them
_HALO = {"color": LIGHT.paper, "stroke": LIGHT.paper, "strokeWidth": 4}


@dataclass(frozen=True)
class Line:
    """A labelled line, with a band where one is known.

    Attributes:
        label: Stands at its right end.
        x: Abscissas, ascending.
        y: Ordinates.
        low: Lower edge of its band, or empty.
        high: Upper edge.
    """

    label: str
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float] = ()
    high: Sequence[float] = ()


@dataclass(frozen=True)
class Valley:
    """One compute budget: its runs, the parabola through them, its lowest point.

    Attributes:
        label: The budget.
        runs: (parameters, loss) of each.
        curve: (parameters, loss) along the parabola; empty where there is none.
        vertex: (parameters, loss), or None.
    """

    label: str
    runs: Sequence[tuple[float, float]]
    curve: Sequence[tuple[float, float]]
    vertex: tuple[float, float] | None


def surface(
    contours: Sequence[Line],
    frontier: Line,
    runs: Sequence[tuple[float, float]],
    name: str = "surface",
) -> Drawing:
    """Lines of equal loss over compute and parameters, optimal frontier with its band, the runs.

    Args:
        contours: One a loss; the label is the loss.
        frontier: Optimal parameters against FLOPs.
        runs: (FLOPs, parameters) of each run.
        name: File stem.
    """
    xs, ys = [x for x, _ in runs], [y for _, y in runs]
    left, right = min(xs) / 2, max([*xs, *frontier.x])
    bottom, top = min(ys) / 2, max([*ys, *frontier.y]) * 1.5
    x = log_x("compute, FLOPs", left, right, POWER)
    y = _log_y("parameters", bottom, top, _COUNT)
    losses = [_where_flat(line, right / 1.25, bottom * 1.35) for line in contours]
    key = {"x": left, "y": top, "text": "dots: runs · grey lines: equal loss, nats per token"}
    marks = [
        layer(band_rows(frontier)).mark_area(color=LIGHT.faint, opacity=0.75)
        .encode(x=x, y=y, y2="y2"),
        *(
            layer(line_rows(line)).mark_line(color=LIGHT.rule, strokeWidth=1.2, clip=True)
            .encode(x=x, y=y, order="i:Q")
            for line in contours
        ),
        layer([{"x": a, "y": b} for a, b in runs])
        .mark_circle(size=18, color=LIGHT.reference, opacity=0.8)
        .encode(x=x, y=y),
        layer(line_rows(frontier)).mark_line(color=LIGHT.candidate, strokeWidth=2.5)
        .encode(x=x, y=y, order="i:Q"),
        *(one.encode(x=x, y=y) for one in haloed(losses, LIGHT.muted, fontSize=11)),
        text_layer(
            [_last(frontier)], LIGHT.candidate, align="right", dx=-6, dy=-10, fontWeight="bold"
        ).encode(x=x, y=y),
        *(
            one.encode(x=x, y=y)
            for one in haloed([key], LIGHT.muted, align="left", dx=4, dy=9, fontSize=11)
        ),
    ]  # fmt: skip
    description = (
        f"Lines of equal loss for {', '.join(line.label for line in contours)} nats per token over "
        f"compute and parameters, {len(runs)} runs, and the optimal frontier, which ends at "
        f"{frontier.y[-1]:.3g} parameters for {frontier.x[-1]:.3g} FLOPs."
    )
    return draw(name, description, sized(alt.layer(*marks)))


def parabolas(valleys: Sequence[Valley], name: str = "isoflops") -> Drawing:
    """Loss against parameters at each compute budget, the parabola through it and its vertex."""
    sizes = [size for valley in valleys for size, _ in valley.runs]
    losses = [loss for valley in valleys for _, loss in valley.runs]
    x_ends = (min(sizes) / 1.3, max(sizes) * 2.2)
    y_ends = (min(losses) - 0.05, max(losses) + 0.1)
    x = log_x("parameters", *x_ends, _COUNT)
    y = alt.Y(
        "y:Q",
        title="loss, nats per token",
        scale=alt.Scale(domain=list(y_ends), nice=False),
        axis=alt.Axis(tickCount=6),
    )
    marks: list[Any] = []
    for i, valley in enumerate(valleys):
        strength = 0.35 + 0.65 * i / max(1, len(valleys) - 1)
        marks += [
            layer([{"x": a, "y": b, "i": j} for j, (a, b) in enumerate(valley.curve)])
            .mark_line(color=LIGHT.candidate, opacity=strength, strokeWidth=1.8, clip=True)
            .encode(x=x, y=y, order="i:Q"),
            layer([{"x": a, "y": b} for a, b in valley.runs])
            .mark_circle(size=22, color=LIGHT.candidate, opacity=strength).encode(x=x, y=y),
        ]  # fmt: skip
    vertices = [
        {"x": valley.vertex[0], "y": valley.vertex[1]} for valley in valleys if valley.vertex
    ]
    diamond = {"shape": "diamond", "size": 80, "filled": True, "opacity": 1, "color": LIGHT.bad}
    marks.append(layer(vertices).mark_point(**diamond).encode(x=x, y=y))
    ends = [max(valley.runs) for valley in valleys]
    for valley, (size, loss), dy in zip(valleys, ends, _nudges(ends, x_ends, y_ends), strict=True):
        row = {"x": size, "y": loss, "text": valley.label}
        style = {"align": "left", "dx": 7, "dy": dy, "fontSize": 11}
        marks += [one.encode(x=x, y=y) for one in haloed([row], LIGHT.muted, **style)]
    key = {"x": x_ends[1], "y": y_ends[1], "text": "labels: FLOPs · diamonds: best size of each"}
    marks.append(text_layer([key], LIGHT.muted, align="right", dy=9, fontSize=11).encode(x=x, y=y))
    summary = "; ".join(
        f"{valley.label} FLOPs: {valley.vertex[0]:.3g} parameters"
        for valley in valleys
        if valley.vertex
    )
    return draw(name, f"Best size by compute budget. {summary}", sized(alt.layer(*marks)))


def cloud(
    draws: Sequence[tuple[float, float]], best: tuple[float, float], name: str = "cloud"
) -> Drawing:
    """Bootstrap draws of both exponents, the fit, and the line where they are equal."""

    def axis(field: str, title: str, kind: Any, values: Sequence[float]) -> Any:
        domain = [min(values) - 0.005, max(values) + 0.005]
        scale = alt.Scale(domain=domain, nice=False)
        return kind(f"{field}:Q", title=title, scale=scale, axis=alt.Axis(tickCount=6))

    x = axis("x", "alpha, exponent of parameters", alt.X, [alpha for alpha, _ in draws])
    y = axis("y", "beta, exponent of tokens", alt.Y, [beta for _, beta in draws])
    low = max(min(alpha for alpha, _ in draws), min(beta for _, beta in draws))
    high = min(max(alpha for alpha, _ in draws), max(beta for _, beta in draws))
    ends = [{"x": low, "y": low}, {"x": high, "y": high}]
    at_best = [{"x": best[0], "y": best[1]}]
    corner = [{"x": low, "y": low, "text": "N and D grow alike"}]
    chart = alt.layer(
        layer([{"x": a, "y": b} for a, b in draws])
        .mark_circle(size=14, color=LIGHT.candidate, opacity=0.35).encode(x=x, y=y),
        layer(ends).mark_line(color=LIGHT.muted, strokeDash=[4, 3]).encode(x=x, y=y),
        layer(at_best)
        .mark_point(shape="diamond", size=110, filled=True, opacity=1, color=LIGHT.bad)
        .encode(x=x, y=y),
        text_layer(corner, LIGHT.muted, align="left", dx=12, fontSize=11).encode(x=x, y=y),
    )  # fmt: skip
    description = (
        f"{len(draws)} bootstrap draws of alpha and beta around {best[0]:.3f}, {best[1]:.3f}"
    )
    return draw(name, description, sized(chart, HEIGHT_PX, HEIGHT_PX))


def ratios(lines: Sequence[Line], emphasised: str, floor: float, name: str = "laws") -> Drawing:
    """Tokens per parameter against compute, one line a law; one stands out, with its band.

    Args:
        lines: Over the same compute.
        emphasised: Label of the one.
        floor: Where the plot ends below. A line that falls through it says there where it goes.
        name: File stem.
    """
    left, right = lines[0].x[0], lines[0].x[-1]
    first = next(line for line in lines if line.label == emphasised)
    top = 1.35 * max(max([*line.y, *line.high]) for line in lines)
    x = log_x("compute, FLOPs", left, (right / left) ** (1 / (1 - _COLUMN)) * left, POWER, right)
    y = _log_y("tokens per parameter", floor, top, "format(datum.value, '~g')", grid=False)
    grid = [{"x": left, "x2": right, "y": tick} for tick in _ticks(floor, top)]
    marks: list[Any] = [
        layer(grid).mark_rule(color=LIGHT.rule, strokeWidth=0.75).encode(x=x, x2="x2", y=y)
    ]
    if first.low:
        band = layer(band_rows(first)).mark_area(color=LIGHT.faint, opacity=0.6, clip=True)
        marks.append(band.encode(x=x, y=y, y2="y2"))
    for line in (*(line for line in lines if line is not first), first):
        style = {"color": LIGHT.reference, "strokeWidth": 1.3}
        if line is first:
            style = {"color": LIGHT.candidate, "strokeWidth": 2.5}
        marks.append(
            layer(line_rows(line)).mark_line(clip=True, **style).encode(x=x, y=y, order="i:Q")
        )
    marks += [one.encode(x=x, y=y) for one in _names_inside(lines, first, floor)]
    for one in _column(lines, first, (floor, top)):
        marks.append(one.encode(x=x, y=y))
    summary = "; ".join(f"{line.label} {line.y[-1]:.3g}" for line in lines)
    description = f"Tokens per parameter by compute; at {right:.1e} FLOPs: {summary}"
    return draw(name, description, sized(alt.layer(*marks)))


def _column(lines: Sequence[Line], first: Line, ends: tuple[float, float]) -> list[Any]:
    """Where each line ends and its name, in a column, joined to the lines by leaders."""
    floor, top = ends
    left, right = first.x[0], first.x[-1]
    per_unit = HEIGHT_PX / math.log(top / floor)
    whole = (right / left) ** (1 / (1 - _COLUMN))  # of the abscissas, to the picture's right edge
    near, figure, label = (right * whole ** (_LEADER * share) for share in (1, 2.5, 2.8))
    shown = [line for line in lines if line.y[-1] > floor]
    ideal = [math.log(top / line.y[-1]) * per_unit for line in shown]
    layers: list[Any] = []
    for line, at in zip(shown, spread(ideal, _LABEL_PX, (_HEAD_PX, HEIGHT_PX)), strict=True):
        end, y = line.y[-1], top * math.exp(-at / per_unit)
        leader = [{"x": right, "y": end, "i": 0}, {"x": near, "y": y, "i": 1}]
        colour = LIGHT.candidate if line is first else LIGHT.muted
        style = {"fontSize": 11, "fontWeight": "bold" if line is first else "normal"}
        layers += [
            layer(leader).mark_line(color=colour, strokeWidth=0.75).encode(order="i:Q"),
            text_layer(
                [{"x": figure, "y": y, "text": f"{end:.3g}"}], colour, align="right", **style
            ),
            text_layer([{"x": label, "y": y, "text": line.label}], colour, align="left", **style),
        ]
    head = {"x": label, "y": top, "text": f"at {_power(right)} FLOPs"}
    return [*layers, text_layer([head], LIGHT.muted, align="left", dy=6, fontSize=11)]


def _names_inside(lines: Sequence[Line], first: Line, floor: float) -> list[Any]:
    """The band's name, between its lower edge and the lines in it, and lines that leave below."""
    layers: list[Any] = []
    if first.low:
        lowest = min(line.y[-1] for line in lines if line.y[-1] > first.low[-1])
        between = max(first.low[-1], floor) ** 0.35 * lowest**0.65
        row = {"x": first.x[-1], "y": between, "text": f"95% band of\n{first.label}"}
        style = {"align": "right", "baseline": "middle", "lineBreak": "\n", "fontSize": 11}
        layers.append(text_layer([row], LIGHT.candidate, dx=-6, **style))
    for line in lines:
        if line.y[-1] > floor:
            continue
        x, y = next((x, y) for x, y in zip(line.x, line.y, strict=True) if y < 1.12 * floor)
        words = f"{line.label}, {line.y[-1]:.2g} at {_power(line.x[-1])} FLOPs"
        layers.append(text_layer([{"x": x, "y": y, "text": words}], LIGHT.muted,
                            align="left", dx=10, dy=-5, fontSize=11))  # fmt: skip
    return layers


def _nudges(
    at: Sequence[tuple[float, float]], x_ends: tuple[float, float], y_ends: tuple[float, float]
) -> list[float]:
    """Return how far each label of a logarithmic abscissa moves down, clear of the others."""
    across = WIDTH_PX / math.log(x_ends[1] / x_ends[0])
    down = HEIGHT_PX / (y_ends[1] - y_ends[0])
    places = [(across * math.log(x), -down * y) for x, y in at]
    moved = apart(places, 40, 13)
    return [y - ideal for y, (_, ideal) in zip(moved, places, strict=True)]


def _power(value: float) -> str:
    return f"{value:.0e}".replace("e+", "e")


def log_x(title: str, low: float, high: float, labels: str, last: float | None = None) -> Any:
    """Return a logarithmic abscissa, with ticks up to `last`."""
    values = _ticks(low, last or high)
    axis = alt.Axis(grid=False, values=values, labelExpr=labels, labelFlush=False)
    scale = alt.Scale(type="log", domain=[low, high], nice=False)
    return alt.X("x:Q", title=title, scale=scale, axis=axis)


def _log_y(title: str, low: float, high: float, labels: str, grid: bool = True) -> Any:
    scale = alt.Scale(type="log", domain=[low, high], nice=False)
    axis = alt.Axis(values=_ticks(low, high), labelExpr=labels, grid=grid)
    return alt.Y("y:Q", title=title, scale=scale, axis=axis)


def _ticks(low: float, high: float) -> list[float]:
    """Return round numbers, the fewer in a decade the more decades there are."""
    spanned = math.log10(high / low)
    mantissas = (1, 2, 5) if spanned < 2 else (1, 3) if spanned < 4 else (1,)
    step = 2 if spanned > 6 else 1
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    marks = [float(f"{m}e{d}") for d in decades if d % step == 0 for m in mantissas]
    return [mark for mark in marks if low <= mark <= high]


def line_rows(line: Line) -> list[dict[str, Any]]:
    """Return a line's points as rows, `i` in their order."""
    return [{"x": x, "y": y, "i": i} for i, (x, y) in enumerate(zip(line.x, line.y, strict=True))]


def band_rows(line: Line) -> list[dict[str, Any]]:
    """Return a line's band as rows, from `y` to `y2`."""
    return [
        {"x": x, "y": low, "y2": high}
        for x, low, high in zip(line.x, line.low, line.high, strict=False)
    ]


def _last(line: Line) -> dict[str, Any]:
    return {"x": line.x[-1], "y": line.y[-1], "text": line.label}


def _where_flat(line: Line, right: float, bottom: float) -> dict[str, Any]:
    """Where a contour's label stands: past its turn, towards small models, before it leaves."""
    at = min(range(len(line.x)), key=lambda i: line.x[i])
    while at and line.x[at - 1] < right and line.y[at - 1] > bottom:
        at -= 1
    return {"x": line.x[at], "y": line.y[at], "text": line.label}


def haloed(rows: list[dict[str, Any]], colour: str, **style: Any) -> list[Any]:
    """Return text that covers the lines under it."""
    halo = layer(rows).mark_text(**style, **_HALO).encode(text="text:N")
    return [halo, text_layer(rows, colour, **style)]


def text_layer(rows: list[dict[str, Any]], colour: str, **style: Any) -> Any:
    """Return rows' `text`, written in a colour."""
    return layer(rows).mark_text(color=colour, **style).encode(text="text:N")


def layer(rows: Sequence[dict[str, Any]]) -> Any:
    """Return a chart over rows of its own."""
    return alt.Chart(alt.Data(values=list(rows)))


def sized(chart: Any, width: int = WIDTH_PX, height: int = HEIGHT_PX) -> Any:
    """Give a chart its size, labels included."""
    fit = alt.AutoSizeParams(type="fit-x", contains="padding")
    return chart.properties(width=width, height=height, autosize=fit)
