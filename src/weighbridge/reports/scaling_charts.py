"""Charts of scaling laws, from plain series: nothing here knows how a law is fitted."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt

from weighbridge.reports.drawing import Drawing, draw
from weighbridge.reports.palette import LIGHT

WIDTH_PX, HEIGHT_PX = 640, 380

_COUNT = "replace(format(datum.value, '~s'), 'G', 'B')"  # people say billions, not giga
_POWER = "format(datum.value, '.0e')"
_LABEL_PX = 12


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
    x = _log_x("compute, FLOPs", min(xs) / 2, max([*xs, *frontier.x]), _POWER)
    y = _log_y("parameters", min(ys) / 2, max([*ys, *frontier.y]) * 1.5, _COUNT)
    marks = [
        _layer(_band(frontier)).mark_area(color=LIGHT.faint, opacity=0.75)
        .encode(x=x, y=y, y2="y2"),
        *(
            _layer(_rows(line)).mark_line(color=LIGHT.rule, strokeWidth=1.2, clip=True)
            .encode(x=x, y=y, order="i:Q")
            for line in contours
        ),
        _layer([{"x": a, "y": b} for a, b in runs])
        .mark_circle(size=18, color=LIGHT.reference, opacity=0.8)
        .encode(x=x, y=y),
        _layer(_rows(frontier)).mark_line(color=LIGHT.candidate, strokeWidth=2.5)
        .encode(x=x, y=y, order="i:Q"),
        *(
            _text([_lowest(line)], LIGHT.muted, align="right", dx=-4, dy=-9, fontSize=10)
            .encode(x=x, y=y)
            for line in contours
        ),
        _text([_last(frontier)], LIGHT.candidate, align="right", dx=-6, dy=-10, fontWeight="bold")
        .encode(x=x, y=y),
    ]  # fmt: skip
    description = (
        f"Lines of equal loss for {', '.join(line.label for line in contours)} nats per token over "
        f"compute and parameters, {len(runs)} runs, and the optimal frontier, which ends at "
        f"{frontier.y[-1]:.3g} parameters for {frontier.x[-1]:.3g} FLOPs."
    )
    return draw(name, description, _sized(alt.layer(*marks)))


def parabolas(valleys: Sequence[Valley], name: str = "isoflops") -> Drawing:
    """Loss against parameters at each compute budget, the parabola through it and its vertex."""
    sizes = [size for valley in valleys for size, _ in valley.runs]
    losses = [loss for valley in valleys for _, loss in valley.runs]
    x = _log_x("parameters", min(sizes) / 1.3, max(sizes) * 2.2, _COUNT)
    y = alt.Y(
        "y:Q",
        title="loss, nats per token",
        scale=alt.Scale(domain=[min(losses) - 0.05, max(losses) + 0.05], nice=False),
        axis=alt.Axis(tickCount=6),
    )
    marks: list[Any] = []
    for i, valley in enumerate(valleys):
        strength = 0.35 + 0.65 * i / max(1, len(valleys) - 1)
        marks += [
            _layer([{"x": a, "y": b, "i": j} for j, (a, b) in enumerate(valley.curve)])
            .mark_line(color=LIGHT.candidate, opacity=strength, strokeWidth=1.8, clip=True)
            .encode(x=x, y=y, order="i:Q"),
            _layer([{"x": a, "y": b} for a, b in valley.runs])
            .mark_circle(size=22, color=LIGHT.candidate, opacity=strength).encode(x=x, y=y),
        ]  # fmt: skip
    vertices = [
        {"x": valley.vertex[0], "y": valley.vertex[1]} for valley in valleys if valley.vertex
    ]
    diamond = {"shape": "diamond", "size": 80, "filled": True, "opacity": 1, "color": LIGHT.bad}
    marks.append(_layer(vertices).mark_point(**diamond).encode(x=x, y=y))
    for valley in valleys:
        right = max(valley.runs)
        row = {"x": right[0], "y": right[1], "text": valley.label}
        marks.append(_text([row], LIGHT.muted, align="left", dx=7, fontSize=10).encode(x=x, y=y))
    told = "; ".join(
        f"{valley.label} FLOPs: {valley.vertex[0]:.3g} parameters"
        for valley in valleys
        if valley.vertex
    )
    return draw(name, f"Best size by compute budget. {told}", _sized(alt.layer(*marks)))


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
    corner = [{"x": high, "y": high, "text": "N and D grow alike"}]
    chart = alt.layer(
        _layer([{"x": a, "y": b} for a, b in draws])
        .mark_circle(size=14, color=LIGHT.candidate, opacity=0.35).encode(x=x, y=y),
        _layer(ends).mark_line(color=LIGHT.muted, strokeDash=[4, 3]).encode(x=x, y=y),
        _layer(at_best)
        .mark_point(shape="diamond", size=110, filled=True, opacity=1, color=LIGHT.bad)
        .encode(x=x, y=y),
        _text(corner, LIGHT.muted, align="right", dy=-8, fontSize=11).encode(x=x, y=y),
    )  # fmt: skip
    description = (
        f"{len(draws)} bootstrap draws of alpha and beta around {best[0]:.3f}, {best[1]:.3f}"
    )
    return draw(name, description, _sized(chart, HEIGHT_PX, HEIGHT_PX))


def ratios(lines: Sequence[Line], emphasised: str, name: str = "laws") -> Drawing:
    """Tokens per parameter against compute, one line a law; one stands out, with its band."""
    top = max(max(line.y) for line in lines)
    bottom = min(min(line.y) for line in lines)
    right = max(line.x[-1] for line in lines)
    x = _log_x("compute, FLOPs", min(line.x[0] for line in lines), right * 1500, _POWER, right)
    y = _log_y("tokens per parameter", bottom / 1.3, top * 1.3, "format(datum.value, '~g')")
    first = next(line for line in lines if line.label == emphasised)
    marks: list[Any] = []
    if first.low:
        band = _layer(_band(first)).mark_area(color=LIGHT.faint, opacity=0.6)
        marks.append(band.encode(x=x, y=y, y2="y2"))
    for line in (*(line for line in lines if line is not first), first):
        style = {"color": LIGHT.reference, "strokeWidth": 1.3}
        if line is first:
            style = {"color": LIGHT.candidate, "strokeWidth": 2.5}
        marks.append(_layer(_rows(line)).mark_line(**style).encode(x=x, y=y, order="i:Q"))
    for line, nudge in _spread(lines, top / bottom):
        colour = LIGHT.candidate if line is first else LIGHT.muted
        label = _text([_last(line)], colour, align="left", dx=6, dy=nudge, fontSize=10)
        marks.append(label.encode(x=x, y=y))
    told = "; ".join(f"{line.label} {line.y[-1]:.3g}" for line in lines)
    description = f"Tokens per parameter by compute; at {right:.1e} FLOPs: {told}"
    return draw(name, description, _sized(alt.layer(*marks)))


def _spread(lines: Sequence[Line], span: float) -> list[tuple[Line, float]]:
    """Return each line with how many pixels its label moves, so that no two overlap.

    Labels that would overlap form a stack around their mean, as stacks do that would.
    """
    per_unit = HEIGHT_PX / math.log(span * 1.69)
    ordered = sorted(lines, key=lambda line: -line.y[-1])
    at = [-math.log(line.y[-1]) * per_unit for line in ordered]
    stacks: list[list[int]] = []
    for i in range(len(ordered)):
        stacks.append([i])
        while len(stacks) > 1 and _top(stacks[-1], at) < _top(stacks[-2], at) + _LABEL_PX * len(
            stacks[-2]
        ):
            stacks[-2:] = [stacks[-2] + stacks[-1]]
    return [
        (ordered[i], _top(stack, at) + _LABEL_PX * place - at[i])
        for stack in stacks
        for place, i in enumerate(stack)
    ]


def _top(stack: list[int], at: list[float]) -> float:
    return math.fsum(at[i] for i in stack) / len(stack) - _LABEL_PX * (len(stack) - 1) / 2


def _log_x(title: str, low: float, high: float, labels: str, last: float | None = None) -> Any:
    axis = alt.Axis(grid=False, values=_ticks(low, last or high), labelExpr=labels)
    scale = alt.Scale(type="log", domain=[low, high], nice=False)
    return alt.X("x:Q", title=title, scale=scale, axis=axis)


def _log_y(title: str, low: float, high: float, labels: str) -> Any:
    scale = alt.Scale(type="log", domain=[low, high], nice=False)
    axis = alt.Axis(values=_ticks(low, high), labelExpr=labels)
    return alt.Y("y:Q", title=title, scale=scale, axis=axis)


def _ticks(low: float, high: float) -> list[float]:
    """Return 1 and 3 of each decade, or 1 alone where there are many decades."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    mantissas = (1, 3) if len(decades) <= 5 else (1,)
    marks = [float(f"{m}e{d}") for d in decades for m in mantissas]
    return [mark for mark in marks if low <= mark <= high]


