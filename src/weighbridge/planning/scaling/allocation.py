"""Splits a compute budget into parameters and tokens by a law, with intervals."""

from dataclasses import dataclass

import numpy as np

from weighbridge.errors import InputError
from weighbridge.planning.scaling.forms import Chinchilla, Kaplan, Values, tokens_at
from weighbridge.planning.scaling.parametric import percentile_interval
from weighbridge.planning.scaling.points import FLOPS_PER_PARAMETER_TOKEN, Array
from weighbridge.planning.scaling.published import KnownLaw

Interval = tuple[float, float]

FAR_BEYOND = 10.0
"""Beyond this multiple of the largest compute in a law's data, a budget gets a warning."""

SERVING_FLOPS_PER_PARAMETER_TOKEN = 2.0
"""FLOPs per parameter and token of a forward pass."""

REUSE, EXCESS = 15.4, 5.3
"""R*_D and R*_N of Muennighoff et al. 2023 (arXiv:2305.16264, section 3): how fast the value
falls of repeated tokens, and of parameters beyond those for which the unique tokens are optimal."""


@dataclass(frozen=True)
class Allocation:
    """Parameters and tokens for a budget; intervals are 95 %, None where the law has no draws.

    Attributes:
        flops: C.
        parameters: N.
        tokens: D = C / 6N.
        loss: The loss that the law predicts, in nats per token; None where the law has no loss.
        intervals: Intervals of ``parameters``, ``tokens``, ``tokens_per_parameter`` and ``loss``.
        regret: How much the loss exceeds the lowest possible because the best N is not known
            exactly: the 97.5 % quantile over draws.
        beyond: C divided by the largest budget of the law's data; None where that is not known.
    """

    flops: float
    parameters: float
    tokens: float
    loss: float | None
    intervals: dict[str, Interval | None]
    regret: float | None
    beyond: float | None

    @property
    def tokens_per_parameter(self) -> float:
        """D/N."""
        return self.tokens / self.parameters


def allocate(known: KnownLaw, flops: float) -> Allocation:
    """Split a budget so that the loss is lowest.

    The loss's interval is over the draws' losses at the plan's own N and D; the interval of N is
    over the draws' own optima.
    """
    size = float(np.asarray(known.law.optimal_parameters(flops)))
    tokens = float(np.asarray(tokens_at(flops, size)))
    loss = regret = None
    if isinstance(known.law, Chinchilla | Kaplan):
        loss = float(np.asarray(known.law.loss(size, tokens)))
    intervals: dict[str, Interval | None] = dict.fromkeys(
        ("parameters", "tokens", "tokens_per_parameter", "loss")
    )
    if known.draws is not None:
        sizes = known.draws.optimal_parameters(flops)
        fed = tokens_at(flops, sizes)
        intervals["parameters"] = percentile_interval(sizes)
        intervals["tokens"] = percentile_interval(fed)
        intervals["tokens_per_parameter"] = percentile_interval(fed / sizes)
        if isinstance(known.draws, Chinchilla):
            losses = np.asarray(known.draws.loss(size, tokens))
            intervals["loss"] = percentile_interval(losses)
            regret = float(np.percentile(losses - known.draws.loss(sizes, fed), 97.5))
    largest = known.record.largest_flops
    beyond = flops / largest if largest else None
    return Allocation(flops, size, tokens, loss, intervals, regret, beyond)


@dataclass(frozen=True)
class ServedPlan:
    """A smaller model trained longer to the same loss, so that training and serving cost least.

    Attributes:
        lifetime_tokens: Tokens that the model will read and write in service.
        parameters: N.
        parameters_interval: 95 % interval of N; None without draws.
        tokens: D.
        training_flops: 6ND.
        serving_flops: 2N × lifetime tokens.
        saved: Share of all FLOPs that the plan saves against the training optimum, in [0, 1].
    """

    lifetime_tokens: float
    parameters: float
    parameters_interval: Interval | None
    tokens: float
    training_flops: float
    serving_flops: float
    saved: float


def for_serving(known: KnownLaw, flops: float, lifetime_tokens: float) -> ServedPlan:
    """Find the N and D that reach the budget's loss with the fewest FLOPs over a lifetime.

    Sardana et al. 2023 (arXiv:2401.00448, equation 3): min 6ND + 2NT at a fixed L(N, D).

    Raises:
        InputError: The law has no loss.
    """
    law = _with_loss(known, "--lifetime-tokens")
    shares = np.geomspace(0.02, 1.0, 4000)
    size, tokens, total = _cheapest(law, flops, lifetime_tokens, shares)
    at_optimum = float(np.asarray(law.optimal_parameters(flops)))
    before = flops + SERVING_FLOPS_PER_PARAMETER_TOKEN * at_optimum * lifetime_tokens
    interval = None
    if isinstance(known.draws, Chinchilla):
        sizes, *_ = _cheapest(known.draws, flops, lifetime_tokens, shares[::10])
        interval = percentile_interval(sizes)
    return ServedPlan(
        lifetime_tokens=lifetime_tokens,
        parameters=float(size[0]),
        parameters_interval=interval,
        tokens=float(tokens[0]),
        training_flops=float(FLOPS_PER_PARAMETER_TOKEN * size[0] * tokens[0]),
        serving_flops=float(SERVING_FLOPS_PER_PARAMETER_TOKEN * size[0] * lifetime_tokens),
        saved=float(1 - total[0] / before),
    )


