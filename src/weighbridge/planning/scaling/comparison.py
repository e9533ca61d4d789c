"""Measures how far approaches 1, 2 and 3 and Kaplan's form disagree about the same runs."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from weighbridge.errors import InputError
from weighbridge.planning.scaling import envelope, isoflop, kaplan, parametric
from weighbridge.planning.scaling.forms import Allocates, tokens_at
from weighbridge.planning.scaling.parametric import percentile_interval
from weighbridge.planning.scaling.points import Points

Interval = tuple[float, float]
Fitted = tuple[Allocates, Allocates | None]


@dataclass(frozen=True)
class ApproachResult:
    """One approach's allocation of a budget.

    Attributes:
        approach: The approach's name.
        exponent: a in N_opt ∝ C^a.
        exponent_interval: 95 % interval of the exponent; None without draws.
        parameters: N_opt at the budget.
        parameters_interval: 95 % interval of N_opt; None without draws.
        tokens_per_parameter: D/N at the budget.
        why_not: Why the approach gives no result; "" if it does.
    """

    approach: str
    exponent: float = float("nan")
    exponent_interval: Interval | None = None
    parameters: float = float("nan")
    parameters_interval: Interval | None = None
    tokens_per_parameter: float = float("nan")
    why_not: str = ""


@dataclass(frozen=True)
class Disagreement:
    """How far apart the approaches are.

    Attributes:
        flops: The budget at which sizes are compared.
        results: One result per approach.
        exponents: Lowest and highest a.
        size_ratio: Largest N_opt divided by the smallest.
        apart: Pairs of approaches whose intervals of N_opt don't overlap.
        beyond: The budget divided by the largest of the data.
    """

    flops: float
    results: tuple[ApproachResult, ...]
    exponents: Interval
    size_ratio: float
    apart: tuple[tuple[str, str], ...]
    beyond: float


def compare(
    points: Points,
    *,
    flops: float | None = None,
    delta: float = parametric.DELTA,
    bootstraps: int = 0,
    seed: int = 0,
    threads: int = 1,
) -> Disagreement:
    """Run every approach on the same runs.

    Args:
        points: The runs.
        flops: Budget to compare sizes at; the largest of the data where None.
        delta: Huber's δ of approach 3 and Kaplan's form.
        bootstraps: Number of resamples of each approach.
        seed: Seed of the resamples.
        threads: Number of threads for approach 3.
    """
    largest = float(points.flops.max())
    budget = flops or largest

    results = tuple(
        _result(name, ask, budget)
        for name, ask in _approaches(points, delta, bootstraps, seed, threads).items()
    )
    given = [result for result in results if not result.why_not]
    exponents = [result.exponent for result in given]
    sizes = [result.parameters for result in given]
    return Disagreement(
        flops=budget,
        results=results,
        exponents=(min(exponents), max(exponents)) if given else (float("nan"),) * 2,
        size_ratio=max(sizes) / min(sizes) if given else float("nan"),
        apart=tuple(
            (one.approach, other.approach)
            for i, one in enumerate(given)
            for other in given[i + 1 :]
            if _apart(one.parameters_interval, other.parameters_interval)
        ),
        beyond=budget / largest,
    )


def _approaches(
    points: Points, delta: float, bootstraps: int, seed: int, threads: int
) -> dict[str, Callable[[], Fitted]]:
    """Return by each approach's name a function that fits it and returns its law and draws."""

    def by_envelope() -> Fitted:
        found = envelope.fit(points, bootstraps=bootstraps, seed=seed)
        return found.law, found.draws

    def by_isoflop() -> Fitted:
        found = isoflop.fit(points, bootstraps=bootstraps, seed=seed)
        return found.law, found.draws

    def by_parametric() -> Fitted:
        found = parametric.fit(
            points, delta=delta, bootstraps=bootstraps, seed=seed, threads=threads
        )
        return found.law, found.draws

    def by_kaplan() -> Fitted:
        return kaplan.fit(points, delta=delta).law, None

    return {
        "1 envelope": by_envelope,
        "2 IsoFLOP": by_isoflop,
        "3 parametric": by_parametric,
        "Kaplan L(N,D)": by_kaplan,
    }


def _result(name: str, ask: Callable[[], Fitted], flops: float) -> ApproachResult:
    try:
        law, draws = ask()
    except InputError as error:
        return ApproachResult(name, why_not=str(error))
    size = float(np.asarray(law.optimal_parameters(flops)))
    return ApproachResult(
        name,
        exponent=float(np.asarray(law.optimal_exponent)),
        exponent_interval=None if draws is None else percentile_interval(draws.optimal_exponent),
        parameters=size,
        parameters_interval=None
        if draws is None
        else percentile_interval(draws.optimal_parameters(flops)),
        tokens_per_parameter=float(np.asarray(tokens_at(flops, size))) / size,
    )


def _apart(one: Interval | None, other: Interval | None) -> bool:
    return one is not None and other is not None and (one[1] < other[0] or other[1] < one[0])
