"""From comparisons to a verdict. Missing evidence never passes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from weighbridge.pipeline.stages import Left, Weighed
from weighbridge.reports import Finding

Verdict = Literal["paid", "did not pay", "insufficient evidence", "replace", "keep"]


@dataclass(frozen=True)
class Judged:
    """The verdict, a sentence that says why, and what it rests on."""

    verdict: Verdict
    headline: str
    findings: tuple[Finding, ...]


def judge(weighed: Sequence[Weighed], left: Sequence[Left]) -> Judged:
    """Judge a tuning project.

    It *paid* if every target is better beyond chance, no guard is worse beyond its margin, and no
    required guard is missing or undecided. It *did not pay* if a guard is worse beyond its margin,
    or no target is better although each could be told. Otherwise the evidence is insufficient.
    """
    targets = [w for w in weighed if w.weigh.role == "target"]
    guards = [w for w in weighed if w.weigh.role == "guard"]
    findings = [*map(_target, targets), *map(_guard, guards), *map(missing, left)]
    broken = [w for w in guards if w.comparison.verdict == "inferior"]
    improved = [w for w in targets if w.comparison.verdict == "superior"]
    hopeless = [w for w in targets if w.comparison.verdict in ("inferior", "equivalent")]
    open_guards = [w for w in guards if w.weigh.required and not holds(w)]
    open_left = [x for x in left if x.weigh.required or x.weigh.role == "target"]
    if broken:
        return Judged("did not pay", _points(broken[0], "got worse"), tuple(findings))
    if hopeless:
        return Judged("did not pay", _points(hopeless[0], "did not improve"), tuple(findings))
    if not targets or len(improved) < len(targets):
        undecided = next((w for w in targets if w not in improved), None)
        headline = _points(undecided, "can't be told") if undecided else "No target was measured."
        return Judged("insufficient evidence", headline, tuple(findings))
    if open_guards or open_left:
        name = (open_guards or open_left)[0].weigh.benchmark
        headline = f"Targets improved, but the required guard {name} leaves it open."
        return Judged("insufficient evidence", headline, tuple(findings))
    return Judged("paid", _points(improved[0], "improved"), tuple(findings))


def holds(weighed: Weighed) -> bool:
    """Whether the candidate is shown to be no worse than its reference."""
    return weighed.comparison.verdict in ("superior", "equivalent", "non_inferior")


def _points(weighed: Weighed, what: str) -> str:
    c = weighed.comparison
    low, high = c.interval
    return (
        f"{c.benchmark} {what}: {100 * c.mean_b:.1f} % to {100 * c.mean_a:.1f} %, a difference of "
        f"{100 * c.difference:+.1f} points [{100 * low:+.1f}, {100 * high:+.1f}] "
        f"on {c.n} paired items."
    )


def _target(weighed: Weighed) -> Finding:
    verdict = weighed.comparison.verdict
    outcome: Literal["yes", "no", "insufficient"] = "insufficient"
    if verdict == "superior":
        outcome = "yes"
    elif verdict in ("inferior", "equivalent"):
        outcome = "no"
    what = {"yes": "improved", "no": "did not improve", "insufficient": "can't be told"}[outcome]
    return Finding(f"{weighed.comparison.benchmark}: better", outcome, _points(weighed, what))


def _guard(weighed: Weighed) -> Finding:
    margin = 100 * weighed.weigh.margin
    title = f"{weighed.comparison.benchmark}: no worse than {margin:g} points"
    if holds(weighed):
        return Finding(title, "yes", _points(weighed, "held"))
    if weighed.comparison.verdict == "inferior":
        return Finding(title, "no", _points(weighed, "got worse"))
    return Finding(title, "insufficient", _points(weighed, "can't be told at this size"))


def missing(left: Left) -> Finding:
    """Return the finding on a benchmark that was not run."""
    do = f" Get it: {left.get_it}" if left.get_it else ""
    title = f"{left.weigh.benchmark}: not measured"
    return Finding(title, "insufficient", f"{left.why[:1].upper()}{left.why[1:]}.{do}")
