"""Decides whether a candidate can replace the incumbent: replace, keep, insufficient evidence.

There are three findings: capability parity (no benchmark is worse by more than its margin),
economic viability (what the same items cost with either model), and fitness to release, which only
a project that releases its weights needs. A finding that is missing never passes.
"""

from collections.abc import Sequence
from typing import Literal

from weighbridge.comparison.before_after import BenchmarkComparison
from weighbridge.records import SkippedBenchmark
from weighbridge.records.scale import margin
from weighbridge.reports import VerdictFinding
from weighbridge.verdict.economics import Economics, viability
from weighbridge.verdict.findings import (
    BenchmarkVerdict,
    ProjectVerdict,
    decide,
    not_measured,
    result_sentence,
    undecided,
)

Use = Literal["in house", "release"]
"""What becomes of a model that passes: used, or its weights released, which needs gates."""


def judge_replacement(
    weighed: Sequence[BenchmarkComparison],
    skipped: Sequence[SkippedBenchmark],
    economics: Economics | None,
    use: Use,
) -> ProjectVerdict:
    """Judge whether the candidate can take the incumbent's place.

    *keep*: a benchmark is worse by more than its margin, or the candidate costs more than allowed.
    *replace*: every required benchmark and target was measured, every measured benchmark was asked
    in full and is no worse, and the candidate costs no more than allowed. Otherwise the evidence is
    insufficient; so it always is for a release, as long as no gates are run.

    Args:
        weighed: The benchmarks that were run.
        skipped: The benchmarks that were not run, with the reasons.
        economics: What the candidate costs where it would run; None if the project doesn't say.
        use: What the model is to be used for.
    """
    parity = [_parity(d) for d in decide(weighed)]
    money = _economy(weighed, economics)
    fitness = _fitness(use)
    findings = (*parity, *map(not_measured, skipped), money, fitness)
    needed = [*parity, *(not_measured(x) for x in skipped if _needed(x)), money]
    needed += [fitness] if use == "release" else []
    against = next((f for f in needed if f.outcome == "no"), None)
    if against is not None:
        return ProjectVerdict("keep", against.sentence, findings)
    undecided = next((f for f in needed if f.outcome == "insufficient"), None)
    if undecided is not None or not parity:
        why = undecided.sentence if undecided else "No benchmark was measured on both."
        return ProjectVerdict("insufficient evidence", why, findings)
    headline = f"No benchmark is worse beyond its margin. {money.sentence}"
    return ProjectVerdict("replace", headline, findings)


def _parity(decided: BenchmarkVerdict) -> VerdictFinding:
    weighed = decided.weighed
    c = weighed.comparison
    title = f"{c.benchmark}: no worse than the incumbent by {margin(c.margin, c.scale)}"
    if unasked := max(weighed.before.unasked_samples, weighed.after.unasked_samples):
        part = f"was asked in part ({unasked} samples are missing)"
        return VerdictFinding(title, "insufficient", result_sentence(decided, part))
    if decided.holds:
        return VerdictFinding(title, "yes", result_sentence(decided, "holds"))
    if decided.supports == "inferior":
        return VerdictFinding(title, "no", result_sentence(decided, "is worse"))
    return VerdictFinding(title, "insufficient", result_sentence(decided, undecided(decided)))


def _economy(weighed: Sequence[BenchmarkComparison], economics: Economics | None) -> VerdictFinding:
    most = economics.max_cost_ratio if economics else 1.0
    title = f"Costs at most {most:g} times what the incumbent does"
    found = viability(weighed, economics)
    if found is None:
        why = "What the candidate costs is not known: [economics] machine_usd_per_hour states it."
        if not weighed or not all(w.before.provenance.model_is_priced for w in weighed):
            why = "What the incumbent costs is not known: [incumbent] price states it."
        return VerdictFinding(title, "insufficient", why)
    sentence = (
        f"An item costs {found.candidate_usd_per_item:.3g} USD against the incumbent's "
        f"{found.incumbent_usd_per_item:.3g}, {found.cost_ratio:.3g} times as much"
    )
    if found.break_even_utilization is not None:
        share = found.break_even_utilization
        sentence += (
            f"; both cost the same where the machine works {share:.1%} of the time"
            if share <= 1
            else "; even a machine that always works costs more"
        )
    sentence += f". This holds if {'; '.join(found.conditions)}."
    return VerdictFinding(title, "yes" if found.cost_ratio <= most else "no", sentence)


def _fitness(use: Use) -> VerdictFinding:
    title = "Fit to release"
    if use == "release":
        return VerdictFinding(title, "insufficient", "No release gate was run on the candidate.")
    why = 'Not asked: the candidate is used in house. To release its weights, set use = "release".'
    return VerdictFinding(title, "insufficient", why)


def _needed(skipped: SkippedBenchmark) -> bool:
    return skipped.weigh.required or skipped.weigh.role == "target"
