"""Kaplan's form L(N, D) fitted to runs.

L^(1/alpha_d) = (Nc/N)^r + Dc/D with r = alpha_n/alpha_d is linear in Nc^r and Dc for given alpha_d
and r. So the linear problem is solved on a grid of those two, as in `projection`, and the best cell
is refined on the log-Huber objective of approach 3, so that the two forms' objectives can be
compared.
"""

from dataclasses import dataclass

import numpy as np

from weighbridge.errors import InputError
from weighbridge.planning.scaling.forms import Kaplan
from weighbridge.planning.scaling.objective import huber
from weighbridge.planning.scaling.parametric import DELTA
from weighbridge.planning.scaling.points import Array, Points

_ALPHA_D = np.geomspace(0.02, 1.0, 40)
_RATIOS = np.geomspace(0.2, 4.0, 30)
_LEAST, _LARGEST_LOG = 1e-3, 200.0
_NOT_FALLING = (
    "no exponents of Kaplan's form give a loss that falls with both parameters and tokens",
    "runs whose loss falls as either grows",
    "see that columns aren't swapped",
)


@dataclass(frozen=True)
class KaplanFit:
    """A fitted law.

    Attributes:
        law: The best fit.
        objective: Σ huber_δ(log L̂ - log L) at the best fit.
    """

    law: Kaplan
    objective: float


def fit(points: Points, *, delta: float = DELTA) -> KaplanFit:
    """Fit L(N, D).

    Raises:
        InputError: No exponents give a loss that falls with both parameters and tokens.
    """
    from scipy.optimize import least_squares

    log_n, log_d, log_l = (np.log(v) for v in (points.parameters, points.tokens, points.loss))
    middle_n, middle_d = log_n.mean(), log_d.mean()
    start = _project(log_n - middle_n, log_d - middle_d, log_l)

    def residuals(theta: Array) -> Array:
        size = theta[0] - theta[2] * (log_n - middle_n)
        data = theta[1] - (log_d - middle_d)
        return np.asarray(theta[3] * np.logaddexp(size, data) - log_l)

    found = least_squares(
        residuals, start, loss="huber", f_scale=delta, xtol=1e-14, ftol=1e-14, gtol=1e-15,
        bounds=([-np.inf, -np.inf, _LEAST, _LEAST], np.inf),
    )  # fmt: skip
    log_size, log_data, ratio, alpha_d = (float(v) for v in found.x)
    if min(ratio, alpha_d) <= 2 * _LEAST or abs(log_size / ratio) > _LARGEST_LOG:
        raise InputError(*_NOT_FALLING)
    law = Kaplan(
        critical_parameters=float(np.exp(log_size / ratio + middle_n)),
        critical_tokens=float(np.exp(log_data + middle_d)),
        alpha_n=ratio * alpha_d,
        alpha_d=alpha_d,
    )
    return KaplanFit(law, float(huber(residuals(found.x), delta).sum()))


def _project(log_n: Array, log_d: Array, log_l: Array) -> Array:
    """Return log Nc^r, log Dc (centred), r and alpha_d of the best cell of the grid."""
    best, start = np.inf, None
    for alpha_d in _ALPHA_D:
        powered = np.exp(log_l / alpha_d - (log_l / alpha_d).mean())
        for ratio in _RATIOS:
            terms = np.stack([np.exp(-ratio * log_n), np.exp(-log_d)], axis=1) / powered[:, None]
            scale, *_ = np.linalg.lstsq(terms, np.ones(len(log_l)), rcond=None)
            if not (scale > 0).all():
                continue
            away = alpha_d * np.log(terms @ scale)
            if (squares := float(away @ away)) < best:
                shift = (log_l / alpha_d).mean()
                best = squares
                start = np.array([*(np.log(scale) + shift), ratio, alpha_d])
    if start is None:
        raise InputError(*_NOT_FALLING)
    return start
