"""Open models match or exceed proprietary ones on a majority of standard benchmarks."""

from dataclasses import dataclass
from datetime import date

from weighbridge.catalog.published import Benchmark, catalogue
from weighbridge.documents.claims import (
    ClaimChart,
    ClaimEvidence,
    ClaimLine,
    ClaimMark,
    ClaimRow,
    ClaimTable,
    Outcome,
)
from weighbridge.planning.claims.claim import Claim, Finding, measured
from weighbridge.planning.gap import words
from weighbridge.planning.gap.analysis import FEWEST, SATURATED_FROM, GapPoint, best_points

SHOWN = 12
MATCHED = 0.01
"""Within a point of the scale counts as matched, since protocols differ by more."""


@dataclass(frozen=True)
class Standing:
    """The best of both groups on one benchmark.

    Attributes:
        benchmark: The benchmark.
        open_best: Best open model.
        proprietary_best: Best proprietary one.
        models: How many versions of models have a score.
        newest: The newest of them.
    """

    benchmark: Benchmark
    open_best: GapPoint
    proprietary_best: GapPoint
    models: int
    newest: date

    @property
    def ahead(self) -> float:
        """Open less proprietary, as a share of the scale; of a scale without an end, relative."""
        ours, theirs = self.open_best.score.value, self.proprietary_best.score.value
        return ours - theirs if not self.benchmark.unit else (ours - theirs) / abs(theirs)

    @property
    def matched(self) -> bool:
        """Whether the open model matches or exceeds the other."""
        return self.ahead >= -MATCHED

    @property
    def saturated(self) -> bool:
        """Whether the best model is near the ceiling."""
        if self.benchmark.ceiling is None:
            return False
        best = max(self.open_best.score.value, self.proprietary_best.score.value)
        span = self.benchmark.ceiling - self.benchmark.chance
        return (best - self.benchmark.chance) / span >= SATURATED_FROM


def standings(as_of: date) -> list[Standing]:
    """Return every benchmark with three models of each group, those with most models first."""
    facts, found = catalogue(), []
    for benchmark in facts.benchmarks.values():
        if benchmark.name == "eci":  # an index over the others
            continue
        points = best_points(facts, facts.scores_on(benchmark.name), as_of)
        groups = {
            kind: [point for point in points if point.model.weights == kind]
            for kind in ("open", "proprietary")
        }
        if min(len({p.model.title for p in group}) for group in groups.values()) < FEWEST:
            continue
        best = {k: max(g, key=lambda p: p.score.value) for k, g in groups.items()}
        found.append(
            Standing(benchmark, best["open"], best["proprietary"], len(points),
                     max(point.model.released for point in points))
        )  # fmt: skip
    return sorted(found, key=lambda one: (-one.models, one.benchmark.name))


def outcome_of(found: list[Standing]) -> Outcome:
    """Return holds for a majority of all, holds_if for one of the saturated benchmarks alone."""
    if not found:
        return "fails"
    if 2 * sum(one.matched for one in found) > len(found):
        return "holds"
    used = [one for one in found if one.saturated]
    return "holds_if" if 2 * sum(one.matched for one in used) > len(used) > 0 else "fails"


def check(as_of: date) -> Finding:
    """Count benchmarks on which the best open model is level with the best proprietary one."""
    found = standings(as_of)
    used, left = ([s for s in found if s.saturated is up] for up in (True, False))
    old = [one for one in found if one.newest.year <= 2024]
    recent = [one for one in found if one.newest.year > 2024]
    level = {
        name: sum(one.matched for one in group)
        for name, group in (("all", found), ("used", used), ("left", left), ("old", old),
                            ("recent", recent))
    }  # fmt: skip
    return Finding(
        outcome=outcome_of(found),
        sentence=(
            f"The best open model is level with the best proprietary one, within a point, on "
            f"{level['all']} of {len(found)} benchmarks: on {level['old']} of the {len(old)} on "
            f"which no model newer than 2024 was measured, and on {level['recent']} of the "
            f"{len(recent)} others."
        ),
        conditions=(
            "the benchmarks are those of multiple-choice knowledge and common sense that makers "
            "stopped reporting by 2024",
            "proprietary models of today are not measured on them",
            "level means within a point of the best published score, whoever published it",
        ),
        measured=tuple(
            measured(f"level, {name}", 100 * level[key] / max(1, len(group)), "%")
            for name, key, group in (
                ("of all", "all", found),
                ("of those saturated", "used", used),
                ("of those not saturated", "left", left),
                ("of those with models of 2025 and later", "recent", recent),
            )
        ),
        evidence=(
            ClaimEvidence(title="Epoch AI, AI Benchmarking Hub (CC BY 4.0)",
                          url="https://epoch.ai/benchmarks", day=catalogue().newest.isoformat()),
            ClaimEvidence(title="Model by model on MMLU's own questions: "
                                "docs/explanation/parity-on-published-answers.md"),
        ),
        chart=ClaimChart(
            axis="points that the best open model is ahead",
            rows=tuple(map(_row, [one for one in found if not one.benchmark.unit][:SHOWN])),
            lines=(ClaimLine(value=0.0, text="level"),),
            key=(
                ("measured", "newest model of 2025 or later"),
                ("claimed", "none newer than 2024"),
            ),
            caption=f"The {SHOWN} benchmarks with most models; the table has all.",
        ),
        table=ClaimTable(
            columns=("benchmark", "best open", "best proprietary", "newest model", ""),
            rows=tuple(map(_table_row, found)),
        ),
    )  # fmt: skip


def _row(one: Standing) -> ClaimRow:
    recent = one.newest.year > 2024
    return ClaimRow(
        label=one.benchmark.title + (", saturated" if one.saturated else ""),
        figures=f"{100 * one.ahead:+.1f}",
        marks=(ClaimMark(value=100 * one.ahead, colour="measured" if recent else "claimed"),),
    )


def _table_row(one: Standing) -> tuple[str, ...]:
    cells = [
        f"{words.figure(point.score.value, one.benchmark)} {point.model.name}"
        for point in (one.open_best, one.proprietary_best)
    ]
    told = "level" if one.matched else "behind"
    return (one.benchmark.title, *cells, one.newest.isoformat(),
            told + (", saturated" if one.saturated else ""))  # fmt: skip


CLAIM = Claim(
    name="benchmark_parity",
    place=14,
    section="Conclusion",
    text="Open models now match or exceed proprietary systems on a majority of benchmarks.",
    check=check,
)
