"""Measures how far forecasts are off where they were not fitted.

Models, publishers, or generations of accelerators are left out. Models that differ only in their
vocabulary are left out together, and a publisher with all its editions. The effect of what was left
out is then 0, as for a model or an accelerator that was never measured.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from math import log

import numpy as np

from weighbridge.planning.serving.batches import served_batch, step_seconds
from weighbridge.planning.serving.calibration import (
    Array,
    CalibrationProblem,
    Design,
    Mask,
    effects_of,
    fit,
    modelled,
    newest_day,
    rates_of,
)
from weighbridge.planning.serving.costs import prefill_seconds
from weighbridge.planning.serving.efficiency import (
    CALIBRATED,
    ENOUGH,
    NEIGHBOURING,
    OUTSIDE,
    Calibration,
    Cell,
    FirstToken,
    cell_name,
)
from weighbridge.planning.serving.measurements import Measurement, group_of

NOMINAL = 0.95
_SUPPORTS = (CALIBRATED, NEIGHBOURING, OUTSIDE)
_LEAST = 20
"""Held-out rows that a quantile needs; with fewer, those of the next worse support are added."""
PUBLISHED_DRIFT = (log(1.9), 0.5)
"""DeepSeek-R1 on B200 "nearly doubled in half a year": logarithm of the factor, and years."""

_GENERATIONS = {
    "h100-sxm": "Hopper", "h200-sxm": "Hopper", "h200-nvl": "Hopper", "b200-sxm": "Blackwell",
    "b300-sxm": "Blackwell", "gb200": "Blackwell", "gb300": "Blackwell",
    "rtx-pro-6000": "RTX Blackwell", "l40s": "Ada", "mi300x": "CDNA 3", "mi325x": "CDNA 3",
}  # fmt: skip
"""Generations of accelerators. Leaving a whole one out shows the error for accelerators that were
never measured."""


def by_model(row: Measurement) -> str:
    """Return the model's group; models that differ only in their vocabulary share one."""
    return group_of(row.model)


def by_publisher(row: Measurement) -> str:
    """Return the row's publisher."""
    return row.publisher


def by_generation(row: Measurement) -> str:
    """Return the accelerator's generation."""
    return _GENERATIONS.get(row.accelerator, row.accelerator)


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Forecasts of rows by fits that had not seen their group.

    Attributes:
        groups: Group of each row.
        left: Logarithm of measured over forecast, (rows,).
        support: How well each forecast was supported by the remaining rows.
    """

    groups: tuple[str, ...]
    left: Array
    support: tuple[str, ...]

    @property
    def errors(self) -> Array:
        """Relative error of each forecast: |forecast / measured - 1|."""
        return np.asarray(np.abs(np.exp(-self.left) - 1))


def leave_out(
    problem: CalibrationProblem, design: Design, point: Array, by: Callable[[Measurement], str]
) -> HeldOut:
    """Forecast every row by a fit to the rows of other groups.

    Args:
        problem: All rows.
        design: The rows' effects.
        point: Logarithms of the rates from which fits start.
        by: Returns the group of a row.
    """
    groups = np.array([by(row) for row in problem.rows])
    left = np.empty(len(groups))
    support = np.empty(len(groups), dtype=object)
    for group in sorted(set(groups)):
        held: Mask = groups == group
        _linear, _found, residual = fit(problem, design, ~held, point, rounds=2)
        left[held] = residual[held]
        support[held] = _supports(problem, held)
    return HeldOut(tuple(groups), left, tuple(support))


def _supports(problem: CalibrationProblem, held: Mask) -> list[str]:
    cells: dict[str, int] = {}
    machines: set[str] = set()
    names = _cell_names(problem)
    for row, name, out in zip(problem.rows, names, held, strict=True):
        if not out:
            cells[name] = cells.get(name, 0) + 1
            machines.add(row.accelerator)
    found = []
    for row, name, out in zip(problem.rows, names, held, strict=True):
        if out:
            near = NEIGHBOURING if row.accelerator in machines else OUTSIDE
            found.append(CALIBRATED if cells.get(name, 0) >= ENOUGH else near)
    return found


def _cell_names(problem: CalibrationProblem) -> list[str]:
    return [
        cell_name(kind, row.accelerator, row.precision)
        for row, kind in zip(problem.rows, problem.kinds, strict=True)
    ]


def spreads(held: Sequence[HeldOut], without: str = "") -> dict[str, float]:
    """Return the half width of a 95 % interval of the logarithm, by support.

    Every group left out has the same weight, however many rows it has, because the next forecast is
    for another model or publisher, not for another row of the largest group.

    Args:
        held: Forecasts by groups left out.
        without: A group whose own errors are left out, so that its coverage can be judged.
    """
    pools: dict[str, list[tuple[float, float]]] = {name: [] for name in _SUPPORTS}
    for one in held:
        keys = list(zip(one.groups, one.support, strict=True))
        sizes = Counter(keys)
        for key, left in zip(keys, one.left, strict=True):
            if key[0] != without:
                pools[key[1]].append((abs(float(left)), 1 / sizes[key]))
    found: dict[str, float] = {}
    gathered: list[tuple[float, float]] = []
    for support in _SUPPORTS:
        gathered = pools[support] if len(pools[support]) >= _LEAST else gathered + pools[support]
        found[support] = max([_quantile(gathered), *found.values()])
    return found


def _quantile(pool: list[tuple[float, float]]) -> float:
    """Return the nominal quantile of weighted values; 0 if there are none."""
    total, passed = sum(weight for _, weight in pool), 0.0
    for value, weight in sorted(pool):
        passed += weight
        if passed >= NOMINAL * total:
            return value
    return 0.0


def coverage(judged: HeldOut, held: Sequence[HeldOut]) -> Array:
    """Return whether each row lies in an interval made without its own group's errors."""
    inside = np.empty(len(judged.groups), dtype=bool)
    by_group = {group: spreads(held, group) for group in set(judged.groups)}
    for index, group in enumerate(judged.groups):
        inside[index] = abs(judged.left[index]) <= by_group[group][judged.support[index]]
    return inside


