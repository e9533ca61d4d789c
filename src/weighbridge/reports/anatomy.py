"""The picture of a model: where its parameters, its memory and its compute sit.

One row a part, three columns of bars. All bars share one scale, a part's share of its column's sum,
so that they can be compared down and across.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import altair as alt

from weighbridge.records import PART_NAMES, Anatomy, quantity
from weighbridge.reports.drawing import Drawing, draw
from weighbridge.reports.palette import LIGHT

WIDE_PX = 704

_LABEL_PX, _GAP_PX, _FIGURE_PX = 128, 18, 62  # label column, between columns, figure after a bar
_TITLE_PX, _HEAD_PX, _ROW_PX, _BAR_PX, _LEGEND_PX = 26, 34, 25, 11, 26
_BF16_BYTES = 2


@dataclass(frozen=True)
class _Bar:
    """One part's share of one column: `solid` of it in its first colour, the rest in `other`."""

    figure: str
    share: float
    solid: float
    colour: str = LIGHT.candidate
    other: str = LIGHT.faint


@dataclass(frozen=True)
class _Column:
    """A column of bars; a row without a bar has None."""

    title: str
    total: str
    bars: tuple[_Bar | None, ...]


def anatomy_picture(anatomy: Anatomy, width: int = WIDE_PX) -> Drawing:
    """Draw a model's parts by parameters, memory and compute.

    Args:
        anatomy: The model.
        width: In pixels.
    """
    labels = [*(PART_NAMES[part.role] for part in anatomy.parts), "key-value cache"]
    columns = (_parameters(anatomy), _memory(anatomy), _compute(anatomy))
    height = _TITLE_PX + _HEAD_PX + _ROW_PX * len(labels) + _LEGEND_PX
    canvas = _Canvas(width, height)
    canvas.text(0, 12, anatomy.name, weight="bold", size=14)
    for index, label in enumerate(labels):
        canvas.text(0, _row_y(index), label)
    room = (width - _LABEL_PX - 2 * _GAP_PX) / 3
    longest = max(bar.share for column in columns for bar in column.bars if bar) or 1.0
    for index, column in enumerate(columns):
        left = _LABEL_PX + index * (room + _GAP_PX)
        canvas.column(left, (room - _FIGURE_PX) / longest, column)
    canvas.legend(height - 8, idle=anatomy.active_parameters < anatomy.parameters)
    return draw("anatomy", _description(anatomy, labels, columns), canvas.chart())


def _row_y(index: int) -> float:
    return _TITLE_PX + _HEAD_PX + _ROW_PX * index + _ROW_PX / 2


def _parameters(anatomy: Anatomy) -> _Column:
    total = anatomy.parameters
    bars: list[_Bar | None] = []
    for part in anatomy.parts:
        held, active = part.parameters, part.active_parameters
        bar = _Bar(quantity(held, giga="B"), held / total, active / total)
        bars.append(bar if held else None)  # a tied head is held as the embedding
    return _Column("parameters", quantity(total, giga="B"), (*bars, None))


def _memory(anatomy: Anatomy) -> _Column:
    cache = anatomy.kv_cache_bytes
    total = _BF16_BYTES * anatomy.parameters + cache
    bars: list[_Bar | None] = []
    for part in anatomy.parts:
        held, active = _BF16_BYTES * part.parameters, _BF16_BYTES * part.active_parameters
        bar = _Bar(f"{quantity(held)}B", held / total, active / total)
        bars.append(bar if held else None)
    share = cache / total
    kept = _Bar(f"{quantity(cache)}B", share, share, LIGHT.unsure)
    title = f"bf16, {anatomy.context_tokens:,} tokens cached"
    return _Column(title, f"{quantity(total)}B", (*bars, kept))


def _compute(anatomy: Anatomy) -> _Column:
    total = anatomy.forward_flops_per_token
    to_context = anatomy.attention_flops_by_context[anatomy.context_tokens]
    bars: list[_Bar | None] = []
    for part in anatomy.parts:
        flops = part.forward_flops
        products = flops - (to_context if part.role == "attention" else 0)
        bar = _Bar(quantity(flops), flops / total, products / total, other=LIGHT.unsure)
        bars.append(bar if flops else None)
    title = f"FLOPs a token at {anatomy.context_tokens:,} tokens"
    return _Column(title, quantity(total), (*bars, None))


