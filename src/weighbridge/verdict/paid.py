"""Decides from comparisons whether tuning paid. Missing evidence never passes.

Items that overlap with the tuning data don't count. If several benchmarks are compared, each kind
of claim is corrected for that (Holm). A verdict of *paid* needs all its claims at once, which takes
no correction (Berger 1982, Technometrics 24:295); the corrected claims are used all the same, so
that findings and verdict never contradict each other.
"""

from collections.abc import Sequence
from typing import Literal

from weighbridge.comparison.before_after import BenchmarkComparison
from weighbridge.records import SkippedBenchmark
from weighbridge.records.scale import margin
from weighbridge.reports import VerdictFinding
from weighbridge.verdict.findings import (
    Decided,
    ProjectVerdict,
    Verdict,
    decide,
    missing,
    points,
    undecided,
)


def judge(
    weighed: Sequence[BenchmarkComparison], left: Sequence[SkippedBenchmark]
) -> ProjectVerdict:
    """Judge a tuning project.

    It *paid* if every target is significantly better, no guard is worse by more than its margin,
    and no required guard is missing or undecided. It *did not pay* if a guard is worse by more than
    its margin, or if every target is decided and none is better. Otherwise the evidence is
    insufficient, for example if one target is better and another is not.
    """
    decided = decide(weighed)
    targets = [d for d in decided if d.role == "target"]
    guards = [d for d in decided if d.role == "guard"]
    findings = (*map(_target, targets), *map(_guard, guards), *map(missing, left))
    return ProjectVerdict(*_conclude(targets, guards, left), findings)


def _conclude(
    targets: Sequence[Decided], guards: Sequence[Decided], left: Sequence[SkippedBenchmark]
) -> tuple[Verdict, str]:
    """Return the verdict and its headline; `judge` states the rule."""
    broken = [d for d in guards if d.supports == "inferior"]
    improved = [d for d in targets if d.supports == "superior"]
    others = [d for d in targets if d.supports != "superior"]
    untold = [d for d in others if not d.told_no_better]
    left_targets = [x.weigh for x in left if x.weigh.role == "target"]
    if broken:
        return "did not pay", points(broken[0], "got worse")
    if untold:
        return "insufficient evidence", points(untold[0], "can't be told")
    if left_targets:
        return "insufficient evidence", f"The target {left_targets[0].benchmark} was not measured."
    if not targets:
        return "insufficient evidence", "No target was measured."
    if not improved:
        return "did not pay", points(others[0], "did not improve")
    if others:
        better, not_better = points(improved[0], "improved"), points(others[0], "did not improve")
        return "insufficient evidence", f"Not every target improved. {better} {not_better}"
    open_guards = [d.weighed.weigh for d in guards if d.weighed.weigh.required and not d.holds]
    open_guards += [x.weigh for x in left if x.weigh.required]
    if open_guards:
        name = open_guards[0].benchmark
        headline = f"Targets improved, but the required guard {name} leaves it open."
        return "insufficient evidence", headline
    return "paid", points(improved[0], "improved")


def _target(decided: Decided) -> VerdictFinding:
    outcome: Literal["yes", "no", "insufficient"] = "insufficient"
    if decided.supports == "superior":
        outcome = "yes"
    elif decided.told_no_better:
        outcome = "no"
    what = {"yes": "improved", "no": "did not improve", "insufficient": "can't be told"}[outcome]
    title = f"{decided.weighed.comparison.benchmark}: better"
    return VerdictFinding(title, outcome, points(decided, what))


def _guard(decided: Decided) -> VerdictFinding:
    c = decided.weighed.comparison
    title = f"{c.benchmark}: no worse than {margin(c.margin, c.scale)}"
    if decided.holds:
        return VerdictFinding(title, "yes", points(decided, "held"))
    if decided.supports == "inferior":
        return VerdictFinding(title, "no", points(decided, "got worse"))
    return VerdictFinding(title, "insufficient", points(decided, undecided(decided)))
