"""A sweep of learning rates as one picture: loss against rate, with the recommended one marked."""

from collections.abc import Sequence

import altair as alt

from weighbridge.reports.drawing import Drawing, draw
from weighbridge.reports.palette import LIGHT
from weighbridge.reports.scaling_charts import POWER, layer, log_x, sized, text_layer


def rates(
    points: Sequence[tuple[float, float, float]],
    start: float,
    recommended: float,
    name: str = "learning-rates",
) -> Drawing:
    """Draw (rate, loss, standard error) of short runs, and the loss that they began at.

    Args:
        points: In rising order; rates that diverged are left out.
        start: The loss before the first step.
        recommended: One of the rates.
        name: File stem.
    """
    lows, highs = [y - e for _, y, e in points], [y + e for _, y, e in points]
    low, high = min([*lows, start]), max([*highs, start])
    room = 0.08 * (high - low or 1.0)
    first, last = points[0][0] / 1.5, points[-1][0] * 1.5
    x = log_x("learning rate", first, last, POWER)
    y = alt.Y("y:Q", title="loss after the run, nats per learnt token",
              scale=alt.Scale(domain=[low - room, high + room], nice=False),
              axis=alt.Axis(tickCount=6))  # fmt: skip
    rows = [{"x": rate, "y": loss, "low": loss - e, "high": loss + e} for rate, loss, e in points]
    taken = [row for row in rows if row["x"] == recommended]
    marks = [
        layer([{"x": first, "y": start}, {"x": last, "y": start}])
        .mark_line(color=LIGHT.muted, strokeDash=[4, 4]).encode(x=x, y=y),
        layer(rows).mark_line(color=LIGHT.candidate, strokeWidth=2).encode(x=x, y=y),
        layer([{**row, "y": row["low"], "y2": row["high"]} for row in rows])
        .mark_rule(color=LIGHT.candidate).encode(x=x, y=y, y2="y2"),
        layer(rows).mark_circle(size=50, color=LIGHT.candidate, opacity=1).encode(x=x, y=y),
        layer(taken).mark_circle(size=130, color=LIGHT.ink, opacity=1).encode(x=x, y=y),
        text_layer([{"x": last, "y": start, "text": "before"}], LIGHT.muted, align="right", dy=-8)
        .encode(x=x, y=y),
        text_layer([{**row, "text": f"{recommended:g}"} for row in taken], LIGHT.ink, dy=-14)
        .encode(x=x, y=y),
    ]  # fmt: skip
    description = (
        f"Loss after short runs at {len(points)} learning rates from {points[0][0]:g} to "
        f"{points[-1][0]:g}; before them it was {start:.3f}. Recommended: {recommended:g}."
    )
    return draw(name, description, sized(alt.layer(*marks)))
