"""Fit scaling laws to training runs, with intervals, and say how far approaches disagree.

`weighbridge scaling fit RUNS.csv`; `scaling compare RUNS.csv`; `scaling laws`. A row is a run:
parameters, loss, and tokens or FLOPs, under their usual names, with units such as Params (M),
tokens_b or PF-days. `scaling sweep` makes the runs.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

import typer

from weighbridge.cli import options
from weighbridge.cli.option_groups import SectionedCommand, grouped
from weighbridge.cli.output import emit

if TYPE_CHECKING:
    from weighbridge.planning.scaling.ladder import LadderSettings

app = typer.Typer(add_completion=False, rich_markup_mode=None, no_args_is_help=True, help=__doc__)

Runs = Annotated[
    Path,
    typer.Argument(metavar="RUNS.csv", help="CSV, JSONL or Parquet, one row per training run."),
]
Where = Annotated[
    list[str] | None,
    typer.Option(
        "--where", metavar="COLUMN=VALUE", help="Only rows with this value; may be repeated."
    ),
]
DropHighest = Annotated[
    int, typer.Option(help="Leave out the runs with the highest losses, so many.", min=0)
]
Delta = Annotated[float, typer.Option(help="Delta of the Huber loss, on log losses.", min=1e-9)]
Bootstraps = Annotated[int, typer.Option(help="Bootstrap resamples; 0: no intervals.", min=0)]
SaveLaw = Annotated[
    Path | None,
    typer.Option(metavar="FILE.json", help="Save the law, for: plan train --law FILE.json."),
]
EntropyFloor = Annotated[
    float, typer.Option(help="Refuse losses below this, in nats per token.", min=0)
]


@app.command("fit", cls=SectionedCommand)
def fit(
    runs: Runs,
    delta: Delta = 1e-3,
    bootstraps: Bootstraps = 1000,
    drop_highest: DropHighest = 0,
    where: Where = None,
    entropy_floor: EntropyFloor = 0.5,
    surface: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.svg|png", help="Draw the loss and the compute-optimal frontier."
        ),
    ] = None,
    cloud: Annotated[
        Path | None,
        typer.Option(metavar="FILE.svg|png", help="Draw the exponents of all bootstrap resamples."),
    ] = None,
    save_law: SaveLaw = None,
    threads: options.Threads = 0,
    seed: options.Seed = 0,
    json: options.Json = False,
) -> None:
    """Fit E + A/N^alpha + B/D^beta, with intervals.

    Approach 3 of Hoffmann et al. 2022; every bootstrap resample starts from a global search.
    """
    from weighbridge.cli.scaling_output import (
        check_image,
        draw_cloud,
        draw_surface,
        fit_document,
        fit_text,
        keep_law,
    )
    from weighbridge.documents.scaling_laws import FitDocument
    from weighbridge.errors import InputError
    from weighbridge.planning.scaling import parametric
    from weighbridge.planning.scaling.reading import read_points

    check_image(surface)
    check_image(cloud)
    if cloud and not bootstraps:
        raise InputError(
            "--cloud with --bootstraps 0",
            "--bootstraps of at least 1",
            "leave --cloud out, or --bootstraps 0",
        )
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
    document = FitDocument(**vars(fit_document(found, points)), written=tuple(written))
    emit(document, "\n".join([fit_text(found, points), *written]), json)


@app.command("compare", cls=SectionedCommand)
def compare(
    runs: Runs,
    compute: Annotated[
        str, typer.Option(metavar="FLOPS", help="Budget to compare at; default: the largest.")
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
    from weighbridge.cli.amounts import parse_count
    from weighbridge.cli.scaling_output import (
        approaches_document,
        check_image,
        comparison_text,
        draw_parabolas,
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
    lines += [f"  {note}" for note in points.notes]
    emit(approaches_document(found, points.notes), "\n".join(lines), json)
    raise typer.Exit(3 if all(one.why_not for one in found.results) else 0)


@app.command("mixture", cls=SectionedCommand)
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
    from weighbridge.cli.scaling_output import keep_law, mixture_document, mixture_text
    from weighbridge.planning.scaling import mixture as joint
    from weighbridge.planning.scaling.reading import read_points

    points = read_points(runs, where=where or (), entropy_floor=entropy_floor)
    found = joint.fit(points, delta=delta, bootstraps=bootstraps, seed=seed)
    if save_law:
        how = f"weighbridge scaling mixture {runs.name} --delta {delta:g}"
        keep_law(found, points, f"{how} --bootstraps {bootstraps} --seed {seed}", save_law)
    lines = [mixture_text(found), *(f"  {note}" for note in points.notes)]
    emit(mixture_document(found, points.notes), "\n".join(lines), json)


@app.command("laws", cls=SectionedCommand)
def laws(
    compute: Annotated[
        str, typer.Option(metavar="FLOPS", help="Budget to compare at.")
    ] = "5.76e23",
    chart: Annotated[
        Path | None,
        typer.Option(metavar="FILE.svg|png", help="Draw tokens per parameter against compute."),
    ] = None,
    json: options.Json = False,
) -> None:
    """List published laws, and how each would split a compute budget."""
    from weighbridge.cli.amounts import parse_count
    from weighbridge.cli.scaling_output import (
        check_image,
        draw_laws,
        laws_document,
        laws_text,
    )

    check_image(chart)
    flops = parse_count("--compute", compute)
    document = laws_document(flops)
    lines = [laws_text(document)]
    if chart:
        draw_laws(chart)
        lines.append(str(chart))
    emit(document, "\n".join(lines), json)


@dataclass(frozen=True, kw_only=True)
class LadderOptions:
    """Options that say which models a ladder trains.

    Attributes:
        largest: Largest budget that laws are fitted to, FLOPs.
        tokens_per_parameter: Where a budget's sizes are centred.
        experts: Of the mixtures; 0 trains dense models only.
        seeds: Of dense against mixture, a pair each.
        learning_rate: Peak, at a width of 64.
    """

    panel: ClassVar[str] = "The models"

    largest: Annotated[
        str, typer.Option(metavar="FLOPS", help="Largest budget that laws are fitted to.")
    ] = "1.9e12"
    tokens_per_parameter: Annotated[
        float,
        typer.Option(
            metavar="RATIO", help="Model sizes are spread around this ratio.", min=1, max=10_000
        ),
    ] = 50.0
    experts: Annotated[
        int,
        typer.Option(
            metavar="N",
            help="Experts of the mixture models (two per token); 0: dense only.",
            min=0,
            max=64,
        ),
    ] = 8
    seeds: Annotated[
        int,
        typer.Option(
            metavar="N", help="Seeds for the comparison of dense and mixture models.", min=2, max=50
        ),
    ] = 5
    learning_rate: Annotated[
        float,
        typer.Option(metavar="RATE", help="Peak learning rate at width 64.", min=1e-6, max=1.0),
    ] = 5.5e-3

    def settings(self, seed: int) -> "LadderSettings":
        """Return these as the ladder's settings."""
        from weighbridge.cli.amounts import parse_count
        from weighbridge.planning.scaling.ladder import LadderSettings

        return LadderSettings(
            largest_flops=parse_count("--largest", self.largest),
            tokens_per_parameter=self.tokens_per_parameter,
            experts=self.experts,
            seeds=self.seeds,
            learning_rate=self.learning_rate,
            seed=seed,
        )


