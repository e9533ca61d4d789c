"""Approach 3: Chinchilla's form fitted to all runs and to each resample, with global starts."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from weighbridge.errors import InputError
from weighbridge.planning.scaling.forms import Chinchilla
from weighbridge.planning.scaling.newton import Minimum, minimise
from weighbridge.planning.scaling.objective import SumOfPowers
from weighbridge.planning.scaling.points import Array, Points
from weighbridge.planning.scaling.projection import ExponentGrid

DELTA = 1e-3
"""Huber's δ of Hoffmann et al. 2022, section 3.3."""

NAMES = ("A", "B", "E", "alpha", "beta")
BASINS = 3
_AT_ONCE = 128  # resamples solved together, so that their arrays stay in a core's cache
_LEAST_EXPONENT, _LEAST_SHARE = 1e-2, 1e-4
_EASIEST_DELTA = 1e-3  # smaller ones are reached step by step: see `_polish`


@dataclass(frozen=True, eq=False)
class ParametricFit:
    """A fitted law.

    Attributes:
        law: The best fit of all runs.
        objective: Σ huber_δ(log L̂ - log L) at the best fit.
        draws: The same law fitted to resamples, with arrays as fields; None without resamples.
        delta: Huber's δ.
        points: Number of runs fitted.
        unusable: Number of resamples without a law that falls with both parameters and tokens;
            `draws` leaves them out.
        seconds: Time that the fit took.
        lowest_loss: The lowest loss of the runs, in nats per token.
    """

    law: Chinchilla
    objective: float
    draws: Chinchilla | None
    delta: float
    points: int
    unusable: int
    seconds: float
    lowest_loss: float

    @property
    def without_floor(self) -> bool:
        """Whether E is at its bound, 0: these runs show no irreducible loss."""
        return bool(_LEAST_SHARE * self.lowest_loss > self.law.E)

    @property
    def draws_without_floor(self) -> int:
        """Number of resamples whose E is at its bound, 0."""
        if self.draws is None:
            return 0
        return int(np.sum(np.asarray(self.draws.E) < _LEAST_SHARE * self.lowest_loss))

    @property
    def bootstraps(self) -> int:
        """Number of resamples in `draws`."""
        return 0 if self.draws is None else len(np.asarray(self.draws.A))


def percentile_interval(values: object) -> tuple[float, float]:
    """Return the central 95 % of draws (Efron's percentile interval)."""
    low, high = np.percentile(np.asarray(values, dtype=np.float64), (2.5, 97.5))
    return float(low), float(high)


def fit(
    points: Points,
    *,
    delta: float = DELTA,
    bootstraps: int = 0,
    seed: int = 0,
    threads: int = 1,
) -> ParametricFit:
    """Fit Chinchilla's form with a global start, and again for each resample of the runs.

    Args:
        points: The runs.
        delta: Huber's δ on log losses. 1e-3 is Hoffmann's; near 0 it is least absolute deviation.
        bootstraps: Number of resamples, each of as many runs drawn with replacement.
        seed: Seed of the resamples.
        threads: Number of threads for the resamples; the result does not depend on it.

    Raises:
        InputError: Loss doesn't fall with both parameters and tokens, in all runs or in most
            resamples.
    """
    started = time.perf_counter()
    everything = np.ones((1, len(points)))
    problem = _Problem(points, delta)
    best = problem.solve(everything)
    if not problem.usable(best).all() or not len(best.value):
        raise InputError(
            f"the losses of {points.source or 'these runs'} don't fall with both parameters and "
            "tokens",
            "runs whose loss falls as either grows",
            "check that no columns are swapped, and add runs that differ in both",
        )
    draws, unusable = None, 0
    if bootstraps:
        rng = np.random.default_rng(seed)
        chances = np.full(len(points), 1 / len(points))
        counts = rng.multinomial(len(points), chances, size=bootstraps).astype(np.float64)
        found = problem.solve_all(counts, best.theta[0], threads)
        usable = problem.usable(found)
        draws = problem.law(found.theta[usable])
        unusable = int(np.sum(~usable))
        if unusable > bootstraps / 2:
            raise InputError(
                f"{unusable} of {bootstraps} resamples of {points.source or 'these runs'} show no "
                "loss that falls with both parameters and tokens",
                "runs that determine the law in every resample",
                "add runs; --bootstraps 0 gives the figures without intervals, and no more certain",
            )
    law = problem.law(best.theta)
    return ParametricFit(
        law=Chinchilla(*(float(np.asarray(getattr(law, name))[0]) for name in NAMES)),
        objective=float(best.value[0]),
        draws=draws,
        delta=delta,
        points=len(points),
        unusable=unusable,
        seconds=time.perf_counter() - started,
        lowest_loss=float(points.loss.min()),
    )


