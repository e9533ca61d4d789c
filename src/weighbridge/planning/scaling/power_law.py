"""Fits a straight line to logarithms, log y = log k + a log x, for many weightings at once."""

from dataclasses import dataclass

import numpy as np

from weighbridge.planning.scaling.points import Array


@dataclass(frozen=True, eq=False)
class PowerLaw:
    """y = coefficient x^exponent; fields may be arrays with one entry per row of weights.

    Attributes:
        coefficient: k.
        exponent: a.
    """

    coefficient: Array
    exponent: Array


def power_law(x: Array, y: Array, weights: Array | None = None) -> PowerLaw:
    """Fit by weighted least squares on logarithms.

    Args:
        x: Shape (n,) or (B, n).
        y: The same shape as x.
        weights: The same shape as x; None for equal weights. The exponent is NaN for a row whose
            weights are all on one x.
    """
    log_x, log_y = np.log(x), np.log(y)
    weights = np.ones_like(log_y) if weights is None else weights
    with np.errstate(invalid="ignore", divide="ignore"):
        total = weights.sum(axis=-1)
        mean_x = (weights * log_x).sum(axis=-1) / total
        mean_y = (weights * log_y).sum(axis=-1) / total
        away = log_x - mean_x[..., None]
        spread = (weights * away**2).sum(axis=-1)
        slope = (weights * away * log_y).sum(axis=-1) / np.where(spread > 1e-12, spread, np.nan)
    return PowerLaw(np.exp(mean_y - slope * mean_x), slope)
