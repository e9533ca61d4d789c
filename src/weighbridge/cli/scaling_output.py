"""Scaling laws as text of at most 80 columns, as documents, and as charts."""

import math
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from weighbridge.documents import OrAbsent
from weighbridge.documents.scaling_laws import (
    ApproachDocument,
    ApproachesDocument,
    LawFit,
    MixtureLawFit,
    PublishedLaw,
    PublishedLaws,
)
from weighbridge.errors import InputError
from weighbridge.planning.scaling.allocation import FAR_BEYOND
from weighbridge.planning.scaling.comparison import Disagreement
from weighbridge.planning.scaling.forms import Chinchilla, tokens_at
from weighbridge.planning.scaling.mixture import MixtureFit
from weighbridge.planning.scaling.parametric import NAMES, ParametricFit, percentile_interval
from weighbridge.planning.scaling.points import FLOPS_PER_PARAMETER_TOKEN, Points

Interval = tuple[float, float]


def check_image(path: Path | None) -> None:
    """Refuse a picture's name before anything is computed for it.

    Raises:
        InputError: It ends neither in ``.svg`` nor in ``.png``.
    """
    if path is not None and path.suffix.lower() not in (".svg", ".png"):
        raise InputError(f"{path}", "a name that ends in .svg or .png")


def check_parent(path: Path | None) -> None:
    """Refuse a file whose folder isn't there, before anything is computed for it.

    Raises:
        InputError: There is no such folder.
    """
    if path is not None and not path.parent.is_dir():
        raise InputError(
            f"{path}: there is no folder {path.parent}", "a folder that exists", "make it first"
        )


def amount(value: float) -> str:
    """Return a count in three figures.

    >>> amount(72.34e9), amount(1.4e12), amount(950)
    ('72.3B', '1.4T', '950')
    """
    for step, unit in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "K")):
        if value >= step * 0.9995:
            shown = f"{value / step:.3g}"
            return f"{float(shown):g}{unit}" if "e" in shown else f"{shown}{unit}"
    return f"{value:.3g}"


def between(interval: Interval | None, show: Any = lambda value: f"{value:.4g}") -> str:
    """Return an interval as text; empty where there is none."""
    return f"95% interval {show(interval[0])} to {show(interval[1])}" if interval else ""


def fit_intervals(found: ParametricFit) -> dict[str, Interval] | None:
    """Return the 95 % interval of every constant and of the exponent."""
    if found.draws is None:
        return None
    intervals = {name: percentile_interval(getattr(found.draws, name)) for name in NAMES}
    intervals["optimal_exponent"] = percentile_interval(found.draws.optimal_exponent)
    return intervals


def fit_document(found: ParametricFit, points: Points) -> LawFit:
    """Return a fit as the document that scripts rely on."""
    return LawFit(
        **{name: float(getattr(found.law, name)) for name in NAMES},
        objective=found.objective,
        intervals=fit_intervals(found),
        optimal_exponent=float(found.law.optimal_exponent),
        bootstraps=found.bootstraps,
        seconds=found.seconds,
        delta=found.delta,
        points=found.points,
        flops_range=(float(points.flops.min()), float(points.flops.max())),
        unusable=found.unusable,
        E_at_bound=found.without_floor,
        resamples_with_E_at_bound=found.draws_without_floor,
        notes=tuple(points.notes),
    )


def fit_text(found: ParametricFit, points: Points) -> str:
    """Return a fit as a few lines."""
    intervals = fit_intervals(found) or {}
    lines = [f"L = E + A/N^alpha + B/D^beta on {found.points} runs of {Path(points.source).name}"]
    for name in NAMES:
        value = float(getattr(found.law, name))
        lines.append(f"  {name:<6}{value:>10.5g}   {between(intervals.get(name))}".rstrip())
    lines += _floor(found)
    exponent = float(found.law.optimal_exponent)
    lines.append(
        f"  N_opt grows as C^{exponent:.3f}   {between(intervals.get('optimal_exponent'))}".rstrip()
    )
    lines.append(f"  objective {found.objective:.9g} at delta {found.delta:g}")
    if found.bootstraps:
        lines.append(
            f"  {found.bootstraps} resamples, each started globally, in {found.seconds:.1f} s"
            + (f"; {found.unusable} gave no law" if found.unusable else "")
        )
    low, high = points.flops.min(), points.flops.max()
    lines.append(f"  data from {low:.2g} to {high:.2g} FLOPs; beyond, this is extrapolation")
    lines += [f"  {note}" for note in points.notes]
    return "\n".join(lines)


def _floor(found: ParametricFit) -> list[str]:
    """Say where no irreducible loss was found: E then says nothing about text."""
    if found.without_floor:
        return [
            "  E IS AT ITS BOUND, 0: these runs show no irreducible loss; add runs of larger",
            "  budgets, and don't extrapolate",
        ]
    if found.draws_without_floor:
        return [f"  E is at its bound, 0, in {found.draws_without_floor} of the resamples"]
    return []


