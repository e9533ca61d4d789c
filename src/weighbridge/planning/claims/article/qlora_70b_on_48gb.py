"""QLoRA of a 70B on one GPU of 48 GB."""

from dataclasses import replace
from datetime import date

from weighbridge.catalog.models import find_model
from weighbridge.documents.claims import (
    ClaimChart,
    ClaimEvidence,
    ClaimLine,
    ClaimMark,
    ClaimRow,
)
from weighbridge.planning.anatomy import read_architecture
from weighbridge.planning.claims.claim import Claim, Finding, measured
from weighbridge.planning.tuning_memory import WEIGHBRIDGE, MemoryBudget, TuningSetup

MODEL = "llama-3-70b"
MEMORY_BYTES = 48_000_000_000
FITTING = TuningSetup(
    method="qlora", rank=16, row_tokens=2048, checkpointing=True, optimizer="adamw-8bit"
)
CHANGES = (
    ("as above, AdamW in 32 bits", {"optimizer": "adamw"}),
    ("as above, logits of all positions at once", {"loss": "whole"}),
    ("as above, embeddings in float32", {"float32_embeddings": True}),
    ("as above, rows of 4,096 tokens", {"row_tokens": 4096}),
    ("as above, rank 64", {"rank": 64}),
    ("as above, activations kept", {"checkpointing": False}),
    ("as above, weights in 16 bits (LoRA)", {"method": "lora"}),
)


def budget() -> MemoryBudget:
    """Return the model on one device of 48 GB."""
    architecture = read_architecture(find_model(MODEL).config, MODEL)
    return MemoryBudget(architecture, WEIGHBRIDGE, MEMORY_BYTES)


def check(as_of: date) -> Finding:
    """Forecast the peak of a lean setting, and of each setting that gives one saving up."""
    device = budget()
    peak = device.forecast(FITTING).peak_bytes / 1e9
    changed = {
        name: device.forecast(replace(FITTING, **change)).peak_bytes / 1e9
        for name, change in CHANGES
    }
    fits = device.fits(FITTING)
    longest, largest = device.most(FITTING, "row_tokens"), device.most(FITTING, "rank")
    needed = device.conditions(FITTING)
    limit = MEMORY_BYTES / 1e9
    rows = [("rank 16, one row of 2,048 tokens, every saving on", peak), *changed.items()]
    return Finding(
        outcome="holds_if" if fits else "fails",
        sentence=(
            f"Llama 3 70B is tuned with QLoRA in {peak:.1f} GB, so one GPU of 48 GB does hold it, "
            f"but only with savings in place, at rank {largest} and rows of {longest:,} tokens at "
            f"most. Of seven settings that give one saving up, "
            f"{sum(value > limit for value in changed.values())} don't fit."
        ),
        conditions=(
            *(f"{one.name} (else {one.otherwise_bytes / 1e9:.1f} GB)" for one in needed),
            f"one row at a time, of at most {longest:,} tokens",
            f"a rank of at most {largest} on all linear layers",
        ),
        measured=(
            measured("peak", peak, "GB"),
            measured("longest row", longest, "tokens", digits=4),
            measured("largest rank", largest, digits=4),
            *(measured(name, value, "GB") for name, value in changed.items()),
        ),
        evidence=(
            ClaimEvidence(title="Forecast of weighbridge plan tune, checked on 116 published runs"),
            ClaimEvidence(
                title="Dettmers et al. 2023, QLoRA", url="https://arxiv.org/abs/2305.14314"
            ),
        ),
        chart=ClaimChart(
            axis="peak memory, GB, Llama 3 70B with QLoRA",
            rows=tuple(
                ClaimRow(
                    label=name,
                    figures=f"{value:.1f} GB",
                    marks=(
                        ClaimMark(value=value, colour="measured" if value <= limit else "other"),
                    ),
                )
                for name, value in rows
            ),
            lines=(ClaimLine(value=limit, text="48 GB"),),
            key=(("measured", "fits"), ("other", "does not fit")),
            log=True,
        ),
    )


CLAIM = Claim(
    name="qlora_70b_on_48gb",
    place=13,
    section="Fine-Tuning as Democratization",
    text="With QLoRA, a 70B parameter model can be fine-tuned on a single 48GB GPU.",
    check=check,
)
