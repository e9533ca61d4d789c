"""The table's third row: a 236B mixture at 0.30 of a dense 70B's cost."""

from datetime import date

from weighbridge.documents.claims import ClaimEvidence
from weighbridge.planning.claims.claim import Claim, Finding
from weighbridge.planning.claims.serving_cost import measured_ratios, row_finding

CLAIMED = 0.30
OWN_STACK = 5.76
"""Times that DeepSeek-V2's most tokens a second are those of its dense 67B, both on its makers' own
engine (arXiv:2405.04434, abstract)."""


def check(as_of: date) -> Finding:
    """Compare 21B / 70B with the measured cost of serving Qwen3 235B-A22B, of about that size."""
    ratios = [
        ratio
        for ratio in measured_ratios("qwen3-235b-a22b", "llama-3.3-70b")
        if ratio.accelerator in ("h100-sxm", "h200-sxm", "b200-sxm")
    ]
    low, high = min(ratio.value for ratio in ratios), max(ratio.value for ratio in ratios)
    return row_finding(
        CLAIMED,
        "DeepSeek-V2",
        "deepseek-v2",
        ratios,
        sentence=(
            "A 236B mixture with 21B active computes 0.30 of what a dense 70B does for a token. In "
            f"NVIDIA's tables a mixture of that size costs {low:.2f} to {high:.2f} of the 70B; on "
            f"DeepSeek's own engine it cost {1 / OWN_STACK:.2f} of its dense 67B. The cost is a "
            "property of the deployment, not of the architecture."
        ),
        conditions=(
            "cost is counted in operations",
            "or the engine is built for the model, with experts spread over many accelerators and "
            "large batches, as its makers' was",
            "NVIDIA serves the mixture on 4 to 8 accelerators and the 70B on 1 or 2, near default "
            "settings",
        ),
        evidence=(
            ClaimEvidence(
                title="DeepSeek-V2: 5.76 times the throughput of DeepSeek 67B",
                url="https://arxiv.org/abs/2405.04434",
                day="2024-05-07",
            ),
        ),
    )


CLAIM = Claim(
    name="cost_moe_236b",
    place=9,
    section="Efficiency Breakthroughs",
    text="MoE 236B: 21B active parameters, relative inference cost 0.30x.",
    check=check,
)
