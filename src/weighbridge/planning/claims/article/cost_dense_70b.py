"""The table's first row: the dense 70B that all other costs are counted in."""

from datetime import date

from weighbridge.catalog.serving_rates import serving_rates
from weighbridge.documents.claims import ClaimChart, ClaimMark, ClaimRow
from weighbridge.planning.claims.claim import Claim, Finding, measured
from weighbridge.planning.claims.serving_cost import Ratio, compute_ratio, rate_evidence


def check(as_of: date) -> Finding:
    """Show what the unit is worth: measured rates of one accelerator."""
    rates = [
        rate
        for rate in serving_rates()
        if rate.model == "llama-3.3-70b" and (rate.input_tokens, rate.output_tokens) == (1000, 1000)
        and rate.accelerator in ("h100-sxm", "h200-sxm", "b200-sxm")
    ]  # fmt: skip
    rates.sort(key=lambda rate: (rate.accelerator, rate.source.day))
    sources = [Ratio("", "", 1.0, 1.0, 1.0, 1, rate.source) for rate in rates]
    names = {
        rate: f"{rate.accelerator.removesuffix('-sxm').upper()} in {rate.precision.upper()}, "
        f"TensorRT-LLM {rate.source.title.split()[2][:3]}"
        for rate in rates
    }
    h100 = [rate.tokens_per_second for rate in rates if rate.accelerator == "h100-sxm"]
    return Finding(
        outcome="holds",
        sentence=(
            "The first row is the unit: all parameters of a dense model are active, so its cost is "
            f"1.0 by definition. One H100 writes {min(h100):,.0f} to {max(h100):,.0f} tokens a "
            "second of it, with prompts and answers of 1,000 tokens."
        ),
        conditions=("the other rows are served on the same accelerator",),
        measured=(
            measured("active over all parameters", compute_ratio("llama-3-70b"), "x"),
            *(measured(names[rate], rate.tokens_per_second, "tokens/s") for rate in rates),
        ),
        evidence=rate_evidence(sources),
        chart=ClaimChart(
            axis="output tokens a second of one accelerator",
            caption="Prompts and answers of 1,000 tokens.",
            rows=tuple(
                ClaimRow(
                    label=names[rate],
                    figures=f"{rate.tokens_per_second:,.0f}",
                    marks=(ClaimMark(value=rate.tokens_per_second),),
                )
                for rate in rates
            ),
            key=(("measured", "Llama 3.3 70B, measured"),),
        ),
    )


CLAIM = Claim(
    name="cost_dense_70b",
    place=7,
    section="Efficiency Breakthroughs",
    text="Dense 70B: 70B active parameters, relative inference cost 1.0x.",
    check=check,
)
