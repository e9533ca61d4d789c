"""Import what another harness measured, as sealed runs.

HARNESS is lm-eval (its --output_path, with --log_samples), inspect (.eval or .json, or a folder)
or helm (run folders; or tables of answers, with --gold PATH to the items). Each model and benchmark
becomes one run, which verify and compare treat like any other. What can't be imported is named, and
the exit code is then 3.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from weighbridge.cli import options
from weighbridge.cli.output import LEFT_OUT, document_of, emit, run_text, wrapped
from weighbridge.documents.runs import ImportedRun, ImportedRuns

if TYPE_CHECKING:
    from weighbridge.evidence.importing import ImportRequest
    from weighbridge.records import EvalRun


def command(
    harness: Annotated[str, typer.Argument(help="lm-eval, inspect or helm.")],
    path: Annotated[Path, typer.Argument(help="The harness's file or folder.")],
    gold: Annotated[
        Path | None, typer.Option(help="The items with right answers, if the files lack them.")
    ] = None,
    benchmark: Annotated[
        str,
        typer.Option(
            "--benchmark", "-b", metavar="NAME", help="The benchmark that --gold belongs to."
        ),
    ] = "mmlu",
    metric: Annotated[
        str, typer.Option(help="The harness's metric or scorer; default: its first.")
    ] = "",
    cluster: Annotated[str, typer.Option(help="The harness's field to cluster items by.")] = "",
    scale: Annotated[
        str, typer.Option(metavar="LOW:HIGH", help="Lowest and highest value of the metric.")
    ] = "0:1",
    withhold: Annotated[bool, typer.Option(help="Keep ids and scores, but no texts.")] = False,
    runs: options.Runs = options.DEFAULT_RUNS,
    json: options.Json = False,
) -> None:
    """See the module's docstring, which is the help."""
    from weighbridge.evidence.importing import ImportRequest, import_runs

    around = options.surroundings(runs=runs)
    low, high = _scale(scale)
    request = ImportRequest(path, None, "", metric, cluster, (low, high), withhold)
    if gold is not None:
        request = _with_gold(request, gold, benchmark)
    sealed, left_out = import_runs(harness, request, around.store, around.started)
    document = ImportedRuns(runs=tuple(map(_imported, sealed)), left_out=tuple(left_out))
    lines = [run_text(run) for run in sealed]
    for each in left_out:
        lines += wrapped(f"left out: {each}", "  ")
    emit(document, "\n".join(lines), json)
    if left_out:
        raise typer.Exit(LEFT_OUT)


def _imported(run: "EvalRun") -> ImportedRun:
    """A run with where it comes from, and the harness's own figure beside ours."""
    from weighbridge.evidence.importing import agrees

    origin = run.provenance.origin
    assert origin is not None, "an imported run knows its harness"
    return ImportedRun(
        **vars(document_of(run)),
        origin=origin,
        stated_mean=origin.stated_mean,
        agrees_with_stated=agrees(origin, run.estimate.mean) if origin.headline else None,
    )


def _with_gold(request: "ImportRequest", gold: Path, name: str) -> "ImportRequest":
    """Let a benchmark read its own items: that is what knows the right answers."""
    from dataclasses import replace

    from weighbridge.evaluation.benchmark import LoadRequest, Settings
    from weighbridge.evaluation.registry import find_benchmark

    benchmark = find_benchmark(name)
    return replace(
        request,
        gold=lambda: benchmark.asking.load(LoadRequest(gold, None, Settings())),
        benchmark=benchmark.name,
        withhold=request.withhold or not benchmark.about.publishes_questions,
    )


def _scale(text: str) -> tuple[float, float]:
    from weighbridge.errors import InputError

    low, _, high = text.partition(":")
    try:
        found = float(low), float(high)
    except ValueError:
        found = (0.0, 0.0)
    if not found[0] < found[1]:
        raise InputError(f"--scale {text}", "LOW:HIGH, such as 0:1 or 1:10")
    return found
