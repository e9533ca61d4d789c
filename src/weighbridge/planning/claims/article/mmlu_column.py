"""The table's MMLU column: four published scores, of which one is of another kind."""

from datetime import date

from weighbridge.catalog.published import Score, catalogue
from weighbridge.documents.claims import ClaimChart, ClaimEvidence, ClaimMark, ClaimRow
from weighbridge.planning.claims.claim import Claim, Finding, measured

COLUMN = (
    ("Dense 70B", 0.795, "meta-llama-3-70b", "base"),
    ("MoE 8x7B", 0.706, "mixtral-8x7b-v0.1", "base"),
    ("MoE 236B", 0.785, "deepseek-v2", "base"),
    ("Dense 405B", 0.873, "llama-3.1-405b-instruct", "instruct"),
)
"""The article's rows, with the model and variant whose published score each is."""
ALIKE = ("llama-3.1-405b", "base", 0.852)
"""What would stand in the last row beside base models: Meta's card of Llama 3.1."""


def check(as_of: date) -> Finding:
    """Find each of the column's scores in the catalogue, with its variant."""
    facts = catalogue()
    found = {title: _score(model, variant, value) for title, value, model, variant in COLUMN}
    alike = _score(*ALIKE)
    others = sorted({s.value for s in facts.scores_on("mmlu") if s.model == COLUMN[3][2]})
    rows = [
        ClaimRow(
            label=f"{title}: {score.model}, {score.variant}",
            figures=f"{100 * score.value:.1f} %",
            marks=(
                ClaimMark(
                    value=100 * score.value,
                    colour="claimed" if score.variant == "base" else "other",
                ),
            ),
        )
        for title, score in found.items()
    ]
    rows.append(
        ClaimRow(
            label=f"Dense 405B, like the others: {alike.model}, {alike.variant}",
            figures=f"{100 * alike.value:.1f} %",
            marks=(ClaimMark(value=100 * alike.value, colour="claimed"),),
        )
    )
    sources = dict.fromkeys(score.source for score in (*found.values(), alike))
    return Finding(
        outcome="holds_if",
        sentence=(
            "Each score of the column was published, but three are of base models and 87.3 % is of "
            "Llama 3.1 405B Instruct. The base model has 85.2 %, and the Instruct one "
            f"{100 * others[0]:.1f} % where HELM asked it."
        ),
        conditions=(
            "each is read as its maker's own score, not as one column to compare",
            "compared are base models: 79.5, 70.6, 78.5 and 85.2 %",
        ),
        measured=(
            *(
                measured(f"{title} ({score.variant}, {score.shots}-shot)", 100 * score.value, "%")
                for title, score in found.items()
            ),
            measured("Dense 405B (base, 5-shot)", 100 * alike.value, "%"),
        ),
        evidence=tuple(ClaimEvidence(title=one.title, url=one.url) for one in sources),
        chart=ClaimChart(
            axis="MMLU, % right, five-shot",
            rows=tuple(rows),
            key=(("claimed", "base model"), ("other", "instruction-tuned model")),
        ),
    )


def _score(model: str, variant: str, value: float) -> Score:
    return next(
        score
        for score in catalogue().scores_on("mmlu")
        if (score.model, score.variant, score.value) == (model, variant, value)
    )


CLAIM = Claim(
    name="mmlu_column",
    place=11,
    section="Efficiency Breakthroughs",
    text="MMLU: dense 70B 79.5 %, MoE 8x7B 70.6 %, MoE 236B 78.5 %, dense 405B 87.3 %.",
    check=check,
)
