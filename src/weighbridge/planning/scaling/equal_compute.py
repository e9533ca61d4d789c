"""Dense model or mixture of experts: which has the lower loss at equal compute per token.

Both of a pair take the same FLOPs in all, see the data in the same order and differ only in their
experts. The interval is Student's over seeds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import stats

from weighbridge.planning.scaling.forms import Chinchilla


@dataclass(frozen=True)
class EqualCompute:
    """Dense and mixture, trained alike.

    Attributes:
        flops: Of each run.
        parameters: Of the dense model.
        active_parameters: Of the mixture, a token's.
        total_parameters: Of the mixture, all.
        dense: Losses of the dense model, one a seed.
        mixture: Losses of the mixture with the same seeds.
        difference: Mean of mixture minus dense; below 0 the mixture is better.
        interval: 95 % of it.
        worth: How many times the compute takes dense models of the best size from the dense loss to
            the mixture's, by the dense law.
        lower: Which has the lower loss, if the interval says.
    """

    flops: float
    parameters: int
    active_parameters: int
    total_parameters: int
    dense: tuple[float, ...]
    mixture: tuple[float, ...]
    difference: float
    interval: tuple[float, float]
    worth: float
    lower: Literal["dense", "mixture", "undecided"]


def paired_interval(differences: Sequence[float]) -> tuple[float, float]:
    """Return Student's 95 % interval of a mean difference; boundless for a single pair."""
    values = np.asarray(differences, dtype=np.float64)
    if len(values) < 2:
        return (-np.inf, np.inf)
    margin = stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return float(values.mean() - margin), float(values.mean() + margin)


def lower_of(interval: tuple[float, float]) -> Literal["dense", "mixture", "undecided"]:
    """Return which loss is lower by an interval of mixture minus dense."""
    if interval[1] < 0:
        return "mixture"
    return "dense" if interval[0] > 0 else "undecided"


def worth_in_compute(law: Chinchilla, parameters: float, tokens: float, difference: float) -> float:
    """Return how many times the compute takes best-sized dense models from one loss to the other.

    Along the best sizes, L - E falls as C^-g with g = αβ / (α + β) (Hoffmann et al. 2022, equations
    2 and 4); the dense model of the pair need not have the best size itself.

    Args:
        law: Of dense models.
        parameters: N of the dense model.
        tokens: Its D.
        difference: Mixture's loss minus the dense model's.

    Returns:
        Over 1 where the mixture is better; infinite where its gain would take a dense model to the
        law's irreducible loss.
    """
    reducible = float(np.asarray(law.loss(parameters, tokens) - law.E))
    left = reducible + difference
    falls = float(np.asarray(law.alpha * law.beta / (law.alpha + law.beta)))
    return float("inf") if left <= 0 else float((reducible / left) ** (1 / falls))
