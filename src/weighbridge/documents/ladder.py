"""Ladders of small models trained for scaling laws: what `scaling sweep` prints."""

from dataclasses import dataclass
from typing import Literal

from weighbridge.documents.form import Printed
from weighbridge.documents.scaling_laws import LawFit, MixtureLawFit

Interval = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class RungDocument:
    """One model that would be trained.

    Attributes:
        name: Its folder's name.
        role: What it is trained for: dense, mixture, held_out or a pair at equal compute.
        experts: 1 for a dense model.
        active_parameters: That take part in one token.
        total_parameters: All.
        tokens: Bytes that it learns from.
        flops: Of training it.
        seed: Of its weights and its data's order.
    """

    name: str
    role: str
    experts: int
    active_parameters: int
    total_parameters: int
    tokens: int
    flops: float
    seed: int


@dataclass(frozen=True, kw_only=True)
class LadderPlanDocument:
    """Which models would be trained, and how long that would take.

    Attributes:
        corpus: What they would learn from.
        corpus_bytes: Its size, without what is held out.
        models: How many.
        flops: Of all of them.
        predicted_seconds: Forecast from a measurement on this machine.
        rungs: One a model.
    """

    corpus: str
    corpus_bytes: int
    models: int
    flops: float
    predicted_seconds: float
    rungs: tuple[RungDocument, ...]


@dataclass(frozen=True, kw_only=True)
class BestOfBudget:
    """The lowest point of one budget's parabola.

    Attributes:
        flops: The budget.
        parameters: The best size.
        loss: Its loss, nats per byte.
    """

    flops: float
    parameters: float
    loss: float


@dataclass(frozen=True, kw_only=True)
class IsoflopDocument:
    """What the best sizes of several budgets say (approach 2 of Hoffmann et al. 2022).

    Attributes:
        optimal_exponent: The best size grows as compute to this power.
        interval: 95 % interval of it; null without resamples.
        best: The best size of each budget that shows one.
    """

    optimal_exponent: float
    interval: Interval | None
    best: tuple[BestOfBudget, ...]


@dataclass(frozen=True, kw_only=True)
class EqualComputeDocument:
    """A dense model and a mixture of experts that cost the same FLOPs a token, over seeds.

    Attributes:
        flops: Of each run.
        parameters: Of the dense model.
        active_parameters: Of the mixture, a token's.
        total_parameters: Of the mixture, all.
        dense: Losses of the dense model, one a seed, nats per byte.
        mixture: Losses of the mixture with the same seeds.
        difference: Mean of mixture minus dense; below 0 the mixture is better.
        interval: 95 % interval of it.
        worth: How many times the compute takes dense models from the dense loss to the mixture's;
            null where no compute does.
        lower: Which has the lower loss, if the interval says.
    """

    flops: float
    parameters: int
    active_parameters: int
    total_parameters: int
    dense: tuple[float, ...]
    mixture: tuple[float, ...]
    difference: float
    interval: Interval
    worth: float | None
    lower: Literal["dense", "mixture", "undecided"]


@dataclass(frozen=True, kw_only=True)
class HeldOutDocument:
    """The larger model that the law foretold before it was trained.

    Attributes:
        parameters: Its size.
        tokens: Bytes that it learnt from.
        predicted: Its loss as foretold, nats per byte.
        interval: 95 % interval of that.
        measured: Its loss.
        inside: Whether that lies in the interval.
        mixture: Loss of the mixture that computes as much; null where none was trained.
    """

    parameters: float
    tokens: float
    predicted: float
    interval: Interval
    measured: float
    inside: bool
    mixture: float | None


@dataclass(frozen=True, kw_only=True)
class LadderDocument:
    """A ladder trained, fitted and tried on a larger model.

    Attributes:
        corpus: What the models learnt from.
        corpus_bytes: Its size, without what is held out.
        corpus_digest: Its digest.
        models: How many were trained.
        law: The law of the dense models.
        isoflop: What the best sizes of each budget say; null where that is nothing.
        joint: The law of dense models and mixtures together; null without mixtures.
        equal_compute: Dense against mixture, one a budget.
        held_out: The larger model.
        training_seconds: Of one core, over all models.
        runs: The table of runs that was written.
        written: Charts and the kept law, in order.
    """

    corpus: str
    corpus_bytes: int
    corpus_digest: str
    models: int
    law: LawFit
    isoflop: IsoflopDocument | None
    joint: MixtureLawFit | None
    equal_compute: tuple[EqualComputeDocument, ...]
    held_out: HeldOutDocument
    training_seconds: float
    runs: str
    written: tuple[str, ...]


PRINTED = (
    Printed("scaling sweep", LadderDocument),
    Printed("scaling sweep --dry-run", LadderPlanDocument),
)
