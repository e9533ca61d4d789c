"""From comparisons to a verdict. Missing evidence never passes.

Where items overlap with the tuning data, only the others decide. Where several benchmarks are
compared, each kind of claim is corrected for that (Holm). A verdict of *paid* needs all its claims
at once, for which no correction is necessary (Berger 1982, Technometrics 24:295); the corrected
ones are asked for anyway, so that findings and verdict never contradict each other.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from weighbridge.pipeline.plan import Left
from weighbridge.pipeline.weighed import Weighed
from weighbridge.records import Comparison
from weighbridge.records import Verdict as Supported
from weighbridge.records.scale import gap, is_share, margin, named
from weighbridge.reports import Finding, wording
from weighbridge.statistics.conditions import shown
from weighbridge.statistics.families import decide_together

Verdict = Literal["paid", "did not pay", "insufficient evidence", "replace", "keep"]


@dataclass(frozen=True)
class Judged:
    """The verdict, a sentence that says why, and what it rests on."""

    verdict: Verdict
    headline: str
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class Decided:
    """A benchmark with the verdict that it supports as one of several."""

    weighed: Weighed
    supports: Supported
    family: int

    @property
    def role(self) -> str:
        """Target or guard."""
        return self.weighed.weigh.role

    @property
    def holds(self) -> bool:
        """Whether the candidate is shown to be no worse than its reference."""
        return self.supports in ("superior", "equivalent", "non_inferior")

    @property
    def told_no_better(self) -> bool:
        """Whether the candidate is shown not to be better: no worse is not that."""
        return self.supports in ("inferior", "equivalent")


def judge(weighed: Sequence[Weighed], left: Sequence[Left]) -> Judged:
    """Judge a tuning project.

    It *paid* if every target is better beyond chance, no guard is worse beyond its margin, and no
    required guard is missing or undecided. It *did not pay* if a guard is worse beyond its margin,
    or no target is better although each could be told. Otherwise the evidence is insufficient:
    one target that is better beside one that is not is neither.
    """
    decided = decide(weighed)
    targets = [d for d in decided if d.role == "target"]
    guards = [d for d in decided if d.role == "guard"]
    findings = (*map(_target, targets), *map(_guard, guards), *map(missing, left))
    return Judged(*_conclude(targets, guards, left), findings)


def _conclude(
    targets: Sequence[Decided], guards: Sequence[Decided], left: Sequence[Left]
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


def decide(weighed: Sequence[Weighed]) -> list[Decided]:
    """Correct what each benchmark supports for there being several."""
    told = [w for w in weighed if w.decisive is not None]
    joint = iter(decide_together([w.decisive for w in told if w.decisive is not None]))
    return [
        Decided(w, next(joint).verdict if w.decisive is not None else "inconclusive", len(told))
        for w in weighed
    ]


def points(decided: Decided, what: str) -> str:
    """Say what came out, with the figures that it rests on."""
    weighed = decided.weighed
    c = weighed.decisive
    if c is None:
        return f"{weighed.comparison.benchmark} {what}: every item overlaps with the tuning data."
    if c.why_unknown:
        return f"{c.benchmark} {what}: {c.why_unknown}."
    before, after = (wording.value(mean, c.scale) for mean in (c.mean_b, c.mean_a))
    unit = "" if is_share(c.scale) else f" on {named(c.scale)}"
    return (
        f"{c.benchmark} {what}: {before} to {after}{unit}, a difference of "
        f"{wording.difference(c.difference, c.interval, c.scale)} "
        f"on {c.n} paired items{_left_out(weighed)}."
        f"{_uncorrected(decided, c)}{_lost(c)}{_confounded(c)}"
    )


def _left_out(weighed: Weighed) -> str:
    found = weighed.contamination
    if found is None or not found.found:
        return ""
    return (
        f", without {len(found.found)} of {found.items} that overlap with the tuning data (with "
        f"them {gap(weighed.comparison.difference, weighed.comparison.scale)})"
    )


def _uncorrected(decided: Decided, comparison: Comparison) -> str:
    if decided.supports == comparison.verdict:
        return ""
    by_itself = comparison.verdict.replace("_", "-")
    return f" By itself it is {by_itself}; as one of {decided.family} benchmarks not (Holm)."


def _confounded(comparison: Comparison) -> str:
    found = [one for one in comparison.differences if one.confounds]
    if not found:
        return ""
    listed = ", ".join(f"{one.what} ({shown(one.a)} against {shown(one.b)})" for one in found)
    return f" The two were not asked alike: {listed}."


def _lost(comparison: Comparison) -> str:
    if not comparison.lost:
        return ""
    low, high = (gap(bound, comparison.scale) for bound in comparison.bounds)
    return (
        f" {comparison.lost} answers were lost to the machine: with them the difference lies "
        f"between {low} and {high}."
    )


def _target(decided: Decided) -> Finding:
    outcome: Literal["yes", "no", "insufficient"] = "insufficient"
    if decided.supports == "superior":
        outcome = "yes"
    elif decided.told_no_better:
        outcome = "no"
    what = {"yes": "improved", "no": "did not improve", "insufficient": "can't be told"}[outcome]
    title = f"{decided.weighed.comparison.benchmark}: better"
    return Finding(title, outcome, points(decided, what))


def _guard(decided: Decided) -> Finding:
    c = decided.weighed.comparison
    title = f"{c.benchmark}: no worse than {margin(c.margin, c.scale)}"
    if decided.holds:
        return Finding(title, "yes", points(decided, "held"))
    if decided.supports == "inferior":
        return Finding(title, "no", points(decided, "got worse"))
    return Finding(title, "insufficient", points(decided, undecided(decided)))


def undecided(decided: Decided) -> str:
    """Return words for an undecided benchmark; more items help only if something was graded."""
    c = decided.weighed.decisive
    if c is None or c.why_unknown:
        return "can't be told"
    return "can't be told at this size"


def missing(left: Left) -> Finding:
    """Return the finding on a benchmark that was not run."""
    do = f" Get it: {left.get_it}" if left.get_it else ""
    title = f"{left.weigh.benchmark}: not measured"
    return Finding(title, "insufficient", f"{left.why[:1].upper()}{left.why[1:]}.{do}")