def _cheapest(
    law: Chinchilla, flops: float, lifetime_tokens: float, shares: Array
) -> tuple[Array, Array, Array]:
    """Return N, D and total FLOPs at the best share of each law's N_opt, each of shape (B,)."""
    rows = Chinchilla(
        *(np.atleast_1d(np.asarray(v))[:, None] for v in (law.A, law.B, law.E, law.alpha, law.beta))
    )
    optimal = np.asarray(rows.optimal_parameters(flops))
    target = rows.loss(optimal, tokens_at(flops, optimal))
    size = optimal * shares
    tokens = np.asarray(rows.tokens_for(target, size))
    total = size * (
        FLOPS_PER_PARAMETER_TOKEN * tokens + SERVING_FLOPS_PER_PARAMETER_TOKEN * lifetime_tokens
    )
    best = np.argmin(total, axis=1)
    row = np.arange(len(total))
    return size[row, best], tokens[row, best], total[row, best]


@dataclass(frozen=True)
class RepeatedPlan:
    """The best split where the number of unique tokens is limited.

    Attributes:
        unique_tokens: U.
        parameters: N.
        tokens: D, seen in training.
        epochs: D / U, at least 1.
        loss: Predicted loss, with the effect of repetition.
        loss_if_unique: Predicted loss if all tokens were new and the budget were split as usual.
    """

    unique_tokens: float
    parameters: float
    tokens: float
    epochs: float
    loss: float
    loss_if_unique: float


def with_repeats(known: KnownLaw, flops: float, unique_tokens: float) -> RepeatedPlan:
    """Split a budget where tokens repeat once the unique ones are used up.

    Muennighoff et al. 2023, equations 5 and 6: tokens count as U + U R* (1 - exp(-R/R*)) with
    R = D/U - 1, and parameters beyond those for which U is optimal likewise. The paper's R* are
    assumed to hold for this law.

    Raises:
        InputError: The law has no loss.
    """
    law = _with_loss(known, "--unique-tokens")
    fed = _size_fed_by(law, unique_tokens)
    at_optimum = float(np.asarray(law.optimal_parameters(flops)))
    sizes = at_optimum * np.geomspace(0.01, 10, 6000)
    tokens = np.asarray(tokens_at(flops, sizes))
    counted_tokens = _effective_amount(tokens, unique_tokens, REUSE)
    counted_sizes = _effective_amount(sizes, np.minimum(fed, sizes), EXCESS)
    losses = np.asarray(law.loss(counted_sizes, counted_tokens))
    best = int(np.argmin(losses))
    return RepeatedPlan(
        unique_tokens=unique_tokens,
        parameters=float(sizes[best]),
        tokens=float(tokens[best]),
        epochs=max(1.0, float(tokens[best]) / unique_tokens),
        loss=float(losses[best]),
        loss_if_unique=float(np.asarray(law.loss(at_optimum, tokens_at(flops, at_optimum)))),
    )


def _effective_amount(amount: Array, unique: Values, half_life: float) -> Array:
    """Return the effective amount: repetitions beyond the unique part count less and less."""
    repeats = np.maximum(amount / unique - 1, 0)
    first = np.minimum(amount, unique)
    return np.asarray(first + unique * half_life * (1 - np.exp(-repeats / half_life)))


def _size_fed_by(law: Chinchilla, tokens: float) -> float:
    """Return the N for which D tokens are optimal: alpha A N^-alpha = beta B D^-beta."""
    scale = law.alpha * law.A / (law.beta * law.B) * tokens**law.beta
    return float(np.asarray(scale ** (1 / law.alpha)))


def _with_loss(known: KnownLaw, option: str) -> Chinchilla:
    if not isinstance(known.law, Chinchilla):
        raise InputError(
            f"{option} with the law {known.name}, which gives sizes but no loss",
            "a law of Chinchilla's form",
            "choose --law epoch-chinchilla",
        )
    return known.law


@dataclass(frozen=True)
class Bill:
    """Hours and dollars of a run on accelerators.

    Attributes:
        hours: Accelerator-hours.
        usd: Cost at the given price; None without a price.
    """

    hours: float
    usd: float | None


def bill(flops: float, peak_flops: float, utilization: float, usd_per_hour: float | None) -> Bill:
    """Return hours and dollars.

    Args:
        flops: FLOPs of the run.
        peak_flops: Peak FLOPs per second of one accelerator.
        utilization: Share of the peak that training reaches, in (0, 1].
        usd_per_hour: Price of one accelerator-hour.
    """
    hours = flops / (peak_flops * utilization) / 3600
    return Bill(hours, None if usd_per_hour is None else hours * usd_per_hour)
