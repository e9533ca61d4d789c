"""Many early large models were undertrained for their size."""

from datetime import date

import numpy as np

from weighbridge.catalog.published import catalogue
from weighbridge.documents.claims import ClaimChart, ClaimEvidence, ClaimMark, ClaimRow, ClaimTable
from weighbridge.planning.claims.claim import Claim, Finding, Interval, measured, written
from weighbridge.planning.scaling.forms import tokens_at
from weighbridge.planning.scaling.parametric import percentile_interval
from weighbridge.planning.scaling.published import known_law

EARLY = ("gpt-3-175b", "jurassic-1-jumbo", "gopher-280b", "megatron-turing-nlg-530b", "lamda-137b",
         "palm-540b", "opt-175b", "bloom-176b")  # fmt: skip
"""Dense models of 100B parameters and more, from GPT-3 to the summer after Hoffmann et al."""
LATER = ("chinchilla-70b", "meta-llama-3-70b", "meta-llama-3-8b")
LAW = "epoch-chinchilla"
UNDERTRAINED = 2.0
"""Given less than half of the tokens that its compute asks for."""


def ratio(name: str) -> float:
    """Return a model's training tokens over its parameters."""
    model = catalogue().models[name]
    assert model.training_tokens is not None and model.parameters is not None
    return model.training_tokens / model.parameters


def optimal_ratio(name: str) -> tuple[float, Interval]:
    """Return tokens a parameter that are best for a model's own compute, with their interval."""
    model, law = catalogue().models[name], known_law(LAW)
    assert model.training_tokens is not None and model.parameters is not None
    flops = 6 * model.parameters * model.training_tokens
    size = float(np.asarray(law.law.optimal_parameters(flops)))
    assert law.draws is not None
    sizes = law.draws.optimal_parameters(flops)
    drawn = tokens_at(flops, sizes) / sizes
    return float(tokens_at(flops, size)) / size, percentile_interval(np.asarray(drawn))


def check(as_of: date) -> Finding:
    """Hold each model's tokens against those that are best for its own compute."""
    facts = catalogue()
    best = {name: optimal_ratio(name) for name in (*EARLY, *LATER)}
    short = {name: best[name][0] / ratio(name) for name in (*EARLY, *LATER)}
    under = [name for name in EARLY if short[name] >= UNDERTRAINED]
    share = len(under) / len(EARLY)
    rows = tuple(
        ClaimRow(
            label=f"{facts.models[name].title}, {facts.models[name].released.year}",
            figures=f"{written(ratio(name))}, best {best[name][0]:.3g}",
            marks=(
                ClaimMark(value=best[name][0], colour="measured", interval=best[name][1]),
                ClaimMark(value=ratio(name), colour="claimed"),
            ),
        )
        for name in (*EARLY, *LATER)
    )
    least, most = (end(short[name] for name in EARLY) for end in (min, max))
    modern = 1 / short["meta-llama-3-8b"]
    return Finding(
        outcome="holds" if share > 0.5 else "holds_if" if under else "fails",
        sentence=(
            f"{len(under)} of {len(EARLY)} dense models of 100B parameters and more, from GPT-3 to "
            f"BLOOM, had less than half the tokens a parameter that their own compute asks for: "
            f"{least:.0f} to {most:.0f} times too few. Since then it has turned round: Llama 3 8B "
            f"saw {modern:.0f} times that, because serving costs, too."
        ),
        conditions=(
            "best is by the law as refitted (Besiroglu et al. 2024); by Kaplan's of 2020, which "
            "these models followed, they had more than enough tokens",
            "what counts is the loss for the compute of training alone",
        ),
        measured=tuple(
            measured(f"{facts.models[name].title}, too few tokens a parameter", short[name], "x")
            for name in (*EARLY, *LATER)
        ),
        evidence=(
            ClaimEvidence(title="Hoffmann et al. 2022, table 1: sizes and tokens",
                          url="https://arxiv.org/abs/2203.15556", day="2022-03-29"),
            ClaimEvidence(title="Epoch AI, Data on AI Models (CC BY 4.0)",
                          url="https://epoch.ai/data/ai-models"),
        ),
        chart=ClaimChart(
            axis="training tokens a parameter",
            rows=rows,
            log=True,
            key=(("claimed", "as trained"), ("measured", "best for its compute, 95 % interval")),
        ),
        table=ClaimTable(
            columns=("model", "parameters", "tokens", "tokens a parameter", "best"),
            rows=tuple(
                (
                    facts.models[name].title,
                    f"{(facts.models[name].parameters or 0) / 1e9:.0f}B",
                    f"{(facts.models[name].training_tokens or 0) / 1e9:,.0f}B",
                    f"{ratio(name):.2f}",
                    f"{best[name][0]:.1f} ({best[name][1][0]:.1f} to {best[name][1][1]:.1f})",
                )
                for name in (*EARLY, *LATER)
            ),
        ),
    )  # fmt: skip


CLAIM = Claim(
    name="early_models_undertrained",
    place=2,
    section="The Compute-Optimal Paradigm",
    text=(
        "Many early large models were significantly undertrained relative to their parameter count."
    ),
    check=check,
)
