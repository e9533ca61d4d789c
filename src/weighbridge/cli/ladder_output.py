"""A ladder as text of at most 80 columns, as a document, and as a chart."""

import math
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from weighbridge.cli.output import wrapped
from weighbridge.cli.scaling_output import (
    amount,
    between,
    fit_document,
    fit_text,
    mixture_document,
    rowwise,
)
from weighbridge.documents import ABSENT
from weighbridge.documents.ladder import (
    BestOfBudget,
    EqualComputeDocument,
    HeldOutDocument,
    IsoflopDocument,
    LadderDocument,
    LadderPlanDocument,
    RungDocument,
)
from weighbridge.planning.scaling.equal_compute import EqualCompute
from weighbridge.planning.scaling.forms import Chinchilla
from weighbridge.planning.scaling.isoflop import IsoFlopFit
from weighbridge.planning.scaling.ladder import LadderSettings, Rung, shapes
from weighbridge.planning.scaling.parametric import percentile_interval

if TYPE_CHECKING:
    from weighbridge.pretraining.findings import Ladder


def plan_document(
    planned: Sequence[Rung], corpus: str, corpus_bytes: int, seconds: float
) -> LadderPlanDocument:
    """Return what would be trained."""
    return LadderPlanDocument(
        corpus=corpus,
        corpus_bytes=corpus_bytes,
        models=len(planned),
        flops=sum(rung.flops for rung in planned),
        predicted_seconds=seconds,
        rungs=tuple(
            RungDocument(
                name=rung.name,
                role=rung.role,
                experts=rung.shape.experts,
                active_parameters=rung.shape.active_parameters,
                total_parameters=rung.shape.parameters,
                tokens=rung.tokens,
                flops=rung.flops,
                seed=rung.seed,
            )
            for rung in planned
        ),
    )


def plan_text(planned: Sequence[Rung], corpus: str, corpus_bytes: int, seconds: float) -> str:
    """Return what would be trained, a line a budget."""
    lines = [
        f"{len(planned)} models on {corpus}, {corpus_bytes:,} bytes",
        f"  {'FLOPs':>8}  {'dense':>5}  {'mixtures':>8}  {'active parameters':<18}"
        f"{'tokens (bytes)':<18}",
    ]
    for budget in sorted({rung.budget for rung in planned}):
        here = [rung for rung in planned if rung.budget == budget]
        mixtures = sum(rung.shape.experts > 1 for rung in here)
        sizes = _ends([rung.shape.active_parameters for rung in here])
        tokens = _ends([rung.tokens for rung in here])
        note = "  held out" if here[0].role.startswith("held_out") else ""
        lines.append(
            f"  {_flops(budget):>8}  {len(here) - mixtures:>5}  {mixtures:>8}  {sizes:<18}"
            f"{tokens:<18}{note}".rstrip()
        )
    total = sum(rung.flops for rung in planned)
    lines.append(f"  {total:.2g} FLOPs in all, about {_duration(seconds)} here")
    return "\n".join(lines)


def ladder_document(found: "Ladder", written: Sequence[str]) -> LadderDocument:
    """Return a ladder as the document that scripts rely on.

    Args:
        found: What was trained and fitted.
        written: Charts and the kept law.
    """
    prediction = found.prediction
    return LadderDocument(
        corpus=found.corpus,
        corpus_bytes=found.corpus_bytes,
        corpus_digest=found.digest,
        models=len(found.trained_rungs),
        law=fit_document(found.law, found.points),
        isoflop=None if found.isoflops is None else _isoflop_document(found.isoflops),
        joint=None if found.joint is None else mixture_document(found.joint, ABSENT),
        equal_compute=tuple(map(_pair_document, found.pairs)),
        held_out=HeldOutDocument(
            parameters=prediction.parameters,
            tokens=prediction.tokens,
            predicted=prediction.loss,
            interval=prediction.interval,
            measured=found.held_out,
            inside=prediction.holds(found.held_out),
            mixture=found.held_out_mixture,
        ),
        training_seconds=found.seconds,
        runs=str(found.runs),
        written=tuple(written),
    )


def _isoflop_document(found: IsoFlopFit) -> IsoflopDocument:
    draws = found.draws
    return IsoflopDocument(
        optimal_exponent=float(found.law.optimal_exponent),
        interval=None if draws is None else percentile_interval(draws.optimal_exponent),
        best=tuple(
            BestOfBudget(flops=one.flops, parameters=one.optimal_parameters, loss=one.optimal_loss)
            for one in found.budgets
            if not one.why_not
        ),
    )


def _pair_document(pair: EqualCompute) -> EqualComputeDocument:
    finite = pair.worth if math.isfinite(pair.worth) else None
    return EqualComputeDocument(**{**vars(pair), "worth": finite})


