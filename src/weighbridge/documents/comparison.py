"""Comparisons of runs, item by item: what `compare` and `lineage` print."""

from collections.abc import Mapping
from dataclasses import dataclass, fields

from weighbridge.documents.form import ABSENT, Inlined, OrAbsent, Printed
from weighbridge.documents.runs import RunDocument
from weighbridge.records import (
    Comparison,
    Difference,
    Flip,
    JudgeAudit,
    ProtocolOffset,
    VarianceSplit,
    Verdict,
)


@dataclass(frozen=True, kw_only=True)
class Compared:
    """Paired difference A - B with the verdict that it supports at a margin.

    Attributes:
        benchmark: What both ran.
        metric: "value", or the name of a part.
        mean_a: A's mean over the paired items; null where none of A's answers was graded.
        mean_b: B's mean over the paired items; null likewise.
        difference: mean_a - mean_b; null where either is.
        stderr: Of the difference, clustered where items have clusters.
        interval: 95 % interval of the difference over the paired items.
        margin: A is non-inferior if it is at most this much worse, in the units of `scale`.
        p_value: One-sided p-value of non-inferiority at the margin, over the paired items.
        mcnemar_p_value: Two-sided exact McNemar test; null where values are not 0 or 1.
        verdict: The strongest that holds, whatever answers lost to infrastructure would have been
            worth.
        n: Paired items.
        unpaired: Items left out: answered by one run only, or lost to infrastructure.
        bounds: The difference if every item lost to infrastructure had gone against A, and for A.
        by_cluster: Mean difference by cluster.
        flips: Items whose values differ, those that A lost first.
        scale: Worst and best value of what is compared; the worst is the larger where less is
            better.
        judge_stderr: Standard error that the judge's passes share, part of `stderr`; 0 where no
            model judged, or none was asked twice.
        lost: Answers to shared items, of either run, that infrastructure lost.
        bounds_interval: From the interval's low end, every lost answer having gone against A, to
            its high end, every one having gone for A.
        claims: One-sided p-value of each verdict but `inconclusive`, every lost answer having gone
            against the claim.
        variance: Between and within items; null where no item has two answers of either run.
        anytime: Whether interval and p-values hold at any moment of stopping.
        cluster_sizes: Paired items of each cluster; empty where none has two.
        design_effect: How many times its unclustered value the variance of the difference is.
        differences: In what the runs differ beside the weights; a confounder was accepted.
        ungraded_a: What became of A's answers where none was graded ("8 unparsed"); else "".
        ungraded_b: Likewise for B.
        why_unknown: Which run had no answer graded, in a sentence, where a mean is null.
    """

    benchmark: str
    metric: str
    mean_a: float | None
    mean_b: float | None
    difference: float | None
    stderr: float
    interval: tuple[float, float]
    margin: float
    p_value: float
    mcnemar_p_value: float | None
    verdict: Verdict
    n: int
    unpaired: int
    bounds: tuple[float, float]
    by_cluster: Mapping[str, float]
    flips: OrAbsent[tuple[Flip, ...]] = ABSENT
    scale: tuple[float, float]
    judge_stderr: float
    lost: int
    bounds_interval: tuple[float, float] | None
    claims: Mapping[Verdict, float]
    variance: VarianceSplit | None
    anytime: bool
    cluster_sizes: tuple[int, ...]
    design_effect: float
    differences: tuple[Difference, ...]
    ungraded_a: str
    ungraded_b: str
    why_unknown: OrAbsent[str] = ABSENT


@dataclass(frozen=True, kw_only=True)
class PairDocument:
    """Two runs compared, without the single items.

    Attributes:
        run_a: The candidate's run.
        run_b: The reference's run.
        compared: The comparison.
    """

    run_a: str
    run_b: str
    compared: Inlined[Compared]


@dataclass(frozen=True, kw_only=True)
class AcrossProtocolsDocument:
    """What two protocols do to the gap between the runs.

    Attributes:
        raw: The gap as it stands; a part of it, of unknown size, is the protocol's.
        offset: What the protocol is worth, on a model measured by both; null where none was.
        carried: Whether the offset is another model's, so that it is assumed to hold here.
    """

    raw: PairDocument
    offset: ProtocolOffset | None
    carried: bool


