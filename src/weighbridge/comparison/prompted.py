"""Compares the base, prompted with worked examples, with the tuned model, over the same items.

The two are asked differently on purpose, and in nothing but the examples: any other difference in
how they were asked is refused.
"""

from dataclasses import dataclass

from weighbridge.comparison.contamination import without_overlap
from weighbridge.comparison.two_runs import compare_with_evidence, without_samples
from weighbridge.evidence import RunStore
from weighbridge.records import (
    BenchmarkSpec,
    Comparison,
    Contamination,
    EvalRun,
    HumanLabel,
    PromptArm,
    PromptTried,
    told_apart,
)
from weighbridge.statistics.conditions import Accepted

DECLARED = Accepted(("shots", "examples"))
"""The differences between the two arms that are allowed: how many examples are asked with, and
which."""


@dataclass(frozen=True)
class ScoredPrompt:
    """A prompt that was tried, with its run over the validation rows (without samples)."""

    tried: PromptTried
    run: EvalRun


def _order(one: ScoredPrompt) -> tuple[bool, float, int, int]:
    """Return the sort key of a prompt: best mean first, then the shortest; ungraded ones last."""
    found = one.run.estimate
    return found.known_mean is None, -found.mean, one.tried.shots, one.tried.draw


@dataclass(frozen=True)
class RequestCost:
    """What one request costs with one arm, on average over the benchmark's items.

    Attributes:
        prompt_tokens: Number of tokens read, worked examples included.
        output_tokens: Number of tokens written.
        seconds: Time as measured in the run, in which many requests are asked at a time and share
            the beginnings of their prompts.
        charged_usd: Charge by the token; None where nothing is charged by the token.
    """

    prompt_tokens: float
    output_tokens: float
    seconds: float
    charged_usd: float | None


@dataclass(frozen=True)
class ArmCosts:
    """What one request costs with each of the three arms."""

    as_it_is: RequestCost
    prompted: RequestCost
    tuned: RequestCost


@dataclass(frozen=True)
class PromptedComparison:
    """The base with its best worked examples against the tuned model.

    Attributes:
        arm: Which prompts were tried, and which was taken.
        run: The prompted base's run over the benchmark's items, without samples.
        comparison: Prompted base minus tuned model. A prompt that is no worse than the tuned model
            by more than the margin makes tuning needless: its claim is *non-inferior*.
        clean: The comparison without items in the tuning data; None if none overlap, or all do.
        overlapping: Whether items overlap with the tuning data.
        validation: Every prompt tried, in the order of trying.
        costs: What a request costs with each arm.
    """

    arm: PromptArm
    run: EvalRun
    comparison: Comparison
    clean: Comparison | None
    overlapping: bool
    validation: tuple[ScoredPrompt, ...]
    costs: ArmCosts

    @property
    def decisive(self) -> Comparison | None:
        """The comparison that a verdict uses; None if every item overlaps."""
        return self.clean if self.overlapping else self.comparison

    @property
    def chosen(self) -> ScoredPrompt:
        """The prompt that was taken, as it scored on validation rows."""
        of = (self.arm.shots, self.arm.draw)
        return next(one for one in self.validation if (one.tried.shots, one.tried.draw) == of)

    @property
    def as_it_is(self) -> ScoredPrompt:
        """The base without examples, as it scored on validation rows."""
        return next(one for one in self.validation if not one.tried.shots)

    @property
    def was_best(self) -> bool:
        """Whether the prompt that was taken is the best of those with examples on validation."""
        tried = [one for one in self.validation if one.tried.shots]
        return min(tried, key=_order) == self.chosen


def compare_prompted(
    wanted: BenchmarkSpec,
    store: RunStore,
    arm: PromptArm,
    base: EvalRun,
    tuned: EvalRun,
    labels: tuple[HumanLabel, ...] = (),
    contamination: Contamination | None = None,
) -> PromptedComparison:
    """Compare the prompted base with the tuned model.

    Args:
        wanted: The benchmark, as the project asks for it.
        store: The store that holds the runs of the prompted base.
        arm: The prompts that were tried, and the one that was taken.
        base: The run of the base without examples, with samples.
        tuned: The tuned model's run, with samples.
        labels: People's ratings and preferences, for the audit of a judge.
        contamination: Items that overlap with the tuning data; None if it was not searched.

    Raises:
        InputError: The two were asked differently in more than their examples.
    """
    prompted = told_apart(store.read(arm.run))

    def compared(run_a: EvalRun, run_b: EvalRun) -> Comparison:
        return compare_with_evidence(
            run_a, run_b, None, margin=wanted.margin, labels=labels, accepted=DECLARED
        ).comparison

    clean: Comparison | None = None
    overlapping = contamination is not None and bool(contamination.found)
    if contamination is not None and overlapping:
        kept = without_overlap(prompted, contamination), without_overlap(tuned, contamination)
        clean = compared(*kept) if kept[0].samples and kept[1].samples else None
    return PromptedComparison(
        arm,
        without_samples(prompted),
        compared(prompted, tuned),
        clean,
        overlapping,
        tuple(ScoredPrompt(one, store.read(one.run, samples=False)) for one in arm.tried),
        ArmCosts(*map(_cost_of_a_request, (base, prompted, tuned))),
    )


def _cost_of_a_request(run: EvalRun) -> RequestCost:
    count, where = len(run.samples), run.provenance
    return RequestCost(
        sum(sample.input_tokens for sample in run.samples) / count,
        sum(sample.output_tokens for sample in run.samples) / count,
        where.model_seconds / count,
        where.model_cost_usd / count if where.model_is_priced else None,
    )
