"""Scaling laws: what `scaling fit`, `compare`, `mixture` and `laws` print."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from weighbridge.documents.form import ABSENT, OrAbsent, Printed

Interval = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class LawFit:
    """The law L = E + A/N^alpha + B/D^beta, fitted (approach 3 of Hoffmann et al. 2022).

    Attributes:
        A: Scale of the parameters' term.
        B: Scale of the tokens' term.
        E: Irreducible loss, nats per token.
        alpha: Exponent of N, the parameters.
        beta: Exponent of D, the tokens.
        objective: Sum of Huber losses of log losses, at the fit.
        intervals: 95 % interval of each constant and of `optimal_exponent`; null without resamples.
        optimal_exponent: The best N grows as compute to this power.
        bootstraps: Resamples.
        seconds: Wall time of the fit.
        delta: Huber's delta.
        points: Runs that it was fitted to.
        flops_range: Smallest and largest budget among them; beyond, the law is extrapolated.
        unusable: Resamples that gave no law.
        E_at_bound: Whether E came to its bound, 0: these runs show no irreducible loss.
        resamples_with_E_at_bound: In how many resamples it did.
        notes: What was read in a particular way.
    """

    A: float
    B: float
    E: float
    alpha: float
    beta: float
    objective: float
    intervals: Mapping[str, Interval] | None
    optimal_exponent: float
    bootstraps: int
    seconds: float
    delta: float
    points: int
    flops_range: tuple[float, float]
    unusable: int
    E_at_bound: bool
    resamples_with_E_at_bound: int
    notes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class FitDocument(LawFit):
    """A fit, and the files that were written.

    Attributes:
        written: Charts and the kept law, in order.
    """

    written: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class MixtureLawFit:
    """The joint law of dense models and mixtures of experts (Ludziejewski et al. 2025), fitted.

    Attributes:
        a: Scale of the parameters' term.
        alpha: Exponent of N, the active parameters; exponents are negative.
        delta: What the number of experts Ê does to that term, as an exponent.
        gamma: What ln Ê adds to `alpha`.
        b: Scale of the tokens' term.
        beta: Exponent of D, the tokens.
        omega: What Ê does to that term, as an exponent.
        zeta: What ln Ê adds to `beta`.
        c: Irreducible loss, nats per token.
        objective: Sum of Huber losses of log losses, at the fit.
        intervals: 95 % interval of each constant; null without resamples.
        notes: What was read in a particular way; not there in a sweep.
    """

    a: float
    alpha: float
    delta: float
    gamma: float
    b: float
    beta: float
    omega: float
    zeta: float
    c: float
    objective: float
    intervals: Mapping[str, Interval | None]
    notes: OrAbsent[tuple[str, ...]] = ABSENT


@dataclass(frozen=True, kw_only=True)
class ApproachDocument:
    """What one way of fitting says of the best size.

    Attributes:
        approach: Its name.
        optimal_exponent: The best N grows as compute to this power; null where it says nothing.
        optimal_exponent_interval: 95 % interval of it; null without resamples.
        parameters: The best size at the budget; null where it says nothing.
        parameters_interval: 95 % interval of it; null without resamples.
        tokens_per_parameter: At that size; null where it says nothing.
        why_not: Why it says nothing; "" where it does.
    """

    approach: str
    optimal_exponent: float | None
    optimal_exponent_interval: Interval | None
    parameters: float | None
    parameters_interval: Interval | None
    tokens_per_parameter: float | None
    why_not: str


@dataclass(frozen=True, kw_only=True)
class ApproachesDocument:
    """How far several ways of fitting the same runs disagree.

    Attributes:
        flops: The budget that sizes are compared at.
        approaches: One each.
        exponents: Lowest and highest `optimal_exponent`; null where none says any.
        size_ratio: Largest best size over the smallest; null likewise.
        apart: Pairs of approaches whose intervals of the best size don't overlap.
        beyond: The budget over the largest of the data.
        notes: What was read in a particular way.
    """

    flops: float
    approaches: tuple[ApproachDocument, ...]
    exponents: tuple[float | None, float | None]
    size_ratio: float | None
    apart: tuple[tuple[str, str], ...]
    beyond: float
    notes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class PublishedLaw:
    """A published law and what it would buy.

    Attributes:
        law: Its name, for `plan train --law`.
        title: In words.
        source: Where it was published.
        counts: Which parameters it counts.
        experts: 1 where a joint law is taken for a dense model; null for a law of dense models.
        optimal_exponent: The best N grows as compute to this power.
        parameters: The best size at the budget.
        tokens: The tokens that go with it.
        tokens_per_parameter: Their ratio.
        loss: Nats per token; null where the law says none.
        beyond: The budget over the largest of the law's data; null where that is not recorded.
        notes: What must be known of it.
    """

    law: str
    title: str
    source: str
    counts: str
    experts: Literal[1] | None
    optimal_exponent: float
    parameters: float
    tokens: float
    tokens_per_parameter: float
    loss: float | None
    beyond: float | None
    notes: str


@dataclass(frozen=True, kw_only=True)
class PublishedLaws:
    """All laws of the catalog at one budget.

    Attributes:
        flops: The budget.
        laws: One each.
    """

    flops: float
    laws: tuple[PublishedLaw, ...]


PRINTED = (
    Printed("scaling fit", FitDocument),
    Printed("scaling compare", ApproachesDocument),
    Printed("scaling mixture", MixtureLawFit),
    Printed("scaling laws", PublishedLaws),
)
