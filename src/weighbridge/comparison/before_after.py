"""Compares a benchmark before and after tuning, also without items that are in the tuning data."""

from dataclasses import dataclass

from weighbridge.comparison.contamination import score_without, without_overlap
from weighbridge.comparison.prompted import PromptedComparison, compare_prompted
from weighbridge.comparison.two_runs import compare_with_evidence, without_samples
from weighbridge.evidence import RunStore
from weighbridge.records import (
    BenchmarkSpec,
    CleanSubset,
    Comparison,
    Contamination,
    EvalRun,
    HumanLabel,
    JudgeAudit,
    PromptArm,
    told_apart,
)
from weighbridge.records.scale import width
from weighbridge.statistics import compare
from weighbridge.statistics.conditions import ANYTHING


@dataclass(frozen=True)
class BenchmarkComparison:
    """One benchmark's runs before and after tuning, and the comparison of the two.

    Attributes:
        weigh: The benchmark, as the project asks for it.
        before: The base model's run, without samples.
        after: The tuned model's run, without samples.
        comparison: After minus before, over all items.
        parts: The same comparison for each named part, such as a field of a JSON object.
        audit: Audit of the judge; None if no model judged the answers.
        contamination: Items that overlap with the tuning data; None if it was not searched.
        clean: The comparison without those items; None if none overlap, or all do.
        clean_scores: Scores with and without them, before and after; empty if none overlap.
        prompted: The base with worked examples against the tuned model, where that was measured.
        over_prompt: The tuned model against the base with worked examples, in all of these ways.
    """

    weigh: BenchmarkSpec
    before: EvalRun
    after: EvalRun
    comparison: Comparison
    parts: tuple[Comparison, ...]
    audit: JudgeAudit | None = None
    contamination: Contamination | None = None
    clean: Comparison | None = None
    clean_scores: tuple[CleanSubset, ...] = ()
    prompted: PromptedComparison | None = None
    over_prompt: "BenchmarkComparison | None" = None

    @property
    def decisive(self) -> Comparison | None:
        """The comparison that a verdict uses: without items in the tuning data; None if all are."""
        overlapping = self.contamination is not None and self.contamination.found
        return self.clean if overlapping else self.comparison

    @property
    def runs(self) -> tuple[EvalRun, ...]:
        """The runs over the benchmark's items, before and after, and of the prompted base."""
        return (self.before, self.after, *((self.prompted.run,) if self.prompted else ()))

    @property
    def needed(self) -> tuple[EvalRun, ...]:
        """The runs without whose figures nothing can be said.

        Where the base was measured with worked examples, too, and said nothing gradable without,
        its answers with them stand for it.
        """
        mute = self.prompted is not None and self.before.estimate.known_mean is None
        return self.runs[1:] if mute else self.runs


def compare_runs(
    wanted: BenchmarkSpec,
    store: RunStore,
    before: str,
    after: str,
    labels: tuple[HumanLabel, ...] = (),
    contamination: Contamination | None = None,
    arm: PromptArm | None = None,
) -> BenchmarkComparison:
    """Compare the tuned model's run with the base's, in the headline and in each part.

    If items overlap with the tuning data, the runs are also compared without them. Where the base
    was measured with worked examples, too (`arm`), that is compared with the tuned model.

    Args:
        wanted: The benchmark, as the project asks for it.
        store: The store that holds both runs.
        before: Name of the base model's run.
        after: Name of the tuned model's run.
        labels: People's ratings and preferences, for the audit of a judge.
        contamination: Items that overlap with the tuning data; None if it was not searched.
        arm: The base with worked examples; None where that was not measured.
    """
    old, new = told_apart(store.read(before)), told_apart(store.read(after))
    # A part is a share, whatever scale the headline is on, and so is its margin.
    share = None if wanted.margin is None else wanted.margin / width(new.estimate.scale)
    parts = tuple(
        compare(new, old, margin=share, metric=name, accepted=ANYTHING)
        for name in dict.fromkeys([*new.estimate.parts, *old.estimate.parts])
    )
    # No store is passed for further runs, so that a report that is made again later has the same
    # figures, whatever else the store holds by then.
    found = compare_with_evidence(
        new, old, None, margin=wanted.margin, labels=labels, accepted=ANYTHING
    )
    clean: Comparison | None = None
    scores: tuple[CleanSubset, ...] = ()
    if contamination is not None and contamination.found:
        kept = without_overlap(new, contamination), without_overlap(old, contamination)
        if kept[0].samples and kept[1].samples:
            clean = compare_with_evidence(
                *kept, None, margin=wanted.margin, labels=labels, accepted=ANYTHING
            ).comparison
        scores = (score_without(old, contamination), score_without(new, contamination))
    prompted = (
        compare_prompted(wanted, store, arm, old, new, labels, contamination) if arm else None
    )
    return BenchmarkComparison(
        wanted, without_samples(old), without_samples(new), found.comparison, parts, found.audit,
        contamination, clean, scores, prompted,
        compare_runs(wanted, store, arm.run, after, labels, contamination) if arm else None,
    )  # fmt: skip
