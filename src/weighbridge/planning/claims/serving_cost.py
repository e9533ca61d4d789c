"""What serving a model costs against a dense 70B: by arithmetic, and as it was measured.

The article takes cost for proportional to active parameters. That is the arithmetic of a token. A
server pays for time: it also reads all experts' weights once its batch is large, keeps caches, and
exchanges tokens between accelerators.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from weighbridge.catalog.models import find_model
from weighbridge.catalog.serving_rates import RateSource, ServingRate, serving_rates
from weighbridge.documents.claims import (
    ClaimChart,
    ClaimEvidence,
    ClaimLine,
    ClaimMark,
    ClaimRow,
    Colour,
    Outcome,
)
from weighbridge.planning.anatomy import active_parameters, read_architecture
from weighbridge.planning.claims.claim import COMPUTED, Finding, measured, written

DENSE = "llama-3-70b"
NEAR = 0.25
"""A measured cost agrees with a claimed one within so much of it."""
KEY: tuple[tuple[Colour, str], ...] = (
    ("claimed", "active parameters over 70B's"),
    ("measured", "measured cost, median"),
)


@dataclass(frozen=True)
class Ratio:
    """Cost of a model over that of the 70B, on one accelerator and by one publisher.

    Attributes:
        model: The model.
        accelerator: The accelerator.
        value: Median over loads that both were measured at.
        low: Least of them.
        high: Most of them.
        loads: How many.
        source: The publisher.
    """

    model: str
    accelerator: str
    value: float
    low: float
    high: float
    loads: int
    source: RateSource


def compute_ratio(model: str, dense: str = DENSE) -> float:
    """Return a model's active parameters over the dense one's."""
    sizes = [
        active_parameters(read_architecture(find_model(name).config, name))
        for name in (model, dense)
    ]
    return sizes[0] / sizes[1]


def measured_ratios(model: str, dense: str) -> tuple[Ratio, ...]:
    """Return what a model costs over a dense one, by accelerator and publisher.

    An hour of an accelerator costs the same whatever it serves, so this is the ratio of the rates
    of one accelerator, each model in the layout that its publisher found best.
    """
    by_place: dict[tuple[str, RateSource], list[float]] = {}
    for other, own in _pairs(model, dense):
        where = (own.accelerator, own.source)
        by_place.setdefault(where, []).append(other.tokens_per_second / own.tokens_per_second)
    return tuple(
        Ratio(model, accelerator, median(found), min(found), max(found), len(found), source)
        for (accelerator, source), found in sorted(
            by_place.items(), key=lambda item: (item[0][0], item[0][1].day)
        )
    )


def _pairs(model: str, dense: str) -> Sequence[tuple[ServingRate, ServingRate]]:
    """Return rates of the dense model and of the other at the same load and place."""

    def place(rate: ServingRate) -> tuple[object, ...]:
        # MLPerf's tasks differ in their prompts from model to model, its accelerators don't.
        load = (rate.input_tokens, rate.output_tokens) if "MLPerf" not in rate.source.title else ()
        return (rate.accelerator, rate.source.title, *load)

    best: dict[tuple[object, ...], ServingRate] = {}
    for rate in serving_rates():
        if rate.model == dense:
            held = best.get(place(rate))
            if held is None or held.tokens_per_second < rate.tokens_per_second:
                best[place(rate)] = rate
    return [
        (best[place(rate)], rate)
        for rate in serving_rates()
        if rate.model == model and place(rate) in best
    ]


def row_finding(
    claimed: float,
    title: str,
    model: str,
    ratios: Sequence[Ratio],
    sentence: str,
    conditions: tuple[str, ...],
    evidence: Sequence[ClaimEvidence] = (),
) -> Finding:
    """Return the finding for a row of the article's table.

    Args:
        claimed: Its relative cost.
        title: What the row is of.
        model: The catalogue's model that it is.
        ratios: Measured ones.
        sentence: The finding.
        conditions: Under which it holds.
        evidence: Beside the rates.
    """
    computed = compute_ratio(model)
    rows = [_row(ratio) for ratio in ratios]
    by_arithmetic = ClaimRow(
        label=f"{title}: active parameters over Llama 3 70B's",
        figures=written(computed, "x"),
        marks=(ClaimMark(value=computed, colour="claimed"),),
    )
    return Finding(
        outcome=outcome_of(claimed, computed, ratios),
        sentence=sentence,
        conditions=conditions,
        measured=(
            measured("active parameters over Llama 3 70B's", computed, "x"),
            *(measured(_label(ratio), ratio.value, "x") for ratio in ratios),
        ),
        evidence=(*rate_evidence(ratios), *evidence, COMPUTED),
        chart=ClaimChart(
            axis="cost over that of a dense 70B",
            rows=(by_arithmetic, *rows),
            lines=(ClaimLine(value=claimed, text=f"article: {claimed:g}x"),),
            log=True,
            key=KEY,
            caption="Lines span the loads (lengths of prompts and answers) that were measured.",
        ),
    )


def outcome_of(claimed: float, computed: float, ratios: Sequence[Ratio]) -> Outcome:
    """Return holds where arithmetic and every measurement agree, holds_if where arithmetic does."""
    if abs(computed / claimed - 1) > 0.1:
        return "fails"
    agree = all(abs(ratio.value / claimed - 1) <= NEAR for ratio in ratios)
    return "holds" if agree else "holds_if"


def rate_evidence(ratios: Sequence[Ratio]) -> tuple[ClaimEvidence, ...]:
    """Return the publishers of measured rates."""
    sources = dict.fromkeys(ratio.source for ratio in ratios)
    return tuple(
        ClaimEvidence(title=source.title, url=source.url, day=source.day.isoformat())
        for source in sources
    )


def _row(ratio: Ratio) -> ClaimRow:
    mark = ClaimMark(value=ratio.value, interval=(ratio.low, ratio.high))
    return ClaimRow(label=_label(ratio), figures=written(ratio.value, "x"), marks=(mark,))


def _label(ratio: Ratio) -> str:
    publisher = "MLPerf 5.1" if "MLPerf" in ratio.source.title else "TRT-LLM"
    edition = "" if publisher.startswith("MLPerf") else f" {ratio.source.title.split()[2][:3]}"
    chip = ratio.accelerator.removesuffix("-sxm").upper()
    return f"{_TITLES.get(ratio.model, ratio.model)}, {chip}, {publisher}{edition}"


_TITLES = {
    "mixtral-8x7b": "Mixtral 8x7B",
    "qwen3-235b-a22b": "Qwen3 235B-A22B",
    "llama-3.1-405b": "Llama 3.1 405B",
    "llama-4-maverick": "Llama 4 Maverick",
}
