"""Fits the constants of a forecast to measurements: physics for all, and effects for cells.

A row's rate is that of `costs` at `Rates` that are the same everywhere, times effects: of its
class, accelerator, precision, the cell of these, its model and its scenario. Effects of publisher
and engine are fitted, too, so that their differences do not distort the others. Each kind of effect
has a prior width that draws it towards 0 (partial pooling), so that a cell with few rows changes
little. Effects on the multiplying part of a step and on the rest are separate, because a slow
product of unpacked weights tells nothing about a small batch.

The priors of `Rates` come from engineering knowledge, not from a fit: 0.8 of the memory's bandwidth
is the factor in the system files of ai-dynamo/aiconfigurator; a launch takes about 4 microseconds,
with nine launches per layer, four more for routing to experts, and ten more for a latent or state.
About a dozen variants of the priors were tried, and chosen by the errors on publishers left out.
Student's t with four degrees of freedom limits the influence of single rows.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from datetime import date
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from weighbridge.catalog.accelerators import Accelerator, accelerator
from weighbridge.catalog.models import find_model
from weighbridge.planning.anatomy import read_architecture
from weighbridge.planning.serving.batches import (
    Demand,
    multiplying_share,
    served_batch,
    step_seconds,
)
from weighbridge.planning.serving.costs import Costs, Rates, ceiling, cost_of, stack
from weighbridge.planning.serving.efficiency import REGIMES, labels_of
from weighbridge.planning.serving.footprint import Footprint, footprint
from weighbridge.planning.serving.layout import Layout, possible_layouts
from weighbridge.planning.serving.measurements import Measurement, group_of
from weighbridge.planning.serving.precision import choose_precision

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

PRIOR = Rates(
    reading=0.8, decoding=0.6, prefilling=0.6, exchanging=0.5, expert_reading=0.8,
    expert_multiplying=0.35, layer_seconds=35e-6, expert_seconds=15e-6, mixer_seconds=40e-6,
    exchange_seconds=15e-6, passes=12.0, step_seconds=5e-4, sequence_seconds=10e-6,
)  # fmt: skip
PRIOR_WIDTHS = Rates(
    reading=0.05, decoding=0.3, prefilling=0.3, exchanging=0.5, expert_reading=0.05,
    expert_multiplying=0.4, layer_seconds=0.15, expert_seconds=0.2, mixer_seconds=0.2,
    exchange_seconds=0.2, passes=0.4, step_seconds=0.4, sequence_seconds=0.7,
)  # fmt: skip
"""Prior standard deviations of the logarithms of `PRIOR`."""
WIDTHS = {
    "class": 0.1, "accelerator": 0.12, "precision": 0.1, "pair": 0.1, "cell": 0.12, "model": 0.12,
    "scenario": 0.12, "publisher": 0.05, "engine": 0.1,
}  # fmt: skip
"""Prior widths of effects on the multiplying part of a step; on the rest they are half as wide."""
PER_YEAR_WIDTH = 0.2
_REST = 0.5
_NOISE = 0.22
_FREEDOM = 4.0
_SHARES = 6  # the first six rates are shares of a peak
_MOST_SHARE = 0.95
_ROUNDS = 6
_FULL_WEIGHT = 8


@dataclass(frozen=True, eq=False)
class CalibrationProblem:
    """Measurements as arrays. A row whose layout isn't stated has several layouts, one by one.

    Attributes:
        rows: The rows that are in scope and physically possible.
        kinds: Class of each row's architecture.
        rates: Logarithm of each row's measured rate, (rows,).
        costs: Costs of each layout of each row, (layouts,).
        owner: Index of the row of each layout, (layouts,).
        demand: Demand on each layout, (layouts,).
        years: Time of each row since the newest measurement, at most 0, (rows,).
        refused: Number of physically impossible rows, by reason.
    """

    rows: tuple[Measurement, ...]
    kinds: tuple[str, ...]
    rates: Array
    costs: Costs
    owner: npt.NDArray[np.intp]
    demand: Demand
    years: Array
    refused: Mapping[str, int]


@lru_cache(maxsize=256)
def served(model: str, precision: str) -> Footprint:
    """Return the footprint of a catalog model at a precision."""
    config = find_model(model).config
    return footprint(read_architecture(config, model), choose_precision(config, precision))


@lru_cache(maxsize=64)
def _machine(name: str) -> Accelerator:
    return accelerator(name)


@lru_cache(maxsize=8192)
def _cost(
    model: str, precision: str, machine: str, layout: Layout, tokens: tuple[float, float]
) -> Costs:
    """Return costs from a cache, because many rows differ only in their concurrency."""
    return cost_of(served(model, precision), _machine(machine), layout, *tokens)


def prepare(rows: Sequence[Measurement]) -> CalibrationProblem:
    """Compute the costs of rows, and refuse those that are physically impossible."""
    refused: Counter[str] = Counter()
    kept: list[Measurement] = []
    costs: list[Costs] = []
    owner: list[int] = []
    for row in rows:
        architecture = served(row.model, row.precision).architecture
        tried = (
            [row.layout] if row.layout else list(possible_layouts(architecture, row.accelerators))
        )
        where = row.model, row.precision, row.accelerator
        tokens = row.input_tokens, row.output_tokens
        each = [_cost(*where, layout, tokens) for layout in tried]
        fitting = [cost for cost in each if cost.max_batch >= 1]
        if not fitting:
            refused["weights and one sequence do not fit where they are said to have run"] += 1
            continue
        batch = [_batch_at_most(cost, row) for cost in fitting]
        roof = max(float(ceiling(c, b)) for c, b in zip(fitting, batch, strict=True))
        if row.tokens_per_second > roof:
            refused["faster than the roofline"] += 1
            continue
        costs += fitting
        owner += [len(kept)] * len(fitting)
        kept.append(row)
    newest = max(row.measured for row in kept)
    index = np.array(owner)
    asked = [kept[i] for i in owner]
    return CalibrationProblem(
        rows=tuple(kept),
        kinds=tuple(served(row.model, row.precision).kind for row in kept),
        rates=np.log([row.tokens_per_second for row in kept]),
        costs=stack(costs),
        owner=index,
        demand=Demand(
            np.array([np.nan if r.concurrency is None else r.concurrency for r in asked]),
            np.array([np.nan if r.limit is None else r.limit.each for r in asked]),
            np.array([float(r.limit is not None) for r in asked]),
        ),
        years=np.array([(row.measured - newest).days / 365.25 for row in kept]),
        refused=dict(refused),
    )


def _batch_at_most(cost: Costs, row: Measurement) -> float:
    most = float(cost.max_batch)
    if row.concurrency is None:
        return most
    return max(1.0, min(most, row.concurrency / float(cost.replicas)))


def modelled(problem: CalibrationProblem, rates: Rates) -> tuple[Array, Array]:
    """Return the logarithm of each row's rate without effects, and its multiplying share, (rows,).

    Where the layout isn't stated, the fastest one counts.
    """
    batch = served_batch(problem.costs, problem.demand, rates)
    step = step_seconds(problem.costs, batch, rates)
    value = np.log(problem.costs.replicas * batch / step)
    share = np.asarray(multiplying_share(problem.costs, batch, rates))
    best = np.full(len(problem.rows), -np.inf)
    np.maximum.at(best, problem.owner, value)
    shares = np.zeros(len(problem.rows))
    chosen = value >= best[problem.owner] - 1e-12
    shares[problem.owner[chosen]] = share[chosen]
    return best, shares


@dataclass(frozen=True, eq=False)
class Design:
    """The effects and which of them each row has.

    Attributes:
        names: Kind and name of each effect.
        rows: 1 where a row has an effect, else 0, (rows, effects).
        widths: Prior width of each effect, (effects,).
    """

    names: tuple[tuple[str, str], ...]
    rows: Array
    widths: Array


def design_of(problem: CalibrationProblem) -> Design:
    """Return the effects of a problem's rows."""
    labels = [row_labels(r, k) for r, k in zip(problem.rows, problem.kinds, strict=True)]
    seen = {kind: sorted({one[kind] for one in labels} - {""}) for kind in WIDTHS}
    names = tuple((kind, name) for kind, listed in seen.items() for name in listed)
    columns = [[float(one[kind] == name) for one in labels] for kind, name in names]
    return Design(names, np.array(columns).T, np.array([WIDTHS[kind] for kind, _ in names]))


