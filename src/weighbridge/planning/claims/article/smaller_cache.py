"""DeepSeek-V2's cache, 93.3 % smaller than its dense predecessor's."""

from datetime import date

from weighbridge.catalog.models import find_model
from weighbridge.documents.claims import (
    ClaimChart,
    ClaimEvidence,
    ClaimLine,
    ClaimMark,
    ClaimRow,
)
from weighbridge.planning.anatomy import kv_cache_bytes_per_token, read_architecture
from weighbridge.planning.claims.claim import COMPUTED, Claim, Finding, measured

CLAIMED = 93.3
BF16_BYTES = 2
CACHE_BITS, PLAIN_BITS = 6, 16
"""Bits a number in DeepSeek-V2's cache as deployed (arXiv:2405.04434, section 3.2.3), and else."""


def elements_per_token(model: str) -> float:
    """Return how many numbers a model caches for a token."""
    cached = kv_cache_bytes_per_token(read_architecture(find_model(model).config, model))
    return cached / BF16_BYTES


def smaller_by(bits: float, dense_bits: float = PLAIN_BITS) -> float:
    """Return by how many per cent DeepSeek-V2's cache is smaller than DeepSeek 67B's."""
    new, old = elements_per_token("deepseek-v2"), elements_per_token("deepseek-llm-67b")
    return 100 * (1 - new * bits / (old * dense_bits))


def check(as_of: date) -> Finding:
    """Count the numbers that both models cache for a token."""
    alike, deployed = smaller_by(PLAIN_BITS), smaller_by(CACHE_BITS)
    new, old = elements_per_token("deepseek-v2"), elements_per_token("deepseek-llm-67b")
    rows = (
        ("both at 16 bits", alike),
        ("DeepSeek-V2 at 8 bits, 67B at 16", smaller_by(8)),
        ("DeepSeek-V2 at 6 bits, 67B at 16: as deployed", deployed),
    )
    return Finding(
        outcome="holds_if",
        sentence=(
            "DeepSeek-V2's cache is 93.3 % smaller than DeepSeek 67B's as deployed, with six bits "
            f"a number against sixteen. At one precision it is {alike:.1f} % smaller: {new:,.0f} "
            f"numbers a token against {old:,.0f}."
        ),
        conditions=(
            "its cache is kept at 6 bits a number and the 67B's at 16",
            "at one precision the architecture alone saves 82.2 %",
        ),
        measured=(
            measured("smaller at one precision", alike, "%"),
            measured("smaller as deployed", deployed, "%", digits=4),
            measured("DeepSeek-V2", new, "numbers a token"),
            measured("DeepSeek 67B", old, "numbers a token"),
        ),
        evidence=(
            ClaimEvidence(
                title="DeepSeek-V2", url="https://arxiv.org/abs/2405.04434", day="2024-05-07"
            ),
            COMPUTED,
        ),
        chart=ClaimChart(
            axis="% smaller than DeepSeek 67B's cache",
            rows=tuple(
                ClaimRow(label=name, figures=f"{value:.1f} %", marks=(ClaimMark(value=value),))
                for name, value in rows
            ),
            lines=(ClaimLine(value=CLAIMED, text="claimed: 93.3 %"),),
            key=(("measured", "counted from both configurations"),),
        ),
    )


CLAIM = Claim(
    name="smaller_cache",
    place=6,
    section="Efficiency Breakthroughs",
    text="DeepSeek-V2 (the article's source): a key-value cache 93.3 % smaller.",
    check=check,
)
