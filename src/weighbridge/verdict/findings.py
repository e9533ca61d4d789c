"""Corrects each benchmark's verdict for several comparisons, and puts it into words."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from weighbridge.comparison.before_after import BenchmarkComparison
from weighbridge.records import Comparison, SkippedBenchmark
from weighbridge.records import Verdict as Supported
from weighbridge.records.scale import gap, is_share, measured_in
from weighbridge.reports import VerdictFinding, wording
from weighbridge.statistics.conditions import shown
from weighbridge.statistics.families import decide_together

Verdict = Literal["paid", "did not pay", "insufficient evidence", "replace", "keep"]


@dataclass(frozen=True)
class ProjectVerdict:
    """The verdict, a sentence with the reason, and the findings behind it."""

    verdict: Verdict
    headline: str
    findings: tuple[VerdictFinding, ...]


@dataclass(frozen=True)
class BenchmarkVerdict:
    """A benchmark with its verdict after correction for several comparisons (Holm).

    Attributes:
        weighed: The benchmark's runs and their comparison.
        supports: The corrected verdict.
        family: Number of benchmarks that are corrected for.
    """

    weighed: BenchmarkComparison
    supports: Supported
    family: int

    @property
    def role(self) -> str:
        """The benchmark's role in the project: target or guard."""
        return self.weighed.weigh.role

    @property
    def holds(self) -> bool:
        """Whether the candidate is shown to be no worse than its reference."""
        return self.supports in ("superior", "equivalent", "non_inferior")

    @property
    def shown_no_better(self) -> bool:
        """Whether the candidate is shown not to be better; being no worse doesn't show that."""
        return self.supports in ("inferior", "equivalent")


def decide(weighed: Sequence[BenchmarkComparison]) -> list[BenchmarkVerdict]:
    """Correct each benchmark's verdict for the number of benchmarks."""
    decidable = [w for w in weighed if w.decisive is not None]
    joint = iter(decide_together([w.decisive for w in decidable if w.decisive is not None]))
    return [
        BenchmarkVerdict(
            w, next(joint).verdict if w.decisive is not None else "inconclusive", len(decidable)
        )
        for w in weighed
    ]


def result_sentence(decided: BenchmarkVerdict, what: str) -> str:
    """Return a benchmark's result in a sentence, with the figures behind it.

    Args:
        decided: The benchmark.
        what: The words for its result, such as "improved".
    """
    weighed = decided.weighed
    c = weighed.decisive
    if c is None:
        return f"{weighed.comparison.benchmark} {what}: every item overlaps with the tuning data."
    if c.why_unknown:
        return f"{c.benchmark} {what}: {c.why_unknown}."
    before, after = (wording.value(mean, c.scale) for mean in (c.mean_b, c.mean_a))
    unit = "" if is_share(c.scale) else f" {measured_in(c.scale)}"
    return (
        f"{c.benchmark} {what}: {before} to {after}{unit}, a difference of "
        f"{wording.difference(c.difference, c.interval, c.scale)} "
        f"on {c.n} paired items{_left_out(weighed)}."
        f"{_uncorrected(decided, c)}{_lost(c)}{_confounded(c)}"
    )


def _left_out(weighed: BenchmarkComparison) -> str:
    found = weighed.contamination
    if found is None or not found.found:
        return ""
    return (
        f", without {len(found.found)} of {found.items} that overlap with the tuning data (with "
        f"them {gap(weighed.comparison.difference, weighed.comparison.scale)})"
    )


def _uncorrected(decided: BenchmarkVerdict, comparison: Comparison) -> str:
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


def undecided(decided: BenchmarkVerdict) -> str:
    """Return the words for an undecided benchmark: "at this size" if more items could decide it."""
    c = decided.weighed.decisive
    if c is None or c.why_unknown:
        return "can't be told"
    return "can't be told at this size"


def not_measured(skipped: SkippedBenchmark) -> VerdictFinding:
    """Return the finding on a benchmark that was not run."""
    do = f" Get it: {skipped.get_it}" if skipped.get_it else ""
    title = f"{skipped.weigh.benchmark}: not measured"
    return VerdictFinding(title, "insufficient", f"{skipped.why[:1].upper()}{skipped.why[1:]}.{do}")