def row_labels(row: Measurement, kind: str) -> dict[str, str]:
    """Return a row's name for each kind of effect; scenarios without limits have no effect."""
    scenario = row.scenario if row.limit is not None else ""
    told = labels_of(kind, row.accelerator, row.precision, group_of(row.model), scenario)
    engine = row.edition.split()[0] if row.scenario == "concurrency" else ""
    return {**told, "publisher": row.publisher, "engine": engine}


@dataclass(frozen=True, eq=False)
class Linear:
    """The least-squares problem, linearised at some rates.

    Refitting it without some of the rows then takes one small linear solve.

    Attributes:
        point: Logarithms of the rates at which the problem is linearised.
        target: What the unknowns must explain of each row, (rows,).
        slopes: Derivatives by the unknowns, (rows, unknowns): logarithms of rates, effects on
            multiplying, effects on the rest, and years.
        prior: Inverse prior variances of the unknowns, (unknowns,).
    """

    point: Array
    target: Array
    slopes: Array
    prior: Array


def linearise(problem: CalibrationProblem, design: Design, point: Array) -> Linear:
    """Return the problem linearised at a point."""
    value, share = modelled(problem, Rates(*np.exp(point)))
    step = 0.02
    slopes = np.empty((len(problem.rows), len(point)))
    for index in range(len(point)):
        moved = point.copy()
        moved[index] += step
        slopes[:, index] = (modelled(problem, Rates(*np.exp(moved)))[0] - value) / step
    start = np.log(astuple(PRIOR))
    parts = (
        slopes, design.rows * share[:, None], design.rows * (1 - share)[:, None],
        problem.years[:, None],
    )  # fmt: skip
    widths = np.concatenate(
        (astuple(PRIOR_WIDTHS), design.widths, design.widths * _REST, [PER_YEAR_WIDTH])
    )
    return Linear(
        point, problem.rates - value + slopes @ (point - start), np.hstack(parts), 1 / widths**2
    )