@dataclass(frozen=True, kw_only=True)
class CorpusOptions:
    """Options that say what a ladder learns from.

    Attributes:
        corpus: A file or folder; None takes Python's own standard library.
        files: Pattern of a folder's files; "" takes all.
    """

    panel: ClassVar[str] = "What they learn from"

    corpus: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH", help="Text file or folder; default: Python's standard library."
        ),
    ] = None
    files: Annotated[
        str, typer.Option(metavar="PATTERN", help="Which files of the folder, such as *.md.")
    ] = ""


@app.command("sweep", cls=SectionedCommand)
@grouped
def sweep(
    ladder: LadderOptions,
    learnt: CorpusOptions,
    out: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Where the models and results go.")
    ] = Path(".weighbridge/ladder"),
    chart: Annotated[
        Path | None, typer.Option(metavar="FILE.svg|png", help="Draw loss against compute.")
    ] = None,
    save_law: SaveLaw = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be trained and how long it takes.")
    ] = False,
    threads: options.Threads = 0,
    seed: options.Seed = 0,
    json: options.Json = False,
) -> None:
    """Train a ladder of small models here, fit a law, and test its forecast on a larger one.

    Killed at any moment, the same command goes on. Losses don't depend on the number of cores.
    """
    from weighbridge.cli import ladder_output as shown
    from weighbridge.cli.drawing import Drawn
    from weighbridge.cli.output import progress
    from weighbridge.cli.scaling_output import check_image, check_parent, keep_law
    from weighbridge.planning.scaling.ladder import check_experts
    from weighbridge.pretraining.sweep import train_ladder

    check_image(chart)
    for path in (chart, save_law):
        check_parent(path)
    check_experts(ladder.experts)
    settings, corpus = ladder.settings(seed), learnt.corpus
    workers = options.surroundings(threads=threads).threads
    if dry_run:
        _plan_ladder(settings, corpus, learnt.files, workers, json)
        return
    with progress("ladder") as bar:
        found = train_ladder(
            settings, corpus, learnt.files, out, workers, on_flops=bar, say=Drawn().say
        )
    if chart:
        shown.draw_ladder(found, chart)
    if save_law:
        named = f" --corpus {corpus}" if corpus else ""
        sizes = f"--largest {ladder.largest} --experts {ladder.experts}"
        how = f"weighbridge scaling sweep{named} {sizes} --seed {seed}"
        keep_law(found.law, found.points, how, save_law)
    written = [str(path) for path in (chart, save_law) if path]
    document = shown.ladder_document(found, written)
    emit(document, "\n".join([shown.ladder_text(found), *written]), json)


def _plan_ladder(
    settings: "LadderSettings", corpus: Path | None, files: str, workers: int, json: bool
) -> None:
    """Print which models would be trained, and how long that would take."""
    from weighbridge.cli import ladder_output as shown
    from weighbridge.planning.scaling.ladder import rungs
    from weighbridge.pretraining import probe
    from weighbridge.pretraining.corpus import read_corpus
    from weighbridge.pretraining.sweep import check_length

    planned, text = rungs(settings), read_corpus(corpus, files)
    check_length(text, planned)
    seconds = probe.seconds(planned, text, settings.learning_rate, workers)
    plan = (planned, text.name, len(text.train), seconds)
    emit(shown.plan_document(*plan), shown.plan_text(*plan), json)
