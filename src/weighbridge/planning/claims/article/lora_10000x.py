"""LoRA's reduction of trainable parameters, said to be typically 10,000-fold."""

from datetime import date

from weighbridge.catalog.models import find_model
from weighbridge.documents.claims import (
    ClaimChart,
    ClaimEvidence,
    ClaimLine,
    ClaimMark,
    ClaimRow,
)
from weighbridge.planning.anatomy import lora_parameters, parameters, read_architecture
from weighbridge.planning.claims.claim import COMPUTED, Claim, Finding, measured, written

CLAIMED = 10_000
GPT3 = {"layers": 96, "width": 12_288, "parameters": 175e9}
"""GPT-3 175B (Brown et al. 2020, table 2.1), on which LoRA's paper counted its 10,000."""
CASES = (
    ("llama-3-8b", 16, "all-linear"),
    ("llama-3-70b", 16, "all-linear"),
    ("llama-3-70b", 4, "q_proj,v_proj"),
    ("llama-3.1-405b", 16, "all-linear"),
    ("llama-3.1-405b", 4, "q_proj,v_proj"),
    ("llama-3.1-405b", 1, "q_proj,v_proj"),
)


def reduction(model: str, rank: int, targets: str) -> float:
    """Return all parameters over those that LoRA trains."""
    architecture = read_architecture(find_model(model).config, model)
    chosen = targets if targets == "all-linear" else tuple(targets.split(","))
    return parameters(architecture) / lora_parameters(architecture, rank, chosen)


def gpt3_reduction(rank: int, matrices: int = 2) -> float:
    """Return the same for GPT-3 175B with LoRA on so many square matrices of each layer."""
    trained = GPT3["layers"] * matrices * rank * 2 * GPT3["width"]
    return GPT3["parameters"] / trained


def matrix_reduction(width: int, rank: int) -> float:
    """Return d·d / (r (d + d)), the reduction of one square matrix."""
    return width * width / (rank * 2 * width)


def check(as_of: date) -> Finding:
    """Count what LoRA trains in models of today, and where 10,000 comes from."""
    found = {case: reduction(*case) for case in CASES}
    gpt3 = gpt3_reduction(4)
    usual = [found[case] for case in CASES if case[1] == 16]
    rows = [
        ClaimRow(
            label="GPT-3 175B, rank 4 on query and value",
            figures=written(gpt3, "x"),
            marks=(ClaimMark(value=gpt3, colour="claimed"),),
        )
    ]
    for (model, rank, targets), value in found.items():
        where = "all linear layers" if targets == "all-linear" else "query and value"
        rows.append(
            ClaimRow(
                label=f"{find_model(model).title}, rank {rank} on {where}",
                figures=written(value, "x"),
                marks=(ClaimMark(value=value, colour="measured" if rank == 16 else "other"),),
            )
        )
    return Finding(
        outcome="holds_if",
        sentence=(
            "LoRA's 10,000-fold reduction is GPT-3's: rank 4 on query and value of 175B parameters "
            f"({gpt3:,.0f}-fold). With today's usual setting, rank 16 on all linear layers, it is "
            f"{min(usual):,.0f}- to {max(usual):,.0f}-fold on models of 8B to 405B."
        ),
        conditions=(
            "a model of about 80B parameters or more",
            "a rank of 4 or less, on two matrices of each layer's attention",
        ),
        measured=(
            measured("GPT-3 175B, rank 4, query and value", gpt3, "x"),
            *(
                measured(f"{model}, rank {rank}, {targets}", value, "x")
                for (model, rank, targets), value in found.items()
            ),
            measured("one 8192 x 8192 matrix at rank 16", matrix_reduction(8192, 16), "x"),
        ),
        evidence=(
            ClaimEvidence(title="Hu et al. 2021, LoRA", url="https://arxiv.org/abs/2106.09685"),
            COMPUTED,
        ),
        chart=ClaimChart(
            axis="all parameters over trained ones",
            rows=tuple(rows),
            lines=(ClaimLine(value=CLAIMED, text="article: 10,000x"),),
            log=True,
            key=(
                ("claimed", "LoRA's paper"),
                ("measured", "rank 16, all linear layers"),
                ("other", "small rank, query and value"),
            ),
        ),
    )


CLAIM = Claim(
    name="lora_10000x",
    place=12,
    section="Fine-Tuning as Democratization",
    text="LoRA reduces trainable parameters, typically a 10,000x reduction.",
    check=check,
)