class _Problem:
    """The tables that all resamples of some runs share."""

    def __init__(self, points: Points, delta: float) -> None:
        self.delta = delta
        self.grid = ExponentGrid.over(points)
        self.centre_n = float(np.log(points.parameters).mean())
        self.centre_d = float(np.log(points.tokens).mean())
        one = np.ones(len(points))
        self.model = SumOfPowers(
            (
                np.stack([one, -self.grid.log_n], axis=1),
                np.stack([one, -self.grid.log_d], axis=1),
                one[:, None],
            ),
            np.log(points.loss),
        )

    def solve(self, weights: Array, also: Array | None = None) -> Minimum:
        """Minimise from each row's basins and from a start that all rows share; keep the lowest.

        A row without any start is left out.
        """
        starts = self.grid.basins(weights, BASINS)
        if also is not None:
            shared = np.broadcast_to(also, (len(weights), 1, starts.shape[2]))
            starts = np.concatenate([starts, shared], axis=1)
        owners, columns = np.nonzero(np.isfinite(starts).all(axis=2))
        found = _polish(self.model, starts[owners, columns], weights[owners], self.delta)
        order = np.lexsort((found.value, owners))
        _, first = np.unique(owners[order], return_index=True)
        best = order[first]
        return Minimum(found.theta[best], found.value[best], found.converged[best])

    def solve_all(self, weights: Array, also: Array, threads: int) -> Minimum:
        """Solve many rows, some at a time, on several threads."""
        _ = self.grid.both, self.model.products  # made before threads need them
        parts = [weights[start : start + _AT_ONCE] for start in range(0, len(weights), _AT_ONCE)]
        with ThreadPoolExecutor(max(1, threads)) as pool:
            return _joined(list(pool.map(lambda part: self.solve(part, also), parts)))

    def usable(self, found: Minimum) -> npt.NDArray[np.bool_]:
        """Return whether each row holds a law that falls with parameters and with tokens.

        The exponent of a term that is nowhere a ten-thousandth of the loss has no meaning. Where
        there is no irreducible loss, log E falls without end and steps don't converge; such a row
        is usable.
        """
        law = self.law(found.theta)
        without_e = np.asarray(law.E) < _LEAST_SHARE * np.exp(self.model.log_loss.min())
        good: npt.NDArray[np.bool_] = found.converged | (np.isfinite(found.value) & without_e)
        for value in (law.A, law.B, law.E, law.alpha, law.beta):
            good &= np.isfinite(value)
        good &= (np.asarray(law.alpha) > _LEAST_EXPONENT) & (np.asarray(law.beta) > _LEAST_EXPONENT)
        with np.errstate(all="ignore"):
            _, shares = self.model.shares(found.theta)
        for share in shares[:2]:
            good &= share.max(axis=1, initial=0.0) > _LEAST_SHARE
        return good

    def law(self, theta: Array) -> Chinchilla:
        """Return the laws of rows of θ, with logarithms no longer centred."""
        log_a, alpha, log_b, beta, log_e = theta.T
        with np.errstate(over="ignore"):
            return Chinchilla(
                A=np.exp(log_a + alpha * self.centre_n),
                B=np.exp(log_b + beta * self.centre_d),
                E=np.exp(log_e),
                alpha=alpha,
                beta=beta,
            )


def _joined(parts: Sequence[Minimum]) -> Minimum:
    return Minimum(
        np.concatenate([part.theta for part in parts]),
        np.concatenate([part.value for part in parts]),
        np.concatenate([part.converged for part in parts]),
    )


def _polish(model: SumOfPowers, starts: Array, weights: Array, delta: float) -> Minimum:
    """Minimise the objective for a δ; for a small δ, minimise it for larger ones first.

    As δ goes to 0 the objective becomes a sum of absolute values, whose minima are corners. The
    minima for larger δ lead to these (Madsen & Nielsen 1993, SIAM J. Optim. 3:223).
    """
    theta, rung = starts, max(delta, _EASIEST_DELTA)
    while rung > delta * 1.001:
        theta = minimise(model, theta, weights, rung, tolerance=1e-6).theta
        rung = max(delta, rung / 4)
    return minimise(model, theta, weights, delta)