def _rows(line: Line) -> list[dict[str, Any]]:
    return [{"x": x, "y": y, "i": i} for i, (x, y) in enumerate(zip(line.x, line.y, strict=True))]


def _band(line: Line) -> list[dict[str, Any]]:
    return [
        {"x": x, "y": low, "y2": high}
        for x, low, high in zip(line.x, line.low, line.high, strict=False)
    ]


def _last(line: Line) -> dict[str, Any]:
    return {"x": line.x[-1], "y": line.y[-1], "text": line.label}


def _lowest(line: Line) -> dict[str, Any]:
    """Where a contour turns: the cheapest way to its loss."""
    at = min(range(len(line.x)), key=lambda i: line.x[i])
    return {"x": line.x[at], "y": line.y[at], "text": line.label}


def _text(rows: list[dict[str, Any]], colour: str, **style: Any) -> Any:
    return _layer(rows).mark_text(color=colour, **style).encode(text="text:N")


def _layer(rows: Sequence[dict[str, Any]]) -> Any:
    return alt.Chart(alt.Data(values=list(rows)))


def _sized(chart: Any, width: int = WIDTH_PX, height: int = HEIGHT_PX) -> Any:
    fit = alt.AutoSizeParams(type="fit-x", contains="padding")
    return chart.properties(width=width, height=height, autosize=fit)
