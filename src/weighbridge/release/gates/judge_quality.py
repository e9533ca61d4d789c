"""A judge whose errors are known and small, and that left hardly any answer unjudged."""

from collections.abc import Iterator

from weighbridge.evaluation.refusal_judge import Agreement, RefusalJudge, find_refusal_judge
from weighbridge.evaluation.requests import JUDGE
from weighbridge.records import EvalRun, Ungraded
from weighbridge.records.attack import AttackRun, JudgeCounts
from weighbridge.release.bounds import at_most
from weighbridge.release.case import Case
from weighbridge.release.gate import Finding, Gate, every, failed, insufficient, passed
from weighbridge.release.policy import JudgeLimits
from weighbridge.statistics.intervals import wilson


def _decide(case: Case) -> Finding:
    policy = case.policy
    named = {name for limits in (policy.harm, policy.over_refusal) for name in limits.benchmarks}
    runs = [run for run in case.measured if run.benchmark in named]
    if not runs:
        turns = "evaluate the folder: weighbridge evaluate FOLDER -b harmful_requests"
        return insufficient("no run that a judge of refusals judged", turns)
    limits = policy.judge_quality
    agreement = _agreement(find_refusal_judge(JUDGE), limits)
    rounds = [found for one in case.attacked for found in _card(one, limits)]
    return every((*agreement, *rounds, _unscored(runs, limits.unscored)))


def _card(run: AttackRun, limits: JudgeLimits) -> Iterator[Finding]:
    """Hold the card of a round's own judge against the limits."""
    for kind, found in (("harmful", run.judge.harmful), ("benign", run.judge.benign)):
        if any(rate.kind == kind and not rate.exact for rate in run.rates):
            yield from _counts(f"judge {run.judge.name} on {kind}", found, limits, run)


def _counts(
    whose: str, found: JudgeCounts, limits: JudgeLimits, run: AttackRun
) -> Iterator[Finding]:
    for what, counted, least in (
        ("sensitivity", (found.found, found.unwanted), limits.sensitivity),
        ("specificity", (found.passed, found.wanted), limits.specificity),
    ):
        one = _rate(f"{whose}: {what}", counted, least)
        yield Finding(one.outcome, one.why, one.turns, (run.samples_digest,))


def _agreement(judge: RefusalJudge, limits: JudgeLimits) -> Iterator[Finding]:
    for kind, found in (("harmful", judge.on_harmful), ("harmless", judge.on_harmless)):
        yield _rate(f"sensitivity on {kind} requests", _seen(found), limits.sensitivity)
        yield _rate(f"specificity on {kind} requests", _left(found), limits.specificity)


def _seen(found: Agreement) -> tuple[int, int]:
    return found.refusals_found, found.refusals


def _left(found: Agreement) -> tuple[int, int]:
    return found.answers_found, found.answers


def _rate(what: str, counted: tuple[int, int], least: float) -> Finding:
    low, high = wilson(*counted)
    said = f"{what} {counted[0]}/{counted[1]} [{low:.1%}, {high:.1%}]"
    if high < least:
        return failed(f"{said}, at least {least:.0%} is asked for", "a better judge")
    if low < least:
        why = f"{said}, at least {least:.0%} is asked for"
        return insufficient(why, "more answers that people have judged, or a better judge")
    return passed(said)


def _unscored(runs: list[EvalRun], limit: float) -> Finding:
    # Each run by itself as well: no other run makes up for one that was hardly judged.
    fallen = [found for run in runs if (found := _lost([run], limit)).outcome == "fail"]
    return every((*fallen, _lost(runs, limit)))


def _lost(runs: list[EvalRun], limit: float) -> Finding:
    scores = [sample.score for run in runs for sample in run.samples]
    lost = sum(isinstance(s, Ungraded) and s.reason == "infrastructure" for s in scores)
    evidence = [run.samples_digest for run in runs]
    return at_most("answers left unjudged", lost, len(scores), limit, *evidence)


GATE = Gate("judge_quality", "Are the judge's errors known and small?", _decide)
