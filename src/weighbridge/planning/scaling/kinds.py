"""Recognises tables that are not training runs: sweeps of other settings, tables of optima.

Both have the columns that a fit needs, but constants fitted to them mean nothing. They are
recognised by their rows, and by what differs between rows of one size and one number of tokens.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Protocol

import numpy as np

from weighbridge.errors import InputError
from weighbridge.planning.scaling.points import Points

_REPEATED_APART = 0.05
"""Median range of losses, in nats, within which rows count as repeats of one run."""
_ON_A_LINE = 0.98
"""Share of log N's variance that log C explains in a table of optima; below .9 in grids of runs."""
_SEEDS = ("seed", "run", "name", "id", "trial", "repeat", "replicate")


class Rows(Protocol):
    """A table as text, its rows in the order of the points."""

    @property
    def header(self) -> list[str]:
        """Names of the columns."""

    @property
    def rows(self) -> list[tuple[int, list[str]]]:
        """The rows, each with its line number."""


def check_kind(points: Points, table: Rows, used: Sequence[int]) -> list[str]:
    """Refuse a table of something other than training runs.

    Args:
        points: The runs.
        table: The table that the runs were read from, as text.
        used: Indices of the columns that were read.

    Returns:
        Notes on how the rows were read.

    Raises:
        InputError: The table is a sweep of other settings, or a table of optima.
    """
    return [*_repeats(points, table, used), *_optima(points, table)]


def _repeats(points: Points, table: Rows, used: Sequence[int]) -> list[str]:
    """Return a note if rows of equal size and tokens are repeats; refuse a swept setting."""
    groups: dict[tuple[float, ...], list[int]] = defaultdict(list)
    keys = [points.parameters, points.tokens]
    if points.experts is not None:
        keys.append(points.experts)
    for place, key in enumerate(zip(*(np.round(np.log(k), 6).tolist() for k in keys), strict=True)):
        groups[key].append(place)
    several = [places for places in groups.values() if len(places) > 1]
    if not several:
        return []
    spreads = [float(np.ptp(points.loss[places])) for places in several]
    differing = _differing(table, used, several)
    rows = sum(map(len, several))
    reseeded = not differing and _differ_in_seed(table, several)
    if reseeded or float(np.median(spreads)) <= _REPEATED_APART:
        return [
            f"{rows} rows repeat a pair of N and D, {max(spreads):.2g} apart in loss at most: "
            "read as repeated runs"
        ]
    named = ", ".join(differing[:6]) or "no column"
    first = min(places[0] for places in several)
    value = table.rows[first][1][table.header.index(differing[0])] if differing else ""
    chosen = f", or choose with --where '{differing[0]}={value}'" if differing else ""
    raise InputError(
        f"{points.source} has up to {max(map(len, several))} rows for one pair of N and D, their "
        f"losses {max(spreads):.2g} apart; they differ in {named}",
        "one run for each pair: one law can't describe a sweep's losses, or those on several texts",
        f"keep each pair's lowest loss{chosen}",
    )


def _differing(table: Rows, used: Sequence[int], several: Sequence[Sequence[int]]) -> list[str]:
    """Return columns that differ within most groups first, without seeds and measured columns."""
    found = []
    for at, name in enumerate(table.header):
        if at in used or name.lower() in _SEEDS:
            continue
        values = [{table.rows[place][1][at] for place in places} for places in several]
        distinct = len(set().union(*values))
        rows = sum(map(len, several))
        varying = sum(len(each) > 1 for each in values)
        if varying and distinct <= max(2, rows // 2):
            found.append((-varying, distinct, name))
    return [name for *_, name in sorted(found)]


def _differ_in_seed(table: Rows, several: Sequence[Sequence[int]]) -> bool:
    """Whether the rows of every group have different seeds."""
    for at, name in enumerate(table.header):
        if name.lower() == "seed":
            seeds = [[table.rows[place][1][at] for place in places] for places in several]
            return all(len(set(each)) == len(each) for each in seeds)
    return False


def _optima(points: Points, table: Rows) -> list[str]:
    """Refuse one size for each budget, all on one line: a table of optima, or of one D/N."""
    log_c, log_n = np.log(points.flops), np.log(points.parameters)
    if len(points) < 4 or np.ptp(log_c) < 1e-9:
        return []
    budgets = len(np.unique(np.round(log_c, 2)))
    slope, offset = np.polyfit(log_c, log_n, 1)
    left = float(np.var(log_n - slope * log_c - offset)) / max(float(np.var(log_n)), 1e-30)
    if budgets < len(points) or 1 - left < _ON_A_LINE:
        return []
    named = [name for name in table.header if any(k in name.lower() for k in ("opt", "star", "*"))]
    raise InputError(
        f"{points.source} has one size for each budget, and all lie on one line"
        + (f" (with columns such as {named[0]})" if named else ""),
        "several sizes at each budget: on one line what parameters and tokens cost can't be told "
        "apart",
        f"give the runs themselves; as a table of optima these rows say N_opt grows as "
        f"C^{slope:.3f}",
    )