def keep_law(found: ParametricFit | MixtureFit, points: Points, how: str, path: Path) -> None:
    """Write a fit as a law that `plan train --law` takes."""
    from weighbridge.catalog.laws import write_law
    from weighbridge.planning.scaling.published import record_of
    from weighbridge.storage import replace_file

    replace_file(path, write_law(record_of(found.law, found.draws, points, how)))


def approaches_document(found: Disagreement, notes: tuple[str, ...]) -> ApproachesDocument:
    """Return a comparison as a document; what an approach can't say is null."""

    def plain(value: float) -> float | None:
        return value if math.isfinite(value) else None

    low, high = found.exponents
    return ApproachesDocument(
        flops=found.flops,
        approaches=tuple(
            ApproachDocument(
                approach=one.approach,
                optimal_exponent=plain(one.exponent),
                optimal_exponent_interval=one.exponent_interval,
                parameters=plain(one.parameters),
                parameters_interval=one.parameters_interval,
                tokens_per_parameter=plain(one.tokens_per_parameter),
                why_not=one.why_not,
            )
            for one in found.results
        ),
        exponents=(plain(low), plain(high)),
        size_ratio=plain(found.size_ratio),
        apart=found.apart,
        beyond=found.beyond,
        notes=notes,
    )


def comparison_text(found: Disagreement) -> str:
    """Return a comparison as a table and what it means."""
    far = f", {found.beyond:.3g} times the largest budget of the data" if found.beyond > 1 else ""
    if found.beyond > FAR_BEYOND:
        far += ": EXTRAPOLATED"
    lines = [
        f"at {found.flops:.3g} FLOPs{far}",
        f"  {'approach':<14} {'exponent a':<23} {'N_opt':<26} D/N",
    ]
    for one in found.results:
        if one.why_not:
            said = f"{one.approach:<14} nothing: {one.why_not}"
            lines += textwrap.wrap(said, 78, initial_indent="  ", subsequent_indent=" " * 17)
            continue
        exponent, size = f"{one.exponent:.3f}", amount(one.parameters)
        if one.exponent_interval:
            exponent += f" [{one.exponent_interval[0]:.3f}, {one.exponent_interval[1]:.3f}]"
        if one.parameters_interval:
            low, high = one.parameters_interval
            size += f" [{amount(low)}, {amount(high)}]"
        lines.append(
            f"  {one.approach:<14} {exponent:<23} {size:<26} {one.tokens_per_parameter:.3g}"
        )
    if math.isfinite(found.size_ratio):
        low, high = found.exponents
        lines.append(
            f"  They disagree by {high - low:.3f} in the exponent and by a factor of "
            f"{found.size_ratio:.2f} in N_opt."
        )
        lines += [f"  Intervals of N_opt don't overlap: {a} and {b}." for a, b in found.apart]
    return "\n".join(lines)


def mixture_document(found: MixtureFit, notes: OrAbsent[tuple[str, ...]]) -> MixtureLawFit:
    """Return a joint fit as a document."""
    fields = list(found.law.__dataclass_fields__)
    return MixtureLawFit(
        **{name: float(np.asarray(getattr(found.law, name))) for name in fields},
        objective=found.objective,
        intervals={name: found.interval(name) for name in fields},
        notes=notes,
    )


def mixture_text(found: MixtureFit) -> str:
    """Return a joint fit as a few lines."""
    lines = ["L = a E^delta N^(alpha + gamma ln E) + b E^omega D^(beta + zeta ln E) + c"]
    for name in found.law.__dataclass_fields__:
        value = float(np.asarray(getattr(found.law, name)))
        lines.append(f"  {name:<6}{value:>10.5g}   {between(found.interval(name))}".rstrip())
    lines.append(f"  objective {found.objective:.9g}")
    return "\n".join(lines)


def laws_document(flops: float) -> PublishedLaws:
    """Return every law of the catalog and what it buys with a budget, joint laws a dense model."""
    from weighbridge.catalog.laws import law_names
    from weighbridge.planning.scaling.allocation import allocate
    from weighbridge.planning.scaling.published import known_law

    rows = []
    for name in law_names():
        known = known_law(name, experts=1)
        bought = allocate(known, flops)
        rows.append(
            PublishedLaw(
                law=name,
                title=known.record.title,
                source=known.record.source,
                counts=known.record.counts,
                experts=1 if known.record.form == "joint-mixture" else None,
                optimal_exponent=float(np.asarray(known.law.optimal_exponent)),
                parameters=bought.parameters,
                tokens=bought.tokens,
                tokens_per_parameter=bought.tokens_per_parameter,
                loss=bought.loss,
                beyond=bought.beyond,
                notes=known.record.notes,
            )
        )
    return PublishedLaws(flops=flops, laws=tuple(rows))


def laws_text(found: PublishedLaws) -> str:
    """Return the catalog's laws as a table."""
    head = f"at {found.flops:.3g} FLOPs"
    lines = [f"{head:<22}{'a':>6}{'N_opt':>8}{'D':>8}{'D/N':>7}"]
    for row in found.laws:
        lines.append(
            f"{row.law:<22}{row.optimal_exponent:>6.3f}{amount(row.parameters):>8}"
            f"{amount(row.tokens):>8}{row.tokens_per_parameter:>7.3g}"
            f"  {row.counts.removesuffix(' parameters')}" + (", 1 expert" if row.experts else "")
        )
    return "\n".join(lines)


