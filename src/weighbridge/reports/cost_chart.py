"""Which assumption decides: the cost ratio at both ends of each assumption, widest on top."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import altair as alt

from weighbridge.reports.drawing import Drawing, draw
from weighbridge.reports.palette import LIGHT
from weighbridge.reports.scaling_charts import haloed, layer, sized, text_layer

_ROW_PX, _WIDTH_PX = 46, 480
_MOST = 10


@dataclass(frozen=True)
class Bar:
    """One assumption.

    Attributes:
        assumption: Its name.
        low: One end of its range, in words.
        high: The other end.
        ratio_at_low: Cost of the candidate over the incumbent's there.
        ratio_at_high: The same at the other end.
    """

    assumption: str
    low: str
    high: str
    ratio_at_low: float
    ratio_at_high: float

    @property
    def decides(self) -> bool:
        """Whether self-hosting pays at one end and not at the other."""
        return (self.ratio_at_low <= 1) != (self.ratio_at_high <= 1)


def tornado(
    bars: Sequence[Bar], ratio: float, incumbent: str, as_of: date, name: str = "what-decides"
) -> Drawing:
    """Draw the cost ratio's range under each assumption, on a scale of factors.

    Args:
        bars: The widest first.
        ratio: The cost ratio under all assumptions as they are.
        incumbent: What the candidate is weighed against.
        as_of: The day of the prices.
        name: File stem.
    """
    shown = list(bars[:_MOST])
    ratios = [r for bar in shown for r in (bar.ratio_at_low, bar.ratio_at_high)]
    low, high = min([*ratios, ratio, 1.0]) / 2.2, max([*ratios, ratio, 1.0]) * 2.6
    x = alt.X("x:Q", title=f"own cost over that of {incumbent}, {as_of.isoformat()}",
              scale=alt.Scale(type="log", domain=[low, high], nice=False),
              axis=alt.Axis(format="~g", tickCount=5))  # fmt: skip
    y = alt.Y("y:Q", axis=None, scale=alt.Scale(domain=[len(shown) - 0.35, -1.0], nice=False))
    rows = [_row(i, bar) for i, bar in enumerate(shown)]
    marks = [
        *(
            layer([{"x": at, "y": -0.55, "y2": len(shown) - 0.4}])
            .mark_rule(color=colour, strokeDash=dash).encode(x=x, y=y, y2="y2")
            for at, colour, dash in ((1.0, LIGHT.bad, [1, 0]), (ratio, LIGHT.muted, [4, 4]))
        ),
        *(
            layer([row for row in rows if row["decides"] == decides])
            .mark_bar(size=12, color=LIGHT.bad if decides else LIGHT.candidate)
            .encode(x=x, x2="x2", y=y)
            for decides in (False, True)
        ),
        *(
            one.encode(x=x, y=y)
            for one in haloed(
                [{**row, "x": low, "y": row["y"] - 0.38, "text": row["name"]} for row in rows],
                LIGHT.ink, align="left", dx=2, fontWeight="bold",
            )
        ),
        text_layer([{**row, "text": row["left"]} for row in rows], LIGHT.muted, align="right",
                   dx=-5, fontSize=11).encode(x=x, y=y),
        text_layer([{**row, "x": row["x2"], "text": row["right"]} for row in rows], LIGHT.muted,
                   align="left", dx=5, fontSize=11).encode(x=x, y=y),
        text_layer([{"x": 1.0, "y": -0.78, "text": "costs the same"}], LIGHT.bad, fontSize=11)
        .encode(x=x, y=y),
    ]  # fmt: skip
    said = "; ".join(
        f"{bar.assumption}: {bar.ratio_at_low:.3g} ({bar.low}) to {bar.ratio_at_high:.3g} "
        f"({bar.high})"
        for bar in shown
    )
    description = (
        f"What one's own deployment costs over {incumbent}: {ratio:.3g} as assumed, and at both "
        f"ends of each assumption, one at a time. {said}."
    )
    return draw(name, description, sized(alt.layer(*marks), _WIDTH_PX, 60 + _ROW_PX * len(shown)))


def _row(index: int, bar: Bar) -> dict[str, Any]:
    first, second = (bar.ratio_at_low, bar.low), (bar.ratio_at_high, bar.high)
    (least, left), (most, right) = sorted((first, second))
    return {
        "y": float(index), "x": least, "x2": most, "left": left, "right": right,
        "name": bar.assumption, "decides": bar.decides,
    }  # fmt: skip
