"""A mixture's compute for a token scales with its active parameters, not with all of them."""

from datetime import date

from weighbridge.catalog.models import find_model
from weighbridge.documents.claims import ClaimChart, ClaimLine, ClaimMark, ClaimRow
from weighbridge.planning.anatomy import (
    active_parameters,
    forward_flops,
    parameters,
    read_architecture,
)
from weighbridge.planning.claims.claim import COMPUTED, Claim, Finding, measured

MODELS = ("mixtral-8x7b", "deepseek-v2", "deepseek-v3", "qwen3-235b-a22b", "gpt-oss-120b")
SHORT, LONG = 1024, 131_072


def flops_over_active(model: str, context: int) -> float:
    """Return operations for a token over twice the active parameters, which is the rule."""
    architecture = read_architecture(find_model(model).config, model)
    return forward_flops(architecture, context) / (2 * active_parameters(architecture))


def check(as_of: date) -> Finding:
    """Count the operations of five mixtures, with a short and with a long context."""
    short = {model: flops_over_active(model, SHORT) for model in MODELS}
    long = {model: flops_over_active(model, LONG) for model in MODELS}
    rows = []
    for model in MODELS:
        architecture = read_architecture(find_model(model).config, model)
        share = parameters(architecture) / active_parameters(architecture)
        rows.append(
            ClaimRow(
                label=f"{find_model(model).title}: {share:.1f} times as many parameters in all",
                figures=f"{short[model]:.2f}x, long {long[model]:.2f}x",
                marks=(
                    ClaimMark(value=short[model]),
                    ClaimMark(value=long[model], colour="other"),
                    ClaimMark(value=share, colour="claimed"),
                ),
            )
        )
    most = max(long, key=lambda model: long[model])
    return Finding(
        outcome="holds_if",
        sentence=(
            "A mixture's arithmetic for a token follows its active parameters within "
            f"{100 * max(abs(value - 1) for value in short.values()):.0f} % at a context of 1,024 "
            "tokens. At 131,072 attention itself counts: "
            f"{find_model(most).title} then computes {long[most]:.1f} times that."
        ),
        conditions=(
            "the context is short, so that attention's own operations are few",
            "what is counted is arithmetic: memory holds, and a large batch reads, all experts",
        ),
        measured=(
            *(measured(f"{model}, {SHORT:,} tokens", value, "x") for model, value in short.items()),
            *(measured(f"{model}, {LONG:,} tokens", value, "x") for model, value in long.items()),
        ),
        evidence=(COMPUTED,),
        chart=ClaimChart(
            axis="operations a token over 2 x active parameters",
            rows=tuple(rows),
            lines=(ClaimLine(value=1.0, text="active parameters"),),
            log=True,
            key=(
                ("measured", "at 1,024 tokens"),
                ("other", "at 131,072 tokens"),
                ("claimed", "if all parameters counted"),
            ),
        ),
    )


CLAIM = Claim(
    name="compute_scales_with_active",
    place=5,
    section="Efficiency Breakthroughs",
    text="The effective compute per token scales with active parameters rather than with all.",
    check=check,
)