@dataclass(frozen=True, kw_only=True)
class GroupDocument:
    """One group of subjects, compared as one of several.

    Attributes:
        group: Its name.
        run_a: The candidate's run.
        run_b: The reference's run.
        compared: The comparison.
        joint_verdict: What it supports, corrected for comparing all groups at once (Holm).
        joint_claims: p-value of each verdict, corrected likewise.
    """

    group: str
    run_a: str
    run_b: str
    compared: Inlined[Compared]
    joint_verdict: Verdict
    joint_claims: Mapping[Verdict, float]


@dataclass(frozen=True, kw_only=True)
class ComparisonDocument:
    """Two runs over the same items, compared item by item.

    Attributes:
        run_a: The candidate's run.
        run_b: The reference's run.
        compared: The comparison.
        judge_audit: What was measured about the judge, where a model judged.
        across_protocols: Where the runs' protocols differ; the comparison around it then has the
            protocols' offset taken out, if there is one.
        groups: With `--groups`: each group of subjects.
        html: With `--html`: the page that was written.
    """

    run_a: str
    run_b: str
    compared: Inlined[Compared]
    judge_audit: OrAbsent[JudgeAudit] = ABSENT
    across_protocols: OrAbsent[AcrossProtocolsDocument] = ABSENT
    groups: OrAbsent[tuple[GroupDocument, ...]] = ABSENT
    html: OrAbsent[str] = ABSENT


@dataclass(frozen=True, kw_only=True)
class StepDocument:
    """What changes from one stage of a model to another; of two equal stages nothing is compared.

    Attributes:
        run_a: The later stage's run.
        run_b: The earlier one's.
        answers: Answers to the same items in both.
        changed: Those that are not the same, right or wrong.
        logprob_shift: Largest absolute difference of one choice's log-probability, nats; null where
            choices were not scored.
        joint_verdict: What the step supports as one of several (Holm).
        compared: The comparison; its keys are not there where both stages are the same run.
    """

    run_a: str
    run_b: str
    answers: int
    changed: int
    logprob_shift: float | None
    joint_verdict: Verdict
    compared: Inlined[OrAbsent[Compared]] = ABSENT


@dataclass(frozen=True, kw_only=True)
class LineageDocument:
    """One benchmark over a model's stages.

    Attributes:
        benchmark: NAME or NAME:SUBSET.
        verdict: Of the last stage against the first.
        stages: One run a stage.
        steps: From each stage to the next one.
        whole: From the first stage to the last.
    """

    benchmark: str
    verdict: Verdict
    stages: tuple[RunDocument, ...]
    steps: tuple[StepDocument, ...]
    whole: StepDocument


@dataclass(frozen=True, kw_only=True)
class Lineages:
    """A model's stages, compared step by step.

    Attributes:
        lineages: One a benchmark.
    """

    lineages: tuple[LineageDocument, ...]


PRINTED = (Printed("compare", ComparisonDocument), Printed("lineage", Lineages))


def compared_document(result: Comparison, *, flips: bool) -> Compared:
    """Return a comparison's figures; a mean that rests on no graded answer is None.

    Args:
        result: The comparison.
        flips: Whether to keep the items that differ.
    """
    kept = {one.name for one in fields(Compared)}
    found = {name: value for name, value in vars(result).items() if name in kept}
    if result.why_unknown:
        found |= {"difference": None, "why_unknown": result.why_unknown}
        found |= {"mean_a": None} if result.ungraded_a else {}
        found |= {"mean_b": None} if result.ungraded_b else {}
    return Compared(**found if flips else found | {"flips": ABSENT})


def pair_document(result: Comparison) -> PairDocument:
    """Return a comparison without its single items."""
    compared = compared_document(result, flips=False)
    return PairDocument(run_a=result.run_a, run_b=result.run_b, compared=compared)
