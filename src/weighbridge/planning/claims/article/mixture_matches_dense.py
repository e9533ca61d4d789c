"""A 236B mixture that activates 21B against dense models of three to five times that."""

from datetime import date

from weighbridge.catalog.published import catalogue
from weighbridge.documents.claims import (
    ClaimChart,
    ClaimEvidence,
    ClaimLine,
    ClaimMark,
    ClaimRow,
    Colour,
)
from weighbridge.planning.claims.claim import Claim, Finding, measured

MIXTURE = "deepseek-v2"
DENSE = ("deepseek-llm-67b", "meta-llama-3-70b")
COLOURS: dict[str, Colour] = {"mmlu": "measured", "bbh": "other", "gsm8k": "claimed"}
BENCHMARKS = tuple(COLOURS)
MATCHED_POINTS = 1.0
"""Behind by no more than this counts as matched."""
SOURCE = "DeepSeek, README of DeepSeek-V2"


def size_ratio(dense: str) -> float:
    """Return a dense model's parameters over the mixture's active ones."""
    facts = catalogue()
    active = facts.models[MIXTURE].active_parameters
    whole = facts.models[dense].parameters
    assert active is not None and whole is not None
    return whole / active


def points_ahead(dense: str, benchmark: str) -> float:
    """Return by how many points the mixture is ahead, where one harness asked both."""
    scores = {
        score.model: score.value
        for score in catalogue().scores_on(benchmark)
        if score.source.title == SOURCE
    }
    return 100 * (scores[MIXTURE] - scores[dense])


def check(as_of: date) -> Finding:
    """Compare base models as one harness measured them."""
    titles = {name: catalogue().models[name].title for name in DENSE}
    ahead = {(d, b): points_ahead(d, b) for d in DENSE for b in BENCHMARKS}
    matched = {
        dense: [b for b in BENCHMARKS if ahead[dense, b] >= -MATCHED_POINTS] for dense in DENSE
    }
    ratio = {dense: size_ratio(dense) for dense in DENSE}
    url = next(score.source.url for score in catalogue().scores if score.source.title == SOURCE)
    everywhere = all(len(found) == len(BENCHMARKS) for found in matched.values())
    return Finding(
        outcome="holds" if everywhere else "holds_if",
        sentence=(
            "With 21B active parameters DeepSeek-V2 matches Llama 3 70B, which is "
            f"{ratio[DENSE[1]]:.1f} times that, within a point on MMLU, but is "
            f"{-ahead[DENSE[1], 'bbh']:.1f} points behind on BBH and "
            f"{-ahead[DENSE[1], 'gsm8k']:.1f} on GSM8K. It beats its maker's own dense 67B on all "
            "three. No dense model of five times its active size was measured beside it."
        ),
        conditions=(
            "the measure is MMLU, or the dense model is its maker's own 67B",
            f"dense means {ratio[DENSE[0]]:.1f} to {ratio[DENSE[1]]:.1f} times the active size; "
            "five times would be 107B",
            "scores are DeepSeek's own, of base models",
        ),
        measured=(
            *(measured(f"{titles[d]} over 21.4B active", ratio[d], "x") for d in DENSE),
            *(
                measured(f"ahead of {titles[d]} on {b}", value, "points")
                for (d, b), value in ahead.items()
            ),
        ),
        evidence=(ClaimEvidence(title=SOURCE, url=url, day="2024-05-07"),),
        chart=ClaimChart(
            axis="points that DeepSeek-V2 is ahead",
            rows=tuple(
                ClaimRow(
                    label=f"{titles[dense]}, {catalogue().benchmarks[b].title}",
                    figures=f"{ahead[dense, b]:+.1f}",
                    marks=(ClaimMark(value=ahead[dense, b], colour=COLOURS[b]),),
                )
                for dense in DENSE
                for b in BENCHMARKS
            ),
            lines=(ClaimLine(value=0.0, text="equal"),),
            key=tuple((COLOURS[b], catalogue().benchmarks[b].title) for b in BENCHMARKS),
        ),
    )


CLAIM = Claim(
    name="mixture_matches_dense",
    place=4,
    section="Efficiency Breakthroughs",
    text=(
        "A 236B total-parameter MoE model activating only 21B parameters per token could match "
        "dense models 3-5x its active size."
    ),
    check=check,
)
