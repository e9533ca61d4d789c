"""Compares two runs, with an audit of the judge and the offset between protocols."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import combinations

from weighbridge.comparison.judge_evidence import (
    JudgeEvidence,
    audit_judge,
    check_other_judge,
    find_other_judge,
    is_judged,
)
from weighbridge.errors import InputError
from weighbridge.evidence import RunStore
from weighbridge.records import (
    AcrossProtocols,
    Comparison,
    EvalRun,
    HumanLabel,
    JudgeAudit,
    ProtocolOffset,
)
from weighbridge.statistics import across_protocols, compare, protocol_offset
from weighbridge.statistics.conditions import NOTHING, Accepted, confounders


@dataclass(frozen=True)
class AuditedComparison:
    """Two runs compared.

    Attributes:
        comparison: The comparison to conclude from: widened by the judge's noise, or with the
            protocols' offset subtracted. Where protocols differ and no offset was measured, it is
            inconclusive.
        audit: Audit of the judge; None where no model judged.
        across: The uncorrected gap, the offset and the corrected gap; None where protocols agree.
    """

    comparison: Comparison
    audit: JudgeAudit | None = None
    across: AcrossProtocols | None = None


def compare_with_evidence(
    run_a: EvalRun,
    run_b: EvalRun,
    store: RunStore | None,
    *,
    margin: float | None = None,
    metric: str = "value",
    labels: tuple[HumanLabel, ...] = (),
    other_judge: tuple[EvalRun, EvalRun] | None = None,
    offset: tuple[EvalRun, EvalRun] | None = None,
    accepted: Accepted = NOTHING,
) -> AuditedComparison:
    """Compare two runs; further runs that help (another judge, an offset) are found in the store.

    Args:
        run_a: The candidate's run, with samples.
        run_b: The reference's run, with samples.
        store: Store in which another judge's runs, or a model measured by both protocols, are
            searched; None searches nowhere.
        margin: How much worse A may be, in the scale's units; None takes 2 % of its width.
        metric: "value", or the name of a part.
        labels: People's ratings and preferences.
        other_judge: Two runs with the same answers, judged by another judge.
        offset: One model's runs by both protocols.
        accepted: Differences in how the two were asked that the user accepts.

    Raises:
        InputError: The runs can't be compared, or what is named does not fit them.
    """
    _check_fits(run_a, run_b, other_judge is not None, offset is not None)
    if run_a.protocol != run_b.protocol and metric == "value":
        measured = offset or (find_offset(store, run_a, run_b) if store else None)
        across = across_protocols(run_a, run_b, measured, margin, accepted)
        return AuditedComparison(across.corrected or across.raw, across=across)
    comparison = compare(run_a, run_b, margin=margin, metric=metric, accepted=accepted)
    if not is_judged(run_a) or metric != "value":
        return AuditedComparison(comparison)
    if other_judge is not None:
        other_judge = check_other_judge(run_a, run_b, other_judge)
    elif store is not None:
        other_judge = find_other_judge(store, run_a, run_b)
    evidence = JudgeEvidence(labels, other_judge)
    widened, audit = audit_judge(comparison, run_a, run_b, evidence)
    return AuditedComparison(widened, audit)


def _check_fits(run_a: EvalRun, run_b: EvalRun, other_judge: bool, offset: bool) -> None:
    """Refuse options that would have no effect on this comparison."""
    if offset and run_a.protocol == run_b.protocol:
        raise InputError(
            f"--offset with two runs by one protocol, {run_a.protocol}",
            "two runs whose protocols differ",
            "leave --offset out: there is no offset to correct for",
        )
    if other_judge and not is_judged(run_a):
        raise InputError(
            f"--other-judge with {run_a.title}", "a benchmark that a model judges, such as mt_bench"
        )


def find_offset(store: RunStore, run_a: EvalRun, run_b: EvalRun) -> tuple[EvalRun, EvalRun] | None:
    """Find one model's sealed runs by both protocols; the candidate's own before any other's.

    Only runs over the same part, with the same shots and limit, measure the same items.
    """
    found: dict[str, dict[str, EvalRun]] = {}
    for summary in store.summaries():
        if summary.mean is None or summary.benchmark != run_a.title:
            continue
        run = store.read(summary.run_id, samples=False)
        like = {run_a.protocol: run_a, run_b.protocol: run_b}.get(run.protocol)
        if like is not None and _same_items(run, run_a) and not _settings_differ(run, like):
            found.setdefault(str(run.model.identity), {}).setdefault(run.protocol, run)
    both = [runs for runs in found.values() if len(runs) == 2]
    first = [str(run.model.identity) for run in (run_a, run_b)]

    def nearest(runs: dict[str, EvalRun]) -> int:
        identity = str(next(iter(runs.values())).model.identity)
        return first.index(identity) if identity in first else len(first)

    for runs in sorted(both, key=nearest):
        return store.read(runs[run_a.protocol].run_id), store.read(runs[run_b.protocol].run_id)
    return None


def _settings_differ(run: EvalRun, like: EvalRun) -> bool:
    """Whether an offset's run differs in its settings from the run that it would correct."""
    return any(found.what != "tokenizer" for found in confounders(run, like))


def _same_items(run: EvalRun, other: EvalRun) -> bool:
    asked, like = run.asked, other.asked
    same = (asked.shots, asked.limit) == (like.shots, like.limit)
    return same and run.benchmark_version == other.benchmark_version


def offsets_among(runs: Iterable[EvalRun], store: RunStore) -> tuple[ProtocolOffset, ...]:
    """Measure the offset of each pair among runs that differ in nothing but their protocol.

    Args:
        runs: The runs, without samples.
        store: The store that holds their samples.
    """
    found = []
    for one, other in combinations({run.run_id: run for run in runs}.values(), 2):
        alike = one.model.identity == other.model.identity and one.title == other.title
        graded = one.estimate.known_mean is not None and other.estimate.known_mean is not None
        scales = one.estimate.scale == other.estimate.scale and graded
        if alike and scales and one.protocol != other.protocol and _same_items(one, other):
            found.append(protocol_offset(store.read(one.run_id), store.read(other.run_id)))
    return tuple(found)


def without_samples(run: EvalRun) -> EvalRun:
    """Return a run without its samples, which nothing needs after the comparison."""
    return replace(run, samples=())
