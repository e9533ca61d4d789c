"""A ladder as one picture: loss against compute, dense and mixture, and what was held out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt

from weighbridge.reports.drawing import Drawing, draw
from weighbridge.reports.palette import LIGHT
from weighbridge.reports.scaling_charts import (
    POWER,
    Line,
    band_rows,
    layer,
    line_rows,
    log_x,
    sized,
    text_layer,
)


@dataclass(frozen=True)
class Predicted:
    """A run that was predicted before it was trained.

    Attributes:
        flops: Its compute.
        low: Lower end of the prediction's interval.
        high: Upper end.
        loss: What it came to.
    """

    flops: float
    low: float
    high: float
    loss: float


def ladder(
    dense: Sequence[tuple[float, float]],
    mixtures: Sequence[tuple[float, float]],
    frontier: Line,
    predicted: Predicted,
    held_out_mixture: tuple[float, float] | None,
    name: str = "ladder",
) -> Drawing:
    """Draw (FLOPs, loss) of runs, the law's lowest loss with its band, and the held-out run.

    Args:
        dense: Runs that the law is fitted to.
        mixtures: Mixtures of experts at the same compute.
        frontier: Lowest loss by compute, of the dense law.
        predicted: The held-out dense run.
        held_out_mixture: The mixture beside it.
        name: File stem.
    """
    losses = [loss for _, loss in (*dense, *mixtures)] + [predicted.low, predicted.loss]
    if held_out_mixture:
        losses.append(held_out_mixture[1])
    x = log_x("compute, FLOPs", frontier.x[0], frontier.x[-1] * 2.2, POWER)
    ends = [min(losses) - 0.05, max(losses) + 0.05]
    y = alt.Y("y:Q", title="loss, nats per byte", scale=alt.Scale(domain=ends, nice=False),
              axis=alt.Axis(tickCount=6))  # fmt: skip
    beside = 0.94  # mixtures stand a little left of the dense runs of their budget
    held = [{"x": predicted.flops, "y": predicted.low, "y2": predicted.high}]
    at = [{"x": predicted.flops, "y": predicted.loss}]
    key = [
        ("dense, and the lowest loss by their law", LIGHT.candidate),
        ("mixture of experts", LIGHT.bad),
        ("predicted before training, 95%", LIGHT.muted),
    ]
    marks: list[Any] = [
        layer(band_rows(frontier)).mark_area(color=LIGHT.faint, opacity=0.75, clip=True)
        .encode(x=x, y=y, y2="y2"),
        layer(line_rows(frontier)).mark_line(color=LIGHT.candidate, strokeWidth=2, clip=True)
        .encode(x=x, y=y, order="i:Q"),
        layer([{"x": a, "y": b} for a, b in dense])
        .mark_circle(size=26, color=LIGHT.candidate, opacity=0.7).encode(x=x, y=y),
        layer([{"x": a * beside, "y": b} for a, b in mixtures])
        .mark_point(shape="diamond", size=36, color=LIGHT.bad, filled=True, opacity=0.7)
        .encode(x=x, y=y),
        layer(held).mark_rule(color=LIGHT.muted, strokeWidth=7, opacity=0.5)
        .encode(x=x, y=y, y2="y2"),
        layer(at).mark_circle(size=70, color=LIGHT.candidate, opacity=1).encode(x=x, y=y),
    ]  # fmt: skip
    if held_out_mixture:
        row = [{"x": held_out_mixture[0] * beside, "y": held_out_mixture[1]}]
        marks.append(
            layer(row).mark_point(shape="diamond", size=90, color=LIGHT.bad, filled=True, opacity=1)
            .encode(x=x, y=y)
        )  # fmt: skip
    for i, (words, colour) in enumerate(key):
        label = {"x": frontier.x[-1] * 2.2, "y": ends[1], "text": words}
        marks.append(
            text_layer([label], colour, align="right", dx=-4, dy=10 + 16 * i, fontSize=12)
            .encode(x=x, y=y)
        )  # fmt: skip
    description = (
        f"Loss against compute of {len(dense)} dense models and {len(mixtures)} mixtures of "
        f"experts. For {predicted.flops:.3g} FLOPs {predicted.low:.3f} to {predicted.high:.3f} was "
        f"predicted; the model came to {predicted.loss:.3f}."
    )
    return draw(name, description, sized(alt.layer(*marks)))
