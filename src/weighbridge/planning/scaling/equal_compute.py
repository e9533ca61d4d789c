"""Compares the losses of a dense model and a mixture of experts at equal compute.

Both models of a pair take the same FLOPs in all, see the data in the same order, and differ only in
their experts. The interval is Student's t over seeds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import stats

from weighbridge.planning.scaling.forms import Chinchilla


@dataclass(frozen=True)
class EqualCompute:
    """A dense model and a mixture that were trained alike.

    Attributes:
        flops: FLOPs of each run.
        parameters: Parameters of the dense model.
        active_parameters: Parameters of the mixture that one token uses.
        total_parameters: All parameters of the mixture.
        dense: Losses of the dense model, one per seed.
        mixture: Losses of the mixture with the same seeds.
        difference: Mean of mixture minus dense; below 0 the mixture is better.
        interval: 95 % interval of the difference.
        worth: By how much compute must be multiplied to take dense models of the best size from the
            dense loss to the mixture's, by the dense law.
        lower: Which of the two has the lower loss; "undecided" where the interval contains 0.
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
    """Return Student's 95 % interval of a mean difference; infinite for a single pair."""
    values = np.asarray(differences, dtype=np.float64)
    if len(values) < 2:
        return (-np.inf, np.inf)
    margin = stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return float(values.mean() - margin), float(values.mean() + margin)


def lower_of(interval: tuple[float, float]) -> Literal["dense", "mixture", "undecided"]:
    """Return which loss is lower, from an interval of mixture minus dense."""
    if interval[1] < 0:
        return "mixture"
    return "dense" if interval[0] > 0 else "undecided"


def worth_in_compute(law: Chinchilla, parameters: float, tokens: float, difference: float) -> float:
    """Return the factor of compute that takes best-sized dense models from one loss to the other.

    Along the best sizes, L - E falls as C^-g with g = αβ / (α + β) (Hoffmann et al. 2022, equations
    2 and 4); the dense model of the pair need not have the best size itself.

    Args:
        law: The law of dense models.
        parameters: N of the dense model.
        tokens: D of the dense model.
        difference: The mixture's loss minus the dense model's.

    Returns:
        The factor: above 1 where the mixture is better; infinite where its gain would take a dense
        model to the law's irreducible loss.
    """
    reducible = float(np.asarray(law.loss(parameters, tokens) - law.E))
    left = reducible + difference
    falls = float(np.asarray(law.alpha * law.beta / (law.alpha + law.beta)))
    return float("inf") if left <= 0 else float((reducible / left) ** (1 / falls))