def draw_surface(found: ParametricFit, points: Points, path: Path) -> None:
    """Draw lines of equal loss, the optimal frontier with its band, and the runs."""
    from weighbridge.reports.scaling_charts import Line, surface

    law = found.law
    low, high = float(points.flops.min()) / 2, float(points.flops.max()) * 10
    flops = np.geomspace(low, high, 60)
    optimal = np.asarray(law.optimal_parameters(flops))
    band: list[Sequence[float]] = [(), ()]
    if found.draws is not None:
        drawn = rowwise(found.draws).optimal_parameters(flops)
        band = [edge.tolist() for edge in np.percentile(drawn, (2.5, 97.5), axis=0)]
    sizes = np.geomspace(points.parameters.min() / 2, optimal[-1] * 1.5, 500)
    ends = [float(np.asarray(law.loss(n, tokens_at(c, n)))) for n, c in
            ((optimal[-1], high), (optimal[0], low))]  # fmt: skip
    contours = []
    for level in np.geomspace(ends[0] + 0.02, ends[1], 9):
        spent = FLOPS_PER_PARAMETER_TOKEN * sizes * np.asarray(law.tokens_for(level, sizes))
        shown = np.isfinite(spent) & (spent < 10 * high) & (spent > low)  # the plot cuts them
        if shown.sum() > 3:
            contours.append(Line(f"{level:.2f}", spent[shown].tolist(), sizes[shown].tolist()))
    frontier = Line(
        "optimal, 95% band" if band[0] else "optimal", flops.tolist(), optimal.tolist(), *band
    )
    runs = list(zip(points.flops.tolist(), points.parameters.tolist(), strict=True))
    _save(surface(contours, frontier, runs), path)


def draw_cloud(found: ParametricFit, path: Path) -> None:
    """Draw the draws of both exponents."""
    from weighbridge.reports.scaling_charts import cloud

    assert found.draws is not None
    pairs = zip(np.asarray(found.draws.alpha)[:1000].tolist(),
                np.asarray(found.draws.beta)[:1000].tolist(), strict=True)  # fmt: skip
    _save(cloud(list(pairs), (float(found.law.alpha), float(found.law.beta))), path)


def draw_parabolas(points: Points, path: Path) -> None:
    """Draw each budget's runs, parabola and vertex."""
    from weighbridge.planning.scaling import isoflop
    from weighbridge.reports.scaling_charts import Valley, parabolas

    valleys = []
    for budget in isoflop.fit(points).budgets:
        curve: list[tuple[float, float]] = []
        if math.isfinite(budget.curve[0]):
            sizes = np.geomspace(budget.parameters.min(), budget.parameters.max(), 50)
            z = np.log(sizes)
            heights = budget.curve[0] + budget.curve[1] * z + budget.curve[2] * z * z
            curve = list(zip(sizes.tolist(), heights.tolist(), strict=True))
        runs = list(zip(budget.parameters.tolist(), budget.loss.tolist(), strict=True))
        vertex = None if budget.why_not else (budget.optimal_parameters, budget.optimal_loss)
        valleys.append(Valley(f"{budget.flops:.1e}".replace("e+", "e"), runs, curve, vertex))
    _save(parabolas(valleys), path)


def draw_laws(path: Path) -> None:
    """Draw tokens per parameter against compute for every law, joint laws as of dense models."""
    from weighbridge.catalog.laws import law_names
    from weighbridge.planning.scaling.published import known_law
    from weighbridge.reports.scaling_charts import Line, ratios

    flops = np.geomspace(1e18, 1e26, 50)
    lines = []
    for name in law_names():
        known = known_law(name, experts=1)
        optimal = np.asarray(known.law.optimal_parameters(flops))
        band: list[Sequence[float]] = []
        if isinstance(known.draws, Chinchilla):
            sizes = np.asarray(rowwise(known.draws).optimal_parameters(flops))
            ratio = np.percentile(tokens_at(flops, sizes) / sizes, (2.5, 97.5), axis=0)
            band = [edge.tolist() for edge in ratio]
        ratio = np.asarray(tokens_at(flops, optimal)) / optimal
        lines.append(Line(name, flops.tolist(), ratio.tolist(), *band))
    # Kaplan's law ends a thousand times lower; with it in full, the others are one grey bundle.
    _save(ratios(lines, "epoch-chinchilla", floor=3), path)


def rowwise(draws: Chinchilla) -> Chinchilla:
    """Return draws as columns, so that they broadcast against budgets."""
    return Chinchilla(
        *(np.asarray(v)[:, None] for v in (draws.A, draws.B, draws.E, draws.alpha, draws.beta))
    )


def _save(drawing: Any, path: Path) -> None:
    from weighbridge.storage import replace_file

    replace_file(path, drawing.png() if path.suffix.lower() == ".png" else drawing.svg.encode())