def weights_of(problem: CalibrationProblem, kept: Mask) -> Array:
    """Return each row's weight, so that many rows of one model and machine count little more."""
    keys = [(r.publisher, group_of(r.model), r.accelerator, r.precision) for r in problem.rows]
    counts = Counter(key for key, keep in zip(keys, kept, strict=True) if keep)
    return np.array(
        [
            min(1.0, _FULL_WEIGHT / counts[key]) ** 0.7 if keep else 0.0
            for key, keep in zip(keys, kept, strict=True)
        ]
    )


def solve(linear: Linear, weights: Array, rounds: int = 3) -> tuple[Array, Array]:
    """Return all unknowns, rates first, and every row's residual, rows left out included."""
    used = weights > 0
    slopes, target = linear.slopes[used], linear.target[used]
    robust: Array = np.ones(int(used.sum()))
    found: Array = np.zeros(linear.slopes.shape[1])
    for _ in range(rounds):
        weight = weights[used] * robust / _NOISE**2
        normal = slopes.T @ (slopes * weight[:, None]) + np.diag(linear.prior)
        found = np.asarray(np.linalg.solve(normal, slopes.T @ (weight * target)), np.float64)
        left = (target - slopes @ found) / _NOISE
        robust = np.asarray((1 + 1 / _FREEDOM) / (1 + left**2 / _FREEDOM), np.float64)
    return found, linear.target - linear.slopes @ found


def fit(
    problem: CalibrationProblem,
    design: Design,
    kept: Mask | None = None,
    point: Array | None = None,
    rounds: int = _ROUNDS,
) -> tuple[Linear, Array, Array]:
    """Fit by the Gauss-Newton method.

    Args:
        problem: All rows.
        design: The rows' effects.
        kept: Rows to fit to; None for all.
        point: Logarithms of the rates to start from; None starts from the priors.
        rounds: Number of steps.

    Returns:
        The problem linearised at the optimum; all unknowns, the rates' logarithms less those of
        their priors first; and every row's residual, rows left out included.
    """
    weights = weights_of(problem, np.ones(len(problem.rows), dtype=bool) if kept is None else kept)
    start = np.log(astuple(PRIOR))
    point, size = (start if point is None else point).copy(), len(start)
    for _ in range(rounds):
        found, _left = solve(linearise(problem, design, point), weights)
        point = point + np.clip(start + found[:size] - point, -0.7, 0.7)
        point[:_SHARES] = np.minimum(point[:_SHARES], np.log(_MOST_SHARE))
    linear = linearise(problem, design, point)
    found, left = solve(linear, weights)
    return linear, found, left


def rates_of(found: Array) -> Rates:
    """Return the rates of a solution."""
    start = np.array(astuple(PRIOR))
    return Rates(*(float(v) for v in start * np.exp(found[: len(start)])))


def effects_of(design: Design, found: Array) -> dict[str, dict[str, dict[str, float]]]:
    """Return effects by regime, kind and name."""
    size, count = len(astuple(PRIOR)), len(design.names)
    effects: dict[str, dict[str, dict[str, float]]] = {}
    for number, regime in enumerate(REGIMES):
        part = found[size + number * count : size + (number + 1) * count]
        kinds: dict[str, dict[str, float]] = {kind: {} for kind in WIDTHS}
        for (kind, name), value in zip(design.names, part, strict=True):
            kinds[kind][name] = float(value)
        effects[regime] = kinds
    return effects


def newest_day(problem: CalibrationProblem) -> date:
    """Return the day of the last measurement."""
    return max(row.measured for row in problem.rows)
