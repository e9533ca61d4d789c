"""The table's second row: Mixtral 8x7B at 0.18 of a dense 70B's cost."""

from datetime import date

from weighbridge.planning.claims.claim import Claim, Finding
from weighbridge.planning.claims.serving_cost import measured_ratios, row_finding

CLAIMED = 0.18


def check(as_of: date) -> Finding:
    """Compare 12.9B / 70B with the serving costs that MLPerf measured, both on one machine."""
    ratios = [
        ratio
        for ratio in measured_ratios("mixtral-8x7b", "llama-2-70b")
        if ratio.accelerator in ("h200-sxm", "mi300x", "mi325x")
    ]
    low, high = min(ratio.value for ratio in ratios), max(ratio.value for ratio in ratios)
    return row_finding(
        CLAIMED,
        "Mixtral 8x7B",
        "mixtral-8x7b",
        ratios,
        sentence=(
            "Mixtral 8x7B computes 0.18 of what a dense 70B does for a token, as the article says, "
            f"but served in MLPerf it costs {low:.2f} to {high:.2f} of it: about three times the "
            "claim."
        ),
        conditions=(
            "cost is counted in operations; or every request is served alone, so that only the "
            "chosen experts are read",
            "a server's batch of 8 already reads 90 % of the experts (1 - (1 - 2/8)^8)",
            "MLPerf asks the two models different prompts: 294 tokens in for both, but 145 out for "
            "Mixtral and 294 for the 70B",
        ),
    )


CLAIM = Claim(
    name="cost_moe_8x7b",
    place=8,
    section="Efficiency Breakthroughs",
    text="MoE 8x7B: 46.7B parameters, 12.9B active, relative inference cost 0.18x.",
    check=check,
)