def drift_of(problem: CalibrationProblem) -> float:
    """Return how a rate drifts with software: a standard deviation per root of a year.

    It is computed from cells that two editions of one publisher's table share, and from one
    published change.
    """
    seen: dict[tuple[object, ...], list[tuple[date, float]]] = {}
    for row in problem.rows:
        if row.concurrency is None and row.limit is None and row.publisher != "MLPerf":
            key = (row.publisher, row.model, row.accelerator, row.accelerators, row.precision)
            tokens = (row.input_tokens, row.output_tokens)
            seen.setdefault((*key, *tokens), []).append((row.measured, row.tokens_per_second))
    squares = [PUBLISHED_DRIFT[0] ** 2 / PUBLISHED_DRIFT[1]]
    for pair in seen.values():
        (first, slow), (last, fast) = min(pair), max(pair)
        if last > first:
            squares.append(log(fast / slow) ** 2 / ((last - first).days / 365.25))
    return float(np.sqrt(np.mean(squares)))


def first_token_of(
    problem: CalibrationProblem, found: Array, left: Array
) -> tuple[FirstToken, Array]:
    """Fit the time to a first token as in `FirstToken`; also return the fit's errors."""
    rates = rates_of(found)
    costs, batch = problem.costs, served_batch(problem.costs, problem.demand, rates)
    steps, each = step_seconds(costs, batch, rates), prefill_seconds(costs, rates)
    effects = problem.rates - modelled(problem, rates)[0] - left
    place = {int(row): index for index, row in reversed(list(enumerate(problem.owner)))}
    ratios, batches = [], []
    for index, row in enumerate(problem.rows):
        if row.first_seconds is not None:
            at = place[index]
            own = row.input_tokens * np.asarray(each)[at] + np.asarray(steps)[at]
            ratios.append(log(row.first_seconds / own) + effects[index])
            batches.append(log(np.asarray(batch)[at]))
    slope, start = np.polyfit(batches, ratios, 1)
    errors = np.array(ratios) - start - slope * np.array(batches)
    within = float(np.exp(np.quantile(np.abs(errors), NOMINAL)))
    return FirstToken(float(np.exp(start)), float(slope), within), errors


def cells_of(problem: CalibrationProblem) -> tuple[Cell, ...]:
    """Return all cells that were measured."""
    rows: dict[tuple[str, str, str], list[Measurement]] = {}
    for row, kind in zip(problem.rows, problem.kinds, strict=True):
        rows.setdefault((kind, row.accelerator, row.precision), []).append(row)
    return tuple(
        Cell(
            *key,
            measurements=len(found),
            models=len({group_of(row.model) for row in found}),
            newest=max(row.measured for row in found),
        )
        for key, found in sorted(rows.items())
    )


def assemble(
    problem: CalibrationProblem,
    design: Design,
    found: Array,
    held: Sequence[HeldOut],
    sources: Sequence[str],
    made: date,
    first_token: FirstToken,
) -> Calibration:
    """Return the calibration that is shipped."""
    return Calibration(
        made=made,
        sources=tuple(sources),
        rates=rates_of(found),
        effects=effects_of(design, found),
        per_year=float(found[-1]),
        newest=newest_day(problem),
        spread=spreads(held),
        drift=drift_of(problem),
        first_token=first_token,
        cells=cells_of(problem),
    )
