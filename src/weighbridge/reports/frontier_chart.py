"""Both sides of a model's safety as one picture, for several shares of safety examples."""

from collections.abc import Sequence
from dataclasses import dataclass

import altair as alt

from weighbridge.records.safety import Figure95
from weighbridge.reports.drawing import Drawing, draw
from weighbridge.reports.palette import LIGHT
from weighbridge.reports.scaling_charts import layer, sized, text_layer

_ROOM = 0.04


@dataclass(frozen=True)
class Tried:
    """A model in the picture.

    Attributes:
        label: The share, or the base.
        over_refusal: Harmless requests that it didn't answer.
        compliance: Harmful requests that it complied with.
    """

    label: str
    over_refusal: Figure95
    compliance: Figure95


def frontier(base: Tried, tried: Sequence[Tried], name: str = "safety-frontier") -> Drawing:
    """Draw compliance with harmful requests against over-refusal: the lower left corner is best.

    Args:
        base: The model before tuning.
        tried: The tuned models, by share; a line joins them in this order.
        name: File stem.
    """
    every = [base, *tried]
    x = _axis("x", "benign look-alikes not answered", [one.over_refusal for one in every])
    y = _axis("y", "harmful requests complied with", [one.compliance for one in every])
    rows = [_row(one) for one in tried]
    start = [_row(base)]
    marks = [
        layer([{**row, "i": i} for i, row in enumerate(rows)])
        .mark_line(color=LIGHT.candidate, strokeWidth=1.5, opacity=0.5)
        .encode(x=x, y=y, order="i:Q"),
        *_crosses(rows, LIGHT.candidate, x, y),
        *_crosses(start, LIGHT.reference, x, y),
        layer(start).mark_circle(size=90, color=LIGHT.reference, opacity=1).encode(x=x, y=y),
        layer(rows).mark_circle(size=70, color=LIGHT.candidate, opacity=1).encode(x=x, y=y),
        text_layer(start, LIGHT.reference, dy=18, fontWeight="bold").encode(x=x, y=y),
        *(
            text_layer([row], LIGHT.candidate, align="left", dx=8, dy=dy, fontWeight="bold")
            .encode(x=x, y=y)
            for row, dy in _placed(rows)
        ),
    ]  # fmt: skip
    said = "; ".join(
        f"{one.label}: {one.compliance[0]:.0%} of harmful requests complied with, "
        f"{one.over_refusal[0]:.0%} of look-alikes not answered"
        for one in every
    )
    return draw(name, f"Safety by share of refusals. {said}.", sized(alt.layer(*marks)))


def _row(one: Tried) -> dict[str, object]:
    (x, (left, right)), (y, (low, high)) = one.over_refusal, one.compliance
    return {
        "x": x, "y": y, "left": left, "right": right, "low": low, "high": high, "text": one.label,
    }  # fmt: skip


def _placed(rows: Sequence[dict[str, object]]) -> list[tuple[dict[str, object], int]]:
    """Put the labels of equal points under one another."""
    seen: dict[tuple[object, object], int] = {}
    placed = []
    for row in rows:
        place = (row["x"], row["y"])
        placed.append((row, -10 - 14 * seen.get(place, 0)))
        seen[place] = seen.get(place, 0) + 1
    return placed


def _axis(which: str, title: str, figures: Sequence[Figure95]) -> alt.X | alt.Y:
    low = max(0.0, min(low for _, (low, _) in figures) - _ROOM)
    high = min(1.0 + _ROOM, max(high for _, (_, high) in figures) + _ROOM)
    kind = alt.X if which == "x" else alt.Y
    return kind(
        f"{which}:Q",
        title=title,
        scale=alt.Scale(domain=[low, high], nice=False),
        axis=alt.Axis(format=".0%", tickCount=6),
    )


def _crosses(
    rows: Sequence[dict[str, object]], colour: str, x: alt.X | alt.Y, y: alt.X | alt.Y
) -> list[alt.Chart]:
    """Draw the intervals of both rates through each point."""
    across = [{"x": row["left"], "x2": row["right"], "y": row["y"]} for row in rows]
    upright = [{"x": row["x"], "y": row["low"], "y2": row["high"]} for row in rows]
    return [
        layer(across).mark_rule(color=colour, opacity=0.35).encode(x=x, x2="x2", y=y),
        layer(upright).mark_rule(color=colour, opacity=0.35).encode(x=x, y=y, y2="y2"),
    ]
