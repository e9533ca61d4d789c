"""The table's fourth row: a dense 405B at 5.8 times a dense 70B's cost."""

from datetime import date

from weighbridge.planning.claims.claim import Claim, Finding
from weighbridge.planning.claims.serving_cost import measured_ratios, row_finding

CLAIMED = 5.8


def check(as_of: date) -> Finding:
    """Hold 405B over 70B against NVIDIA's table."""
    ratios = measured_ratios("llama-3.1-405b", "llama-3.3-70b")
    told = ", ".join(
        f"{ratio.value:.1f} on {ratio.accelerator.removesuffix('-sxm').upper()}" for ratio in ratios
    )
    return row_finding(
        CLAIMED,
        "Llama 3.1 405B",
        "llama-3.1-405b",
        ratios,
        sentence=(
            "For dense models the article's rule holds: Llama 3.1 405B costs what its size says, "
            f"5.8 times a 70B, and as measured {told}."
        ),
        conditions=("both models are dense", "each in the precision that its accelerator is for"),
    )


CLAIM = Claim(
    name="cost_dense_405b",
    place=10,
    section="Efficiency Breakthroughs",
    text="Dense 405B: 405B active parameters, relative inference cost 5.8x.",
    check=check,
)
