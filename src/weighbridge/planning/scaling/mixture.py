"""The joint mixture-of-experts form fitted to dense and mixture-of-experts runs together.

The form's two terms are log-linear in their unknowns, with ln Ê and ln Ê ln N as further columns,
so objective and minimisation are those of approach 3. The fit starts from the basins that all runs
give if experts are ignored, with the four extra exponents at zero. Resamples start from the fit of
all runs.
"""

from dataclasses import dataclass

import numpy as np

from weighbridge.errors import InputError
from weighbridge.planning.scaling.forms import JointMixture
from weighbridge.planning.scaling.newton import minimise
from weighbridge.planning.scaling.objective import SumOfPowers
from weighbridge.planning.scaling.parametric import DELTA, percentile_interval
from weighbridge.planning.scaling.points import Array, Points
from weighbridge.planning.scaling.projection import ExponentGrid

UNKNOWNS = 9


@dataclass(frozen=True, eq=False)
class MixtureFit:
    """A fitted law.

    Attributes:
        law: The best fit, as a function of Ê.
        objective: Σ huber_δ(log L̂ - log L) at the best fit.
        draws: Fits of resamples; None without resamples.
    """

    law: JointMixture
    objective: float
    draws: JointMixture | None

    def interval(self, name: str) -> tuple[float, float] | None:
        """Return the 95 % interval of one of the law's fields."""
        return None if self.draws is None else percentile_interval(getattr(self.draws, name))


def effective_experts(experts: Array, at_one: float = 1.0, at_most: float = np.inf) -> Array:
    """Return Ê, which rises from `at_one` for a dense model towards `at_most`.

    1/Ê = 1 / (E - 1 + 1/(1/at_one - 1/at_most)) + 1/at_most (Clark et al. 2022, arXiv:2202.01169);
    with the defaults, Ê = E.
    """
    least = 1 / (1 / at_one - 1 / at_most)
    return 1 / (1 / (experts - 1 + least) + 1 / at_most)


def fit(points: Points, *, delta: float = DELTA, bootstraps: int = 0, seed: int = 0) -> MixtureFit:
    """Fit the joint form.

    Raises:
        InputError: The runs' experts are not given or don't vary, or the runs are too few.
    """
    experts = points.experts
    if experts is None or len(np.unique(experts)) < 2:
        seen = "no column of experts" if experts is None else f"experts = {experts[0]:g} throughout"
        raise InputError(
            seen,
            "runs with at least two numbers of experts (1 for dense)",
            "add a column named experts, or fit the dense form: weighbridge scaling fit",
        )
    if len(points) <= 2 * UNKNOWNS:
        raise InputError(
            f"{len(points)} runs for {UNKNOWNS} unknowns", f"more than {2 * UNKNOWNS}", "add runs"
        )
    centres = [float(np.log(v).mean()) for v in (points.parameters, points.tokens)]
    log_e = np.log(experts)
    one = np.ones(len(points))
    designs = [
        np.stack([one, -x, log_e, -log_e * x], axis=1)
        for x in (
            np.log(points.parameters) - centres[0],
            np.log(points.tokens) - centres[1],
        )
    ]
    model = SumOfPowers((designs[0], designs[1], one[:, None]), np.log(points.loss))
    basins = ExponentGrid.over(points).basins(one[None, :], 6)[0]
    basins = basins[np.isfinite(basins).all(axis=1)]
    starts = np.zeros((len(basins), UNKNOWNS))
    starts[:, [0, 1, 4, 5, 8]] = basins
    found = minimise(model, starts, np.ones((len(starts), len(points))), delta)
    best = int(np.argmin(found.value))
    draws = None
    if bootstraps:
        rng = np.random.default_rng(seed)
        chances = np.full(len(points), 1 / len(points))
        counts = rng.multinomial(len(points), chances, size=bootstraps).astype(np.float64)
        resampled = minimise(
            model, np.repeat(found.theta[[best]], bootstraps, axis=0), counts, delta
        )
        draws = _law(resampled.theta, *centres)
    law = _law(found.theta[best], *centres)
    return MixtureFit(law, float(found.value[best]), draws)


def _law(theta: Array, centre_n: float, centre_d: float) -> JointMixture:
    """Undo the centring: x - centre moves parts of the exponents into the scales."""
    log_a, alpha, delta, gamma, log_b, beta, omega, zeta, log_c = np.moveaxis(theta, -1, 0)
    return JointMixture(
        a=np.exp(log_a + alpha * centre_n),
        alpha=-alpha,
        delta=delta + gamma * centre_n,
        gamma=-gamma,
        b=np.exp(log_b + beta * centre_d),
        beta=-beta,
        omega=omega + zeta * centre_d,
        zeta=-zeta,
        c=np.exp(log_c),
    )
