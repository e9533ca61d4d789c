"""Whether tuning makes its author a provider of a general-purpose AI model under the EU's rules.

The Commission's guidelines (C(2025) 7719, points 57 to 63, secondary source) take who modifies a
model for a provider where the modification took more than a third of the compute that the model
was trained with; where that is not known, of 10²³ operations (10²⁵ for a model of systemic risk).
Not legal advice: what is here is arithmetic, and each figure says what it rests on.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from weighbridge.catalog.training_compute import training_compute
from weighbridge.release.case import Case

Answer = Literal["modifier", "provider", "unknown"]
SHARE = 1 / 3
THRESHOLD_FLOPS, SYSTEMIC_FLOPS = 1e23, 1e25
_PER_PARAMETER_TOKEN = 6
_PASSES = {"sft": 1.0}
_OF_PAIRS = 3.0
"""Pairs are two conversations, and a reference model reads them, too."""


@dataclass(frozen=True)
class Figure:
    """A figure or a text of the documentation, with what it rests on.

    Attributes:
        name: Of the field.
        value: As text; "" where it is not known.
        rests_on: Evidence, a statement, or what is missing.
    """

    name: str
    value: str
    rests_on: str


@dataclass(frozen=True)
class Gpai:
    """The answer.

    Attributes:
        answer: "provider" where tuning passed the limit, "modifier" where it did not, "unknown"
            where the compute of tuning is not known.
        tuning_flops: At most; None where the record of origin does not say.
        base_flops: Of the base's training; None where the catalog does not know it.
        limit_flops: Above which a modifier becomes a provider.
        why: What it rests on.
        documentation: Fields that Annex XI asks for, as far as evidence fills them.
    """

    answer: Answer
    tuning_flops: float | None
    base_flops: float | None
    limit_flops: float
    why: str
    documentation: tuple[Figure, ...]


def gpai(case: Case, base_flops: float | None = None, *, systemic: bool = False) -> Gpai:
    """Hold the compute of tuning against the limit.

    Args:
        case: The model.
        base_flops: Compute of the base's training, where somebody knows it; else the catalog's.
        systemic: Whether the base is a model of systemic risk.
    """
    known = training_compute(case.statement.base.name)
    source = "as stated"
    if base_flops is None and known is not None:
        base_flops, source = known.training_flops, f"{known.confidence}: {known.source}"
    whole = SYSTEMIC_FLOPS if systemic else THRESHOLD_FLOPS
    limit = (base_flops if base_flops is not None else whole) * SHARE
    spent, how = tuning_flops(case)
    if base_flops is not None:
        against = f"a third of the base's {base_flops:.3g} ({source})"
    else:
        against = f"a third of {whole:.0e}, the base's own compute being unknown"
    if spent is None:
        answer: Answer = "unknown"
        why = f"the compute of tuning is not known: {how}"
    else:
        answer = "provider" if spent > limit else "modifier"
        more = "more than" if spent > limit else "not more than"
        why = f"at most {spent:.3g} FLOP of tuning ({how}), {more} {limit:.3g}, {against}"
    return Gpai(answer, spent, base_flops, limit, why, _documentation(case, spent, how))


def tuning_flops(case: Case) -> tuple[float | None, str]:
    """Return an upper bound of what tuning took, and how it follows; None where it can't be known.

    Each step reads at most its rows at full length, and 6 operations a parameter and token are
    those of full tuning: adapters take less.
    """
    step = case.step("recipe")
    settings = step.facts.get("settings") if step is not None else None
    if step is None or not isinstance(settings, dict):
        return None, "the record of origin has no recipe"
    tokens = _tokens_a_step(settings, case.inventory.context_tokens)
    steps = step.facts.get("steps")
    if not isinstance(steps, int) or tokens is None or not case.inventory.parameters:
        return None, "neither the recipe nor config.json says how long a row is at most"
    times = _PASSES.get(str(step.facts.get("objective", "sft")), _OF_PAIRS)
    flops = _PER_PARAMETER_TOKEN * case.inventory.parameters * steps * tokens * times
    return flops, f"6 x {case.inventory.parameters:,} parameters x {steps * tokens:,} tokens"


def _tokens_a_step(settings: Mapping[str, Any], context_tokens: int | None) -> int | None:
    """Return how many tokens a step reads at most; without a cap, rows may fill the context."""
    longest = settings.get("max_tokens") or context_tokens
    sizes = [settings.get("batch_size"), settings.get("accumulation"), longest]
    if not all(isinstance(size, int) and size > 0 for size in sizes):
        return None
    rows, passes, length = sizes
    return int(rows * passes * length)  # type: ignore[operator]


def _documentation(case: Case, spent: float | None, how: str) -> tuple[Figure, ...]:
    stated, data = case.statement, case.step("data")
    digests = f"{len(case.inventory.files)} files, digest {case.digest}"
    read = f"digest {data.digest}" if data is not None else ""
    measured = ", ".join(f"{run.title} {run.estimate.mean:.4f}" for run in case.measured)
    return (
        Figure("name and version", f"{stated.name} {stated.version}", "stated"),
        Figure("base model", stated.base.name, "stated; its digest stands in the record of origin"),
        Figure("licence", stated.licence, "stated"),
        Figure("parameters", f"{case.inventory.parameters:,}", "the files' bytes"),
        Figure("authenticity", digests, "the files' bytes"),
        Figure("compute of the modification", f"{spent:.3g}" if spent else "", how),
        Figure("training data", read, "the record of origin" if data else "not recorded"),
        Figure("evaluation results", measured, "sealed runs" if measured else "not measured"),
        Figure("energy", "", "not measured"),
        Figure("acceptable use", "USE_POLICY.md" if stated.use_policy else "", "stated"),
    )