class _Canvas:
    """Marks in pixels from the upper left corner."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self.rects: list[dict[str, Any]] = []
        self.texts: list[dict[str, Any]] = []

    def text(
        self, x: float, y: float, text: str, *, weight: str = "normal", size: int = 12,
        colour: str = LIGHT.ink,
    ) -> None:  # fmt: skip
        self.texts.append(
            {"x": x, "y": y, "text": text, "weight": weight, "size": size, "colour": colour}
        )

    def rect(self, x: float, width: float, y: float, height: float, colour: str) -> None:
        if width > 0:
            low, high = y - height / 2, y + height / 2
            self.rects.append({"x": x, "x2": x + width, "y": low, "y2": high, "colour": colour})

    def column(self, left: float, scale: float, column: _Column) -> None:
        self.text(left, _TITLE_PX + 4, column.total, weight="bold")
        self.text(left, _TITLE_PX + 20, column.title, size=11, colour=LIGHT.muted)
        for index, bar in enumerate(column.bars):
            if bar is None:
                continue
            y, whole, solid = _row_y(index), scale * bar.share, scale * bar.solid
            self.rect(left, max(solid, 0.8), y, _BAR_PX, bar.colour)
            self.rect(left + solid, whole - solid, y, _BAR_PX, bar.other)
            self.text(left + max(whole, 0.8) + 5, y, bar.figure, size=11, colour=LIGHT.muted)

    def legend(self, y: float, idle: bool) -> None:
        entries = [(LIGHT.candidate, "weights that a token passes")]
        entries += [(LIGHT.faint, "weights that it passes by")] if idle else []
        left = float(_LABEL_PX)
        for colour, words in (*entries, (LIGHT.unsure, "cache, and attention to it")):
            self.rect(left, 10, y, 10, colour)
            self.text(left + 15, y, words, size=11, colour=LIGHT.muted)
            left += 15 + 5.6 * len(words) + 18

    def chart(self) -> Any:
        size = {"width": self.width, "height": self.height}
        layers = [*self._rects(), *self._texts()]
        fit = alt.AutoSizeParams(type="fit", contains="padding")
        return alt.layer(*layers).properties(**size, autosize=fit)

    def _x(self, field: str) -> Any:
        scale = alt.Scale(domain=[0, self.width], nice=False, zero=False)
        return alt.X(f"{field}:Q", title=None, scale=scale, axis=None)

    def _y(self, field: str) -> Any:
        scale = alt.Scale(domain=[0, self.height], reverse=True, nice=False, zero=False)
        return alt.Y(f"{field}:Q", title=None, scale=scale, axis=None)

    def _rects(self) -> Iterator[Any]:
        marks = alt.Chart(alt.Data(values=self.rects)).mark_rect()
        colour = alt.Color("colour:N", scale=None)
        yield marks.encode(x=self._x("x"), x2="x2", y=self._y("y"), y2="y2", color=colour)

    def _texts(self) -> Iterator[Any]:
        styles = sorted({(t["weight"], t["size"]) for t in self.texts})
        for weight, size in styles:
            rows = [t for t in self.texts if (t["weight"], t["size"]) == (weight, size)]
            marks = alt.Chart(alt.Data(values=rows)).mark_text(
                align="left", baseline="middle", fontWeight=weight, fontSize=size
            )
            colour = alt.Color("colour:N", scale=None)
            yield marks.encode(x=self._x("x"), y=self._y("y"), text="text:N", color=colour)


def _description(
    anatomy: Anatomy, labels: list[str], columns: tuple[_Column, _Column, _Column]
) -> str:
    sums = "; ".join(f"{column.total}, {column.title}" for column in columns)
    rows = []
    for index, label in enumerate(labels):
        found = [column.bars[index] for column in columns]
        figures = ", ".join(bar.figure if bar else "none" for bar in found)
        rows.append(f"{label}: {figures}")
    return f"{anatomy.name}: {sums}. By part: " + "; ".join(rows)
