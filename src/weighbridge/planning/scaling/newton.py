"""Minimises the objective by damped Newton steps, for many problems at once."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from weighbridge.planning.scaling.objective import Expansion, SumOfPowers, expand
from weighbridge.planning.scaling.points import Array

MAX_STEPS = 300
_SMALLEST_DAMPING, _LARGEST_DAMPING = 1e-12, 1e12


@dataclass(frozen=True)
class Minimum:
    """Where the steps ended, one row per problem.

    Attributes:
        theta: The unknowns, (B, p).
        value: The objective at `theta`, (B,).
        converged: Whether no step could lower the objective by more than the tolerance, (B,).
    """

    theta: Array
    value: Array
    converged: npt.NDArray[np.bool_]


def minimise(
    model: SumOfPowers, theta: Array, weights: Array, delta: float, tolerance: float = 1e-12
) -> Minimum:
    """Minimise from each row of θ until a Newton step promises less than a share of the value.

    The absolute values of the Hessian's eigenvalues are used, so that steps lead away from saddles.
    A damping is added to them, which falls while the expansion predicts the value well (Levenberg
    1944; Moré 1978). Beyond δ the Huber function is linear: with few residuals inside δ the Hessian
    is nearly singular, and an undamped Newton step would go much too far.

    Args:
        model: The terms.
        theta: Starting points, (B, p).
        weights: Weights of the runs, (B, n).
        delta: Huber's δ.
        tolerance: Tolerance relative to the objective.
    """
    theta = theta.copy()
    found = np.full(len(theta), np.inf)
    converged = np.zeros(len(theta), dtype=bool)
    rows = np.arange(len(theta))  # the problems that have not ended
    here, counts = theta, weights
    damping = np.full(len(rows), 1e-3)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        at = expand(model, here, counts, delta)
        for _ in range(MAX_STEPS):
            step, promised = _steps(at, damping)
            done = (promised <= tolerance * at.value) | (damping > _LARGEST_DAMPING)
            done |= ~np.isfinite(at.value)
            if done.any():
                ended = rows[done]
                theta[ended], found[ended] = here[done], at.value[done]
                converged[ended] = np.isfinite(at.value[done])
                left = ~done
                rows, here, counts, damping = rows[left], here[left], counts[left], damping[left]
                step, at = step[left], at.take(left)
            if not len(rows):
                break
            trial = here + step
            there = expand(model, trial, counts, delta)
            foretold = -np.einsum(
                "bi,bi->b", step, at.gradient + 0.5 * np.einsum("bij,bj->bi", at.hessian, step)
            )
            gained = at.value - there.value
            better = gained > 0
            trusted = better & (gained > 0.75 * foretold)
            doubted = ~(gained > 0.25 * foretold)
            damping = np.where(trusted, damping / 5, np.where(doubted, damping * 4, damping))
            damping = np.maximum(damping, _SMALLEST_DAMPING)
            here = np.where(better[:, None], trial, here)
            at = Expansion(
                np.where(better, there.value, at.value),
                np.where(better[:, None], there.gradient, at.gradient),
                np.where(better[:, None, None], there.hessian, at.hessian),
            )
        theta[rows], found[rows] = here, at.value
    return Minimum(theta, found, converged)


def _steps(at: Expansion, damping: Array) -> tuple[Array, Array]:
    """Return damped steps, (B, p), and the decrease that the undamped ones promise, (B,)."""
    finite = np.isfinite(at.value)
    hessian = np.where(finite[:, None, None], at.hessian, np.eye(at.hessian.shape[1]))
    sizes, axes = np.linalg.eigh(hessian)
    sizes = np.abs(sizes)
    largest = sizes[:, -1:].copy()
    np.maximum(largest, sizes[:, :1], out=largest)
    sizes = np.maximum(sizes, 1e-14 * largest)
    along = np.einsum("bij,bi->bj", axes, np.where(finite[:, None], at.gradient, 0.0))
    promised = 0.5 * np.sum(along * along / sizes, axis=1)
    step = -np.einsum("bij,bj->bi", axes, along / (sizes + damping[:, None] * largest))
    return step, promised
