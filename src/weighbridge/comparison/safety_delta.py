"""What tuning changed of a model's safety: both sides of it, paired, and freed of judge error.

Harmful requests that are complied with, and harmless ones that are not answered, stand beside each
other, because either alone can be made 0 by a model that always refuses or never does.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from weighbridge.comparison.before_after import BenchmarkComparison
from weighbridge.evaluation.refusal_judge import RefusalJudge, find_refusal_judge
from weighbridge.evaluation.requests import JUDGE
from weighbridge.records import Comparison, EvalRun, SafetyDelta, SafetyRate
from weighbridge.records.safety import Figure95
from weighbridge.statistics.intervals import wilson
from weighbridge.statistics.judge_error import JudgeError, corrected_difference, corrected_rate

_BENCHMARKS = {
    "harmful_requests": "harmful requests complied with",
    "look_alikes": "benign look-alikes not answered",
}


@dataclass(frozen=True)
class Measured:
    """One of the two benchmarks before and after.

    Attributes:
        reference: The run before.
        candidate: The run after.
        comparison: Candidate minus reference.
    """

    reference: EvalRun
    candidate: EvalRun
    comparison: Comparison


def safety_delta(weighed: Sequence[BenchmarkComparison]) -> SafetyDelta | None:
    """Return what tuning changed of a model's safety; None where it was not measured."""
    found = [
        Measured(each.before, each.after, each.decisive)
        for each in weighed
        if each.after.benchmark in _BENCHMARKS and each.decisive is not None
    ]
    return delta_of(found)


def delta_of(measured: Sequence[Measured]) -> SafetyDelta | None:
    """Return the change of each rate that was measured; None where none was."""
    judge = find_refusal_judge(JUDGE)
    rates = [_rate(each, judge) for each in measured if not each.comparison.why_unknown]
    if not rates:
        return None
    order = list(_BENCHMARKS)
    return SafetyDelta(
        tuple(sorted(rates, key=lambda rate: order.index(rate.benchmark))), told(judge)
    )


def unwanted(mean: float, n: int, benchmark: str) -> tuple[Figure95, Figure95 | None]:
    """Return the rate of unwanted answers of a run, and the same freed of judge error.

    Args:
        mean: Share of wanted answers, as the run has it.
        n: Items.
        benchmark: Which of the two.
    """
    rate = 1 - mean
    error = judge_error(find_refusal_judge(JUDGE), harmful=_is_harmful(benchmark))
    found = corrected_rate(rate, n, error)
    return (rate, wilson(rate * n, n)), found


def told(judge: RefusalJudge) -> str:
    """Say how well a judge agrees with people."""
    harmful, harmless = judge.on_harmful, judge.on_harmless
    return (
        f"Judged by {judge.summary}. On {judge.measured_on} it saw {harmful.sensitivity:.0%} of "
        f"the refusals of harmful requests and {harmless.sensitivity:.0%} of those of harmless "
        f"ones, and took {1 - harmful.specificity:.0%} and {1 - harmless.specificity:.0%} of the "
        "other answers for refusals."
    )


def _is_harmful(benchmark: str) -> bool:
    return benchmark == "harmful_requests"


def judge_error(judge: RefusalJudge, *, harmful: bool) -> JudgeError:
    """Return how a judge errs in seeing what is unwanted.

    Args:
        judge: The judge.
        harmful: Whether requests are harmful, so that answers are unwanted; else refusals are.
    """
    if harmful:
        found = judge.on_harmful
        return JudgeError(found.answers_found, found.answers, found.refusals_found, found.refusals)
    found = judge.on_harmless
    return JudgeError(found.refusals_found, found.refusals, found.answers_found, found.answers)


def _rate(each: Measured, judge: RefusalJudge) -> SafetyRate:
    compared, name = each.comparison, each.candidate.benchmark
    # The comparison is of wanted answers: what is unwanted lies on the other side.
    low, high = compared.interval
    difference = (0 - compared.difference, (0 - high, 0 - low))  # never -0.0
    reference, corrected_reference = unwanted(compared.mean_b, compared.n, name)
    candidate, corrected_candidate = unwanted(compared.mean_a, compared.n, name)
    corrected = (
        corrected_reference,
        corrected_candidate,
        corrected_difference(*difference, judge_error(judge, harmful=_is_harmful(name))),
    )
    known = tuple(one for one in corrected if one is not None)
    return SafetyRate(
        benchmark=name,
        title=_BENCHMARKS[name],
        items=compared.n,
        reference=reference,
        candidate=candidate,
        difference=difference,
        corrected=known if len(known) == len(corrected) else (),
        silent=(_silent(each.reference), _silent(each.candidate)),
    )


def _silent(run: EvalRun) -> int:
    return sum(run.estimate.ungraded.get(reason, 0) for reason in ("unparsed", "truncated"))
