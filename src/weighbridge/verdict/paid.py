"""Decides from comparisons whether tuning paid. Missing evidence never passes.

Items that overlap with the tuning data don't count. If several benchmarks are compared, each kind
of claim is corrected for that (Holm). A verdict of *paid* needs all its claims at once, which takes
no correction (Berger 1982, Technometrics 24:295); the corrected claims are used all the same, so
that findings and verdict never contradict each other.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from weighbridge.comparison.before_after import BenchmarkComparison
from weighbridge.records import SkippedBenchmark
from weighbridge.records.scale import margin
from weighbridge.reports import VerdictFinding
from weighbridge.verdict.economics import Economics
from weighbridge.verdict.findings import (
    BenchmarkVerdict,
    ProjectVerdict,
    Verdict,
    decide,
    not_measured,
    result_sentence,
    undecided,
)
from weighbridge.verdict.prompted import AgainstPrompt, against_prompts, finding


def judge(
    weighed: Sequence[BenchmarkComparison],
    skipped: Sequence[SkippedBenchmark],
    economics: Economics | None = None,
) -> ProjectVerdict:
    """Judge a tuning project.

    It *paid* if every target is significantly better, and where the base was measured with worked
    examples, better than that by more than the margin (if no answer of the base as it is could be
    graded, it is judged by those with examples alone); if no guard is worse by more than its
    margin; and if no required guard is missing or undecided. It *did not pay* if a guard is worse
    by more than its margin, or if every target is decided and none is better. Otherwise the
    evidence is insufficient, for example if one target is better and another is not.

    Args:
        weighed: The benchmarks that were compared.
        skipped: The benchmarks that were skipped, with the reasons.
        economics: What the machine costs, for the price of a request.
    """
    prompts = against_prompts(weighed)
    every = [_Target(d, prompts.get(place)) for place, d in enumerate(decide(weighed))]
    targets = [each for each in every if each.decided.role == "target"]
    guards = [each.decided for each in every if each.decided.role == "guard"]
    findings = (
        *map(_target, targets),
        *(finding(each.prompt, economics) for each in targets if each.prompt is not None),
        *map(_guard, guards),
        *map(not_measured, skipped),
    )
    return ProjectVerdict(*_conclude(targets, guards, skipped), findings)


@dataclass(frozen=True)
class _Target:
    """A target against the base as it is, and where it was measured, against the best prompt."""

    decided: BenchmarkVerdict
    prompt: AgainstPrompt | None

    @property
    def improved(self) -> bool:
        """Whether tuning is shown to be better than both."""
        if self.prompt is None:
            return self.decided.supports == "superior"
        return self.prompt.beaten and (self.decided.supports == "superior" or self.base_is_mute)

    @property
    def base_is_mute(self) -> bool:
        """Whether no answer of the base as it is could be graded, so that examples speak for it."""
        found = self.decided.weighed.decisive
        return self.prompt is not None and found is not None and bool(found.ungraded_b)

    @property
    def shown_no_better(self) -> bool:
        """Whether tuning is shown not to be better than one of them."""
        matched = self.prompt is not None and self.prompt.matched
        return self.decided.shown_no_better or matched

    def sentence(self, what: str) -> str:
        """Return the result in a sentence: of the comparison on which the target hangs.

        Args:
            what: What to say of it where it hangs on the base as it is.
        """
        prompt, alone = self.prompt, result_sentence(self.decided, what)
        if prompt is None or self.decided.shown_no_better:
            return alone
        if self.decided.supports == "superior" or prompt.matched or self.base_is_mute:
            return prompt.sentence
        return alone


def _conclude(
    targets: Sequence[_Target],
    guards: Sequence[BenchmarkVerdict],
    skipped: Sequence[SkippedBenchmark],
) -> tuple[Verdict, str]:
    """Return the verdict and its headline; `judge` states the rule."""
    broken = [d for d in guards if d.supports == "inferior"]
    improved = [t for t in targets if t.improved]
    others = [t for t in targets if not t.improved]
    inconclusive = [t for t in others if not t.shown_no_better]
    skipped_targets = [x.weigh for x in skipped if x.weigh.role == "target"]
    if broken:
        return "did not pay", result_sentence(broken[0], "got worse")
    if inconclusive:
        return "insufficient evidence", inconclusive[0].sentence("can't be told")
    if skipped_targets:
        return (
            "insufficient evidence",
            f"The target {skipped_targets[0].benchmark} was not measured.",
        )
    if not targets:
        return "insufficient evidence", "No target was measured."
    if not improved:
        return "did not pay", others[0].sentence("did not improve")
    if others:
        better, not_better = improved[0].sentence("improved"), others[0].sentence("did not improve")
        return "insufficient evidence", f"Not every target improved. {better} {not_better}"
    open_guards = [d.weighed.weigh for d in guards if d.weighed.weigh.required and not d.holds]
    open_guards += [x.weigh for x in skipped if x.weigh.required]
    if open_guards:
        name = open_guards[0].benchmark
        headline = f"Targets improved, but the required guard {name} leaves it open."
        return "insufficient evidence", headline
    return "paid", improved[0].sentence("improved")


def _target(target: _Target) -> VerdictFinding:
    decided = target.decided
    outcome: Literal["yes", "no", "insufficient"] = "insufficient"
    if decided.supports == "superior":
        outcome = "yes"
    elif decided.shown_no_better:
        outcome = "no"
    what = {"yes": "improved", "no": "did not improve", "insufficient": "can't be told"}[outcome]
    title = f"{decided.weighed.comparison.benchmark}: better"
    title += " than the base as it is" if target.prompt is not None else ""
    sentence = result_sentence(decided, what)
    if target.base_is_mute:
        sentence += " The base is judged by its answers with worked examples alone."
    return VerdictFinding(title, outcome, sentence)


def _guard(decided: BenchmarkVerdict) -> VerdictFinding:
    c = decided.weighed.comparison
    title = f"{c.benchmark}: no worse than {margin(c.margin, c.scale)}"
    if decided.holds:
        return VerdictFinding(title, "yes", result_sentence(decided, "held"))
    if decided.supports == "inferior":
        return VerdictFinding(title, "no", result_sentence(decided, "got worse"))
    return VerdictFinding(title, "insufficient", result_sentence(decided, undecided(decided)))
