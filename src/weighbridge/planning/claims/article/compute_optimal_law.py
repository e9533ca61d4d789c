"""The compute-optimal law: how a budget is split between parameters and tokens."""

from datetime import date

import numpy as np

from weighbridge.documents.claims import (
    ClaimChart,
    ClaimEvidence,
    ClaimLine,
    ClaimMark,
    ClaimRow,
)
from weighbridge.planning.claims.claim import Claim, Finding, measured
from weighbridge.planning.scaling.allocation import allocate
from weighbridge.planning.scaling.forms import Chinchilla, tokens_at
from weighbridge.planning.scaling.published import known_law

BUDGET_FLOPS = 5.76e23
"""Gopher's and Chinchilla's compute (Hoffmann et al. 2022)."""
ROUNDED = Chinchilla(406.4, 410.7, 1.69, 0.34, 0.28)
"""The constants as the paper prints them, in its equation 10."""
LAWS = (
    ("epoch-chinchilla", "refitted to the same runs (Besiroglu et al. 2024)"),
    ("hoffmann-approach-1", "approach 1"),
    ("hoffmann-approach-2", "approach 2"),
    ("hoffmann", "approach 3, unrounded"),
)


def tokens_per_parameter(law: Chinchilla, flops: float = BUDGET_FLOPS) -> float:
    """Return D/N where the loss is lowest."""
    size = float(np.asarray(law.optimal_parameters(flops)))
    return float(tokens_at(flops, size)) / size


def check(as_of: date) -> Finding:
    """Ask each published version of the law to split one budget."""
    found = {name: allocate(known_law(name), BUDGET_FLOPS) for name, _ in LAWS}
    ratios = {name: one.tokens_per_parameter for name, one in found.items()}
    interval = found["epoch-chinchilla"].intervals["tokens_per_parameter"]
    assert interval is not None
    rounded = tokens_per_parameter(ROUNDED)
    rows = [
        ClaimRow(
            label=words[:1].upper() + words[1:],
            figures=f"{ratios[name]:.1f}",
            marks=(
                ClaimMark(
                    value=ratios[name],
                    colour="measured" if name == "epoch-chinchilla" else "other",
                    interval=interval if name == "epoch-chinchilla" else None,
                ),
            ),
        )
        for name, words in LAWS
    ]
    rows.append(
        ClaimRow(
            label="Approach 3, constants as printed",
            figures=f"{rounded:.1f}",
            marks=(ClaimMark(value=rounded, colour="claimed"),),
        )
    )
    return Finding(
        outcome="holds_if",
        sentence=(
            "The law's form holds: fitted again to the paper's own runs it asks for "
            f"{ratios['epoch-chinchilla']:.0f} tokens a parameter at Chinchilla's compute (95 % "
            f"interval {interval[0]:.0f} to {interval[1]:.0f}). The constants that the paper "
            f"prints ask for {rounded:.0f}: they were rounded and fitted short, and must not be "
            "used to plan."
        ),
        conditions=(
            "the constants are those of the refit, not the printed ones (alpha 0.34, beta 0.28)",
            "the constants are not rounded before a budget is split",
            "the data are like the paper's, and the budget within about ten times its largest run",
        ),
        measured=(
            measured(
                "tokens a parameter, refitted", ratios["epoch-chinchilla"], interval=interval
            ),
            *(
                measured(f"tokens a parameter, {words}", ratios[name])
                for name, words in LAWS[1:]
            ),
            measured("tokens a parameter, approach 3 as printed", rounded),
        ),
        evidence=(
            ClaimEvidence(
                title="Hoffmann et al. 2022", url="https://arxiv.org/abs/2203.15556",
                day="2022-03-29",
            ),
            ClaimEvidence(
                title="Besiroglu et al. 2024, Chinchilla Scaling: A replication attempt",
                url="https://arxiv.org/abs/2404.10102", day="2024-04-15",
            ),
        ),
        chart=ClaimChart(
            axis="tokens a parameter at 5.76e23 FLOPs",
            rows=tuple(rows),
            lines=(ClaimLine(value=20.0, text="rule of thumb: 20"),),
            log=True,
            key=(("measured", "refit, 95 % interval"), ("other", "paper, exact"),
                 ("claimed", "paper, as printed")),
        ),
    )  # fmt: skip


CLAIM = Claim(
    name="compute_optimal_law",
    place=1,
    section="The Compute-Optimal Paradigm",
    text=(
        "Given a fixed compute budget, the optimal allocation between model size and training "
        "tokens can be expressed as L(N, D) = E + A/N^alpha + B/D^beta."
    ),
    check=check,
)
