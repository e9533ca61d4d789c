"""Charts of how a run trained, beside its loss: the learning rate, and the speed."""

import math
from collections.abc import Sequence

import altair as alt

from weighbridge.reports import wording
from weighbridge.reports.content import TrainingPoint
from weighbridge.reports.drawing import Drawing, draw
from weighbridge.reports.palette import LIGHT

HALF_PX = 338
_HEIGHT_PX = 150
_MOST_POINTS = 400


def learning_rate(points: Sequence[TrainingPoint], name: str) -> Drawing | None:
    """Draw the learning rate by step; None where the run says nothing of its speed either."""
    if not _told(points):
        return None
    rows = [(point.step, point.learning_rate) for point in points if point.step > 0]
    words = f"Learning rate by step, at most {max(rate for _, rate in rows):.2e}."
    return _line(rows, "learning rate", ".0e", LIGHT.ink, words, name)


def speed(points: Sequence[TrainingPoint], name: str) -> Drawing | None:
    """Draw learnt tokens a second by step; None for runs from before that was kept."""
    rows = _told(points)
    if not rows:
        return None
    middle = sorted(value for _, value in rows)[len(rows) // 2]
    words = f"Learnt tokens a second by step; half of the steps were above {middle:,.0f}."
    return _line(rows, "learnt tokens a second", ",d", LIGHT.candidate, words, name)


def _told(points: Sequence[TrainingPoint]) -> list[tuple[int, float]]:
    return [
        (point.step, point.trained_tokens_per_second)
        for point in points
        if point.trained_tokens_per_second is not None
        and math.isfinite(point.trained_tokens_per_second)
    ]


def _line(
    rows: Sequence[tuple[int, float]], title: str, form: str, colour: str, words: str, name: str
) -> Drawing:
    stride = -(-len(rows) // _MOST_POINTS)
    kept = [*rows[:-1:stride], rows[-1]]
    top = 1.05 * max(value for _, value in rows) or 1.0
    last = rows[-1][0]
    x = alt.X(
        "x:Q",
        title="optimiser step",
        scale=alt.Scale(domain=[0, last], nice=False),
        axis=alt.Axis(grid=False, tickCount=4, format=",d"),
    )
    y = alt.Y(
        "y:Q",
        title=title,
        scale=alt.Scale(domain=[0, top], nice=False),
        axis=alt.Axis(tickCount=4, format=form),
    )
    data = alt.Data(values=[{"x": step, "y": value} for step, value in kept])
    chart = (
        alt.Chart(data)
        .mark_line(color=colour, strokeWidth=2)
        .encode(x=x, y=y)
        .properties(
            width=HALF_PX,
            height=_HEIGHT_PX,
            autosize=alt.AutoSizeParams(type="fit-x", contains="padding"),
        )
    )
    return draw(name, f"{words} Over {wording.count(last)} steps.", chart)
