"""Fit scaling laws to training runs, with intervals, and say how far approaches disagree.

`weighbridge scaling fit RUNS.csv`; `scaling compare RUNS.csv`; `scaling laws`. A row is a run:
parameters, loss, and tokens or FLOPs, under their usual names.
"""

from pathlib import Path
from typing import Annotated

import typer

from weighbridge.cli import options
from weighbridge.cli.output import emit

app = typer.Typer(add_completion=False, rich_markup_mode=None, no_args_is_help=True, help=__doc__)

Runs = Annotated[Path, typer.Argument(metavar="RUNS.csv", help="One row a training run.")]
Where = Annotated[
    list[str] | None,
    typer.Option("--where", metavar="COLUMN=VALUE", help="Only such rows; may be repeated."),
]
DropHighest = Annotated[int, typer.Option(help="Leave out so many of the highest losses.", min=0)]
Delta = Annotated[float, typer.Option(help="Huber's delta on log losses.", min=1e-9)]
Bootstraps = Annotated[int, typer.Option(help="Resamples; 0 gives no intervals.", min=0)]
SaveLaw = Annotated[
    Path | None, typer.Option(metavar="FILE.json", help="Keep the law for plan train --law.")
]
EntropyFloor = Annotated[float, typer.Option(help="Lowest loss believed, nats per token.", min=0)]


@app.command("fit")
def fit(
    runs: Runs,
    delta: Delta = 1e-3,
    bootstraps: Bootstraps = 1000,
    drop_highest: DropHighest = 0,
    where: Where = None,
    entropy_floor: EntropyFloor = 0.5,
    surface: Annotated[
        Path | None, typer.Option(metavar="FILE.svg|png", help="Draw loss and optimal frontier.")
    ] = None,
    cloud: Annotated[
        Path | None, typer.Option(metavar="FILE.svg|png", help="Draw the bootstrap's exponents.")
    ] = None,
    save_law: SaveLaw = None,
    threads: options.Threads = 0,
    seed: options.Seed = 0,
    json: options.Json = False,
) -> None:
    """Fit E + A/N^alpha + B/D^beta, with intervals.

    Approach 3 of Hoffmann et al. 2022, started globally for every resample.
    """
    from weighbridge.cli.scaling_output import (
        check_image,
        draw_cloud,
        draw_surface,
        fit_json,
        fit_text,
        keep_law,
    )
    from weighbridge.errors import InputError
    from weighbridge.planning.scaling import parametric
    from weighbridge.planning.scaling.reading import read_points

    check_image(surface)
    check_image(cloud)
    if cloud and not bootstraps:
        raise InputError("--cloud with --bootstraps 0", "bootstraps to draw", "leave one out")
    points = read_points(runs, where=where or (), entropy_floor=entropy_floor)
    points = points.without_highest(drop_highest)
    found = parametric.fit(
        points,
        delta=delta,
        bootstraps=bootstraps,
        seed=seed,
        threads=options.surroundings(threads=threads).threads,
    )
    if surface:
        draw_surface(found, points, surface)
    if cloud:
        draw_cloud(found, cloud)
    if save_law:
        how = f"weighbridge scaling fit {runs.name} --delta {delta:g} --drop-highest {drop_highest}"
        keep_law(found, points, f"{how} --bootstraps {bootstraps} --seed {seed}", save_law)
    written = [str(path) for path in (surface, cloud, save_law) if path]
    document = {**fit_json(found, points), "written": list(written)}
    emit(document, "\n".join([fit_text(found, points), *written]), json)


@app.command("compare")
def compare(
    runs: Runs,
    compute: Annotated[
        str, typer.Option(metavar="FLOPS", help="Compare sizes here; else at the largest budget.")
    ] = "",
    delta: Delta = 1e-3,
    bootstraps: Bootstraps = 400,
    drop_highest: DropHighest = 0,
    where: Where = None,
    entropy_floor: EntropyFloor = 0.5,
    isoflops: Annotated[
        Path | None, typer.Option(metavar="FILE.svg|png", help="Draw the IsoFLOP parabolas.")
    ] = None,
    threads: options.Threads = 0,
    seed: options.Seed = 0,
    json: options.Json = False,
) -> None:
    """Say how far approaches 1, 2 and 3 disagree.

    Kaplan's form L(N, D) is fitted to the same runs beside them.
    """
    from weighbridge.cli.scaling_output import (
        check_image,
        comparison_json,
        comparison_text,
        draw_parabolas,
        parse_count,
    )
    from weighbridge.planning.scaling import comparison
    from weighbridge.planning.scaling.reading import read_points

    check_image(isoflops)
    points = read_points(runs, where=where or (), entropy_floor=entropy_floor)
    points = points.without_highest(drop_highest)
    found = comparison.compare(
        points,
        flops=parse_count("--compute", compute) if compute else None,
        delta=delta,
        bootstraps=bootstraps,
        seed=seed,
        threads=options.surroundings(threads=threads).threads,
    )
    lines = [comparison_text(found)]
    if isoflops:
        draw_parabolas(points, isoflops)
        lines.append(str(isoflops))
    emit(comparison_json(found), "\n".join(lines), json)
    raise typer.Exit(3 if all(one.why_not for one in found.results) else 0)


@app.command("mixture")
def mixture(
    runs: Runs,
    delta: Delta = 1e-3,
    bootstraps: Bootstraps = 200,
    where: Where = None,
    entropy_floor: EntropyFloor = 0.5,
    save_law: SaveLaw = None,
    seed: options.Seed = 0,
    json: options.Json = False,
) -> None:
    """Fit dense and mixture-of-experts runs together.

    Needs a column named experts, 1 for dense; parameters are the active ones.
    """
    from weighbridge.cli.scaling_output import keep_law, mixture_json, mixture_text
    from weighbridge.planning.scaling import mixture as joint
    from weighbridge.planning.scaling.reading import read_points

    points = read_points(runs, where=where or (), entropy_floor=entropy_floor)
    found = joint.fit(points, delta=delta, bootstraps=bootstraps, seed=seed)
    if save_law:
        how = f"weighbridge scaling mixture {runs.name} --delta {delta:g}"
        keep_law(found, points, f"{how} --bootstraps {bootstraps} --seed {seed}", save_law)
    emit(mixture_json(found), mixture_text(found), json)


@app.command("laws")
def laws(
    compute: Annotated[str, typer.Option(metavar="FLOPS", help="Compare sizes here.")] = "5.76e23",
    chart: Annotated[
        Path | None, typer.Option(metavar="FILE.svg|png", help="Draw D/N against compute.")
    ] = None,
    json: options.Json = False,
) -> None:
    """List published laws and what each would buy."""
    from weighbridge.cli.scaling_output import (
        check_image,
        draw_laws,
        laws_json,
        laws_text,
        parse_count,
    )

    check_image(chart)
    flops = parse_count("--compute", compute)
    document = laws_json(flops)
    lines = [laws_text(document, flops)]
    if chart:
        draw_laws(chart)
        lines.append(str(chart))
    emit(document, "\n".join(lines), json)
