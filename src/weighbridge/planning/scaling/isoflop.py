"""Approach 2: the size with the lowest loss at each compute budget, and how that size grows.

Hoffmann et al. 2022, section 3.2: a parabola of loss in log N is fitted to the runs of one budget;
its vertex is N_opt. `interpolated` takes instead the minimum of an Akima interpolation of log loss,
as Porian et al. 2024 (arXiv:2406.19146) do, which assumes no shape.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from weighbridge.errors import InputError
from weighbridge.planning.scaling.forms import PowerAllocation
from weighbridge.planning.scaling.points import Array, Points
from weighbridge.planning.scaling.power_law import power_law

FEWEST_RUNS = 5
"""A parabola passes through any three runs, so at least five are needed to judge its fit."""

_FEWEST_IN_BAND = 8
"""Where the source states no budgets: a band of fewer runs is likely to be a coincidence."""

_WIDTH = 10**0.08
"""Runs within 20 % in compute count as one budget, because points read from figures scatter so."""


@dataclass(frozen=True, eq=False)
class ComputeBudget:
    """The runs of one compute budget and the parabola fitted to them.

    Attributes:
        flops: The budget.
        parameters: N of the budget's runs, ascending, shape (n,).
        loss: Losses of these runs, shape (n,).
        curve: Loss = curve[0] + curve[1] z + curve[2] z², z = ln N.
        optimal_parameters: N at the vertex.
        optimal_loss: Loss at the vertex.
        why_not: Why this budget isn't used; "" if it is.
    """

    flops: float
    parameters: Array
    loss: Array
    curve: tuple[float, float, float]
    optimal_parameters: float
    optimal_loss: float
    why_not: str = ""


@dataclass(frozen=True, eq=False)
class IsoFlopFit:
    """The line through the vertices.

    Attributes:
        law: N_opt = k C^a.
        draws: The same law fitted to resamples within each budget; None without resamples.
        budgets: All budgets found, cheapest first.
    """

    law: PowerAllocation
    draws: PowerAllocation | None
    budgets: tuple[ComputeBudget, ...]


def groups(points: Points) -> list[tuple[float, npt.NDArray[np.intp]]]:
    """Sort runs into budgets: those that the source states, else the densest bands of compute.

    Returns:
        Each budget with the indices of its runs, cheapest first; a run in no band is left out.
    """
    if points.budgets is not None:
        return [
            (float(budget), np.flatnonzero(points.budgets == budget))
            for budget in np.unique(points.budgets)
        ]
    order = np.argsort(points.flops, kind="stable")
    flops = points.flops[order]
    free = np.ones(len(flops), dtype=bool)
    found = []
    while True:
        counts = np.array(
            [free[i:j].sum() for i, j in enumerate(np.searchsorted(flops, flops * _WIDTH, "right"))]
        )
        start = int(np.argmax(counts))
        if counts[start] < _FEWEST_IN_BAND:
            break
        band = (flops >= flops[start]) & (flops <= flops[start] * _WIDTH) & free
        free &= ~band
        members = order[band]
        found.append((float(np.exp(np.log(points.flops[members]).mean())), members))
    return sorted(found, key=lambda group: group[0])


def fit(points: Points, *, bootstraps: int = 0, seed: int = 0) -> IsoFlopFit:
    """Fit a parabola to each budget, then log N_opt against log C.

    Raises:
        InputError: Fewer than three budgets have a parabola with its vertex among the runs.
    """
    rng = np.random.default_rng(seed)
    budgets, vertices = [], []
    for flops, members in groups(points):
        members = members[np.argsort(points.parameters[members], kind="stable")]
        budget = _budget(flops, points.parameters[members], points.loss[members])
        budgets.append(budget)
        if not budget.why_not and bootstraps:
            chances = np.full(len(members), 1 / len(members))
            counts = rng.multinomial(len(members), chances, size=bootstraps).astype(np.float64)
            vertices.append(_vertices(budget, counts))
    used = [budget for budget in budgets if not budget.why_not]
    if len(used) < 3:
        raise InputError(
            f"{len(used)} compute budgets of {points.source or 'these runs'} have a parabola with "
            "its lowest point among the runs",
            f"at least 3, each of {FEWEST_RUNS} runs or more",
            "add runs on either side of the best size, or use approach 3: weighbridge scaling fit",
        )
    spent = np.array([budget.flops for budget in used])
    line = power_law(spent, np.array([budget.optimal_parameters for budget in used]))
    draws = None
    if bootstraps:
        sizes = np.stack(vertices, axis=1)
        usable = np.isfinite(sizes)
        lines = power_law(
            np.broadcast_to(spent, sizes.shape),
            np.where(usable, sizes, 1.0),
            np.where(usable.sum(axis=1, keepdims=True) >= 3, usable, 0).astype(np.float64),
        )
        kept = np.isfinite(lines.exponent)
        draws = PowerAllocation(lines.coefficient[kept], lines.exponent[kept])
    law = PowerAllocation(float(line.coefficient), float(line.exponent))
    return IsoFlopFit(law, draws, tuple(budgets))


def interpolated(points: Points, steps: int = 200) -> tuple[Array, Array]:
    """Return budgets and the sizes at which an Akima interpolation of log loss is lowest.

    Budgets whose lowest size is the smallest or the largest tried are left out.
    """
    from scipy.interpolate import Akima1DInterpolator

    flops, sizes = [], []
    for budget, members in groups(points):
        log_n, at = np.unique(np.log(points.parameters[members]), return_inverse=True)
        if len(log_n) < 3:
            continue
        lowest = np.full(len(log_n), np.inf)
        np.minimum.at(lowest, at, np.log(points.loss[members]))
        fine = np.linspace(log_n[0], log_n[-1], steps * (len(log_n) - 1) + 1)
        best = int(np.argmin(Akima1DInterpolator(log_n, lowest)(fine)))
        if 0 < best < len(fine) - 1:
            flops.append(budget)
            sizes.append(float(np.exp(fine[best])))
    return np.array(flops), np.array(sizes)


def _budget(flops: float, parameters: Array, loss: Array) -> ComputeBudget:
    log_n = np.log(parameters)
    if len(np.unique(parameters)) < FEWEST_RUNS:
        nothing = (float("nan"),) * 3
        why = f"{len(np.unique(parameters))} sizes, fewer than {FEWEST_RUNS}"
        return ComputeBudget(flops, parameters, loss, nothing, float("nan"), float("nan"), why)
    constant, slope, bend = (float(c) for c in np.polynomial.polynomial.polyfit(log_n, loss, 2))
    vertex = -slope / (2 * bend) if bend else float("nan")
    why = ""
    if not bend > 0:
        why = "the parabola opens downwards"
    elif not log_n[0] <= vertex <= log_n[-1]:
        why = "the best size lies outside those tried"
    size = float(np.exp(vertex)) if not why else float("nan")
    lowest = constant + slope * vertex + bend * vertex**2
    return ComputeBudget(flops, parameters, loss, (constant, slope, bend), size, lowest, why)


def _vertices(budget: ComputeBudget, counts: Array) -> Array:
    """Return N_opt of each resample, (B,); NaN where its parabola has no vertex among the runs."""
    log_n = np.log(budget.parameters)
    middle = log_n.mean()
    z = log_n - middle
    powers = np.stack([z**k for k in range(5)], axis=1)
    sums = counts @ powers
    normal = sums[:, [[0, 1, 2], [1, 2, 3], [2, 3, 4]]]
    right = (counts * budget.loss) @ powers[:, :3]
    sizes_seen = (counts > 0).sum(axis=1)
    normal[sizes_seen < 3] = np.eye(3)
    right[sizes_seen < 3] = 0.0
    solved = np.linalg.pinv(normal, hermitian=True) @ right[:, :, None]
    _, slope, bend = solved[:, :, 0].T
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        vertex = -slope / (2 * bend)
        inside = (bend > 0) & (vertex >= z[0]) & (vertex <= z[-1])
        return np.where(inside, np.exp(vertex + middle), np.nan)
