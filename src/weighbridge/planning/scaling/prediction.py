"""Predicts the loss of a held-out run, with a prediction interval.

An interval of the law alone is too narrow, because a new run scatters around the law as the fitted
runs do. So each bootstrap draw gets a residual of the fit, drawn with replacement and enlarged for
the five unknowns that were fitted (Davison & Hinkley 1997, Bootstrap Methods, section 6.3.3).
"""

from dataclasses import dataclass

import numpy as np

from weighbridge.planning.scaling.parametric import NAMES, ParametricFit, percentile_interval
from weighbridge.planning.scaling.points import Points


@dataclass(frozen=True)
class Prediction:
    """The predicted loss of a run.

    Attributes:
        parameters: N of the run.
        tokens: D of the run.
        loss: The law's loss, in nats per token.
        interval: 95 % interval of the run's loss, not only of the law's.
    """

    parameters: float
    tokens: float
    loss: float
    interval: tuple[float, float]

    def holds(self, loss: float) -> bool:
        """Whether a measured loss lies in the interval."""
        return self.interval[0] <= loss <= self.interval[1]


def predict(
    found: ParametricFit, points: Points, parameters: float, tokens: float, seed: int = 0
) -> Prediction:
    """Predict a run's loss.

    Args:
        found: A fit with draws.
        points: The runs that it was fitted to.
        parameters: N of the run.
        tokens: D of the run.
        seed: Seed of the drawn residuals.
    """
    assert found.draws is not None, "a prediction needs a fit with bootstraps"
    fitted = np.asarray(found.law.loss(points.parameters, points.tokens))
    widened = np.sqrt(len(points) / max(1, len(points) - len(NAMES)))
    residuals = np.log(points.loss / fitted) * widened
    drawn = np.random.default_rng(seed).choice(residuals, size=found.bootstraps)
    losses = np.asarray(found.draws.loss(parameters, tokens)) * np.exp(drawn)
    return Prediction(
        parameters=parameters,
        tokens=tokens,
        loss=float(np.asarray(found.law.loss(parameters, tokens))),
        interval=percentile_interval(losses),
    )