def ladder_text(found: "Ladder") -> str:
    """Return what a ladder says."""
    mixtures = sum(one.rung.shape.experts > 1 for one in found.trained_rungs)
    lines = [
        f"{len(found.trained_rungs) - mixtures} dense models and {mixtures} mixtures of experts on "
        f"{found.corpus}",
        f"  {found.corpus_bytes:,} bytes to learn; losses are nats per byte, on text held out",
        f"  {_duration(found.seconds)} of one core",
        "",
        fit_text(found.law, found.points),
        *_isoflop_lines(found),
        "",
        *_held_out_lines(found),
    ]
    if found.pairs:
        lines += ["", *_pair_lines(found.pairs)]
    lines += ["", str(found.runs)]
    return "\n".join(lines)


def _isoflop_lines(found: "Ladder") -> list[str]:
    if found.isoflops is None:
        return wrapped(f"approach 2 (IsoFLOP) says nothing: {found.why_no_isoflops}", "  ")
    law, draws = found.isoflops.law, found.isoflops.draws
    interval = None if draws is None else percentile_interval(draws.optimal_exponent)
    best = ", ".join(
        f"{amount(one.optimal_parameters)} at {_flops(one.flops)}"
        for one in found.isoflops.budgets
        if not one.why_not
    )
    said = f"approach 2 (IsoFLOP): C^{float(law.optimal_exponent):.3f}   {between(interval)}"
    return [f"  {said}".rstrip(), *wrapped(f"best sizes {best} FLOPs", "  ")]


def _held_out_lines(found: "Ladder") -> list[str]:
    prediction = found.prediction
    low, high = prediction.interval
    inside = "inside" if prediction.holds(found.held_out) else "OUTSIDE its interval"
    size, tokens = amount(prediction.parameters), amount(prediction.tokens)
    beside = (
        []
        if found.held_out_mixture is None
        else [f"  the mixture that computes as much came to {found.held_out_mixture:.3f}"]
    )
    return [
        f"held out: {size} parameters on {tokens} bytes",
        f"  predicted before it was trained {prediction.loss:.3f}, 95% interval {low:.3f} to "
        f"{high:.3f}",
        f"  measured {found.held_out:.3f}: {inside}",
        *beside,
    ]


def _pair_lines(pairs: Sequence[EqualCompute]) -> list[str]:
    first = pairs[0]
    times = first.total_parameters / first.parameters
    lines = [
        f"dense or mixture at equal compute ({times:.1f} times the parameters), by seed",
        f"  {'FLOPs':>8} {'active':>7} {'dense':>7} {'mixture':>8}   difference",
    ]
    for pair in pairs:
        low, high = pair.interval
        lines.append(
            f"  {_flops(pair.flops):>8} {amount(pair.active_parameters):>7} "
            f"{np.mean(pair.dense):>7.3f} {np.mean(pair.mixture):>8.3f}   {pair.difference:+.3f} "
            f"[{low:+.3f}, {high:+.3f}] over {len(pair.dense)} seeds"
        )
    for pair in pairs:
        said = {
            "mixture": "the mixture has the lower loss",
            "dense": "the dense model has the lower loss",
            "undecided": "the interval holds 0: undecided",
        }[pair.lower]
        if pair.lower == "mixture" and math.isfinite(pair.worth):
            said += f", which takes dense models {pair.worth:.1f} times the compute"
        lines += wrapped(f"at {_flops(pair.flops)} FLOPs {said}", "  ")
    return lines


def draw_ladder(found: "Ladder", path: Path) -> None:
    """Draw losses against compute, the law's frontier, and the prediction with what came of it."""
    from weighbridge.reports.ladder_chart import Predicted, ladder
    from weighbridge.reports.scaling_charts import Line
    from weighbridge.storage import replace_file

    at: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for one in found.trained_rungs:
        at[one.rung.role].append((one.rung.budget, one.trained.loss))
    budget, loss = at["held_out"][0]
    flops = np.geomspace(min(x for x, _ in at["dense"]) / 1.5, budget * 1.3, 60)
    assert found.law.draws is not None
    band = np.percentile(_lowest(rowwise(found.law.draws), flops), (2.5, 97.5), axis=0)
    lowest = _lowest(found.law.law, flops)
    frontier = Line("", flops.tolist(), lowest.tolist(), *(edge.tolist() for edge in band))
    drawing = ladder(
        at["dense"],
        at["mixture"],
        frontier,
        Predicted(budget, *found.prediction.interval, loss),
        at["held_out_mixture"][0] if at["held_out_mixture"] else None,
    )
    replace_file(path, drawing.png() if path.suffix.lower() == ".png" else drawing.svg.encode())


def _lowest(law: Chinchilla, flops: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the lowest loss that a budget buys with any shape, attention paid for.

    Args:
        law: One law, or draws as columns, (draws, 1).
        flops: Budgets, (budgets,).
    """
    best: npt.NDArray[np.float64] = np.full(np.shape(flops), np.inf)
    for shape in shapes():
        tokens = flops / shape.training_flops(LadderSettings.context_tokens)
        best = np.minimum(best, law.loss(shape.active_parameters, tokens))
    return best


def _ends(values: Sequence[int]) -> str:
    low, high = min(values), max(values)
    return amount(low) if low == high else f"{amount(low)} to {amount(high)}"


def _flops(value: float) -> str:
    return f"{value:.2e}".replace("e+", "e")


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.1f} min"
