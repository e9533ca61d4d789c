"""The gap between open and proprietary models, said to have closed rapidly."""

from datetime import date

from weighbridge.catalog.published import catalogue
from weighbridge.documents.claims import (
    ClaimChart,
    ClaimEvidence,
    ClaimLine,
    ClaimMark,
    ClaimRow,
    Outcome,
)
from weighbridge.planning.claims.claim import Claim, Finding, measured
from weighbridge.planning.gap import words
from weighbridge.planning.gap.analysis import Gap, TooFewScores, measure

INDEX = "eci"
OTHERS = ("mmlu", "gpqa-diamond", "frontiermath", "swe-bench-bash", "arc-agi-2")
RESAMPLES = 100


def gaps(as_of: date) -> dict[str, Gap]:
    """Return the gap on the index and on each benchmark that has enough scores by then."""
    facts, found = catalogue(), {}
    for name in (INDEX, *OTHERS):
        try:
            found[name] = measure(facts, facts.benchmark(name), as_of, resamples=RESAMPLES)
        except TooFewScores:
            continue
    return found


def outcome_of(found: dict[str, Gap]) -> Outcome:
    """Return holds where the index narrows, holds_if where only some benchmark does."""
    if INDEX in found and found[INDEX].trend == "narrowing":
        return "holds"
    shorter = [one for one in found.values() if (one.change_months or 0) < 0]
    return "holds_if" if shorter else "fails"


def check(as_of: date) -> Finding:
    """Measure the lag in months on an index of many benchmarks, and on five of them."""
    found = gaps(as_of)
    index = found.get(INDEX)
    rows = []
    for gap in found.values():
        marks = [ClaimMark(value=gap.lag.months, interval=gap.lag.interval)]
        if gap.lag_before is not None:
            marks.append(ClaimMark(value=gap.lag_before.months, colour="claimed"))
        used = ", saturated" if gap.saturated else ""
        rows.append(
            ClaimRow(
                label=f"{gap.benchmark.title}, to {gap.now.day:%B %Y}{used}",
                figures=f"{gap.lag.months:.1f}",
                marks=tuple(marks),
            )
        )
    return Finding(
        outcome=outcome_of(found),
        sentence=_sentence(index, found.get("mmlu")),
        conditions=_conditions(found),
        measured=tuple(
            measured(f"behind on {gap.benchmark.title}", gap.lag.months, "months", gap.lag.interval)
            for gap in found.values()
        ),
        evidence=(
            ClaimEvidence(title="Epoch AI, AI Benchmarking Hub (CC BY 4.0)",
                          url="https://epoch.ai/benchmarks", day=catalogue().newest.isoformat()),
            ClaimEvidence(title="Method: weighbridge gap"),
        ),
        chart=ClaimChart(
            axis="months that open models are behind, mean of a year",
            rows=tuple(rows),
            lines=(ClaimLine(value=0.0, text="level"),),
            key=(("measured", "last year, 95 % interval"), ("claimed", "the year before")),
            caption=_caption(found),
        ),
    )  # fmt: skip


def _sentence(index: Gap | None, mmlu: Gap | None) -> str:
    told = ""
    if index is not None:
        told = (
            f"On Epoch's index of capabilities, open models were {words.months(index.lag)} behind "
            f"in the year to {index.now.day:%B %Y}"
        )
        if index.lag_before is not None and index.change_interval is not None:
            told += (
                f", against {index.lag_before.months:.1f} the year before: a change that can't be "
                "told from chance. "
                if index.trend == "no clear change"
                else f", against {index.lag_before.months:.1f} the year before. "
            )
        else:
            told += ". "
    if mmlu is not None:
        told += (
            f"On MMLU they are {words.difference(mmlu.now.difference, mmlu.benchmark)} apart"
            + (
                ", but it is saturated: there any two good models are close."
                if mmlu.saturated
                else "."
            )
        )
    return told or "Too few models were measured by that day to say how far apart the two are."


def _conditions(found: dict[str, Gap]) -> tuple[str, ...]:
    shorter = [
        f"on {gap.benchmark.title} ({-gap.change_months:.1f} months shorter, {gap.trend})"
        for gap in found.values()
        if gap.change_months is not None and gap.change_months < 0
    ]
    in_months = f", or in months {' or '.join(shorter)}" if shorter else ""
    saturated = "the gap is counted in points on a benchmark that is saturated, such as MMLU"
    return (saturated + in_months,)


def _caption(found: dict[str, Gap]) -> str:
    wider = [gap.benchmark.title for gap in found.values() if gap.trend == "widening"]
    return f"The lag got longer on {', '.join(wider)}." if wider else ""


CLAIM = Claim(
    name="narrowing_gap",
    place=3,
    section="The Narrowing Gap",
    text=(
        "The performance gap between open and proprietary models has closed rapidly: open models "
        "are converging with proprietary systems."
    ),
    check=check,
)
