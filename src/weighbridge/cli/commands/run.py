"""Run a project: weigh the base, tune it, weigh it again, and write the report.

With an [incumbent], the candidate is weighed against the model that is paid for.

Interrupted anywhere, the same command goes on from there. Exit 0 when every stage ended; 3 where a
benchmark was asked in part only, or none of a model's answers to it could be graded. With --require
VERDICT, 1 for the opposite verdict and 3 for insufficient evidence.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

import typer

from weighbridge.cli import options
from weighbridge.cli.option_groups import grouped

if TYPE_CHECKING:
    from weighbridge.documents.intentions import IntendedProject
    from weighbridge.project.plan import Plan, RunEnvironment
    from weighbridge.project.project_file import Project
    from weighbridge.project.report import Written
    from weighbridge.project.running import ProjectOutcome


@dataclass(frozen=True, kw_only=True)
class Conduct:
    """Options that say how a project's run goes.

    Attributes:
        require: The verdict that alone gives exit code 0; "" lets every run that ended do so.
        stop_when_decided: Whether the tuned model is asked only until each benchmark is decided.
        dry_run: Whether to stop before anything is run.
    """

    panel: ClassVar[str] = "How it runs"

    require: Annotated[
        str,
        typer.Option(metavar="VERDICT", help="Exit with 0 only for this one: paid or replace."),
    ] = ""
    stop_when_decided: Annotated[
        bool,
        typer.Option(
            "--stop-when-decided",
            help="Ask the tuned model in random order, and stop once a benchmark is decided.",
        ),
    ] = False
    dry_run: options.DryRun = False


@grouped
def command(
    conduct: Conduct,
    limits: options.Limits,
    compute: options.Compute,
    locations: options.Locations,
    project: Annotated[
        Path, typer.Argument(metavar="PROJECT", help="Project file or its folder.")
    ] = Path(),
    json: options.Json = False,
) -> None:
    """See the module's docstring, which is the help."""
    code = run_project(project, str(project), conduct, limits, compute, locations, json)
    raise typer.Exit(code)


def run_project(
    path: Path,
    argument: str,
    conduct: Conduct,
    limits: options.Limits,
    compute: options.Compute,
    locations: options.Locations,
    json: bool,
) -> int:
    """Run a project file's stages and print the outcome; return the exit code.

    Args:
        path: The project file or its folder.
        argument: How a person names it, for the report's command that reproduces it.
        conduct: How the run goes.
        limits: What it may do.
        compute: Where it computes.
        locations: Where data, runs and weights are.
        json: Whether to print JSON.
    """
    from weighbridge.cli.drawing import Drawn
    from weighbridge.cli.output import emit, have_figures
    from weighbridge.project.plan import make_plan
    from weighbridge.project.project_file import read_project
    from weighbridge.project.report import document_of, report_folder, write_report
    from weighbridge.project.running import run_stages

    project = read_project(path)
    environment = _environment(project, conduct, limits, compute, locations)
    plan = make_plan(project, environment)
    if conduct.dry_run:
        emit(*_intended(project.model.base, plan), json)
        return 0
    outcome = run_stages(plan, environment, Drawn())
    if outcome.single:
        return _measured_alone(outcome, conduct, json)
    folder = report_folder(environment.state, project.project.name)
    written = write_report(outcome, folder, environment.started, argument, environment.store)
    emit(document_of(written, outcome), "\n".join(_lines(written, outcome, folder)), json)
    whole = have_figures([run for w in outcome.weighed for run in w.needed])
    if not conduct.require or written.judged.verdict == conduct.require:
        return 0 if whole else 3
    return 3 if written.judged.verdict == "insufficient evidence" else 1


def _environment(
    project: "Project",
    conduct: Conduct,
    limits: options.Limits,
    compute: options.Compute,
    locations: options.Locations,
) -> "RunEnvironment":
    from weighbridge.project.plan import RunEnvironment

    around = locations.surroundings(compute, project.named_data)
    return RunEnvironment(
        around.store, locations.runs.parent, around.cache, around.places, compute.device,
        around.threads, around.offline, around.started,
        options.endpoints(locations.runs, around.offline, limits.max_usd),
        limits.allow_weaker_sandbox, conduct.stop_when_decided,
    )  # fmt: skip


def _measured_alone(outcome: "ProjectOutcome", conduct: Conduct, json: bool) -> int:
    """Print the runs of a project that compares nothing."""
    from weighbridge.cli.output import document_of, emit, have_figures, run_text
    from weighbridge.documents.runs import RunsDocument

    measured = outcome.single
    document = RunsDocument(runs=tuple(map(document_of, measured)))
    emit(document, "\n".join(map(run_text, measured)), json)
    return 3 if conduct.require or not have_figures(measured) else 0


def _lines(written: "Written", outcome: "ProjectOutcome", folder: Path) -> list[str]:
    """Say the verdict, what it rests on, and what a person can do next."""
    from weighbridge.cli.verdict_output import attack_lines, safety_lines, verdict_lines
    from weighbridge.comparison.safety_delta import safety_delta
    from weighbridge.project.tuning import tuned_name

    lines = verdict_lines(written.judged) + safety_lines(safety_delta(outcome.weighed))
    lines += attack_lines(written.attacks)
    lines += ["", f"Report:  {written.page.resolve()}", f"Verify:  weighbridge verify {folder}"]
    if outcome.tuned is not None:
        base = outcome.plan.project.model.base
        tuned = tuned_name(base, outcome.tuned)
        lines.append(f"Try it:  weighbridge chat {base} --against {tuned}")
    return lines


def _intended(base: str, plan: "Plan") -> tuple["IntendedProject", str]:
    """Return what would run and what would be skipped, as a document and as text."""
    from weighbridge.documents.intentions import IntendedProject, MissingBenchmark
    from weighbridge.opening.preview import notes_before_loading
    from weighbridge.opening.spending import ASSUMPTIONS, estimate_spending, told
    from weighbridge.opening.tasks import what_would_run
    from weighbridge.project.running import stages_of

    stages = [stage.describe(plan) for stage in stages_of(plan)]
    tasks = [task for _, task in plan.tasks]
    rows, notes = what_would_run(base, tasks), notes_before_loading(plan.base, tasks)
    money: list[str] = []
    if plan.incumbent is not None:
        spending = [estimate_spending(plan.incumbent, None, task) for task in tasks]
        rows = [replace(row, spending=usd) for row, usd in zip(rows, spending, strict=True)]
        for row, usd in zip(rows, spending, strict=True):
            money += [f"{row.benchmark} at {plan.incumbent.host}:", *told(usd)]
        money.append("assumed: " + "; ".join(ASSUMPTIONS))
    skipped = [MissingBenchmark(benchmark=x.weigh.benchmark, get_it=x.get_it) for x in plan.left]
    prompted = {prompts.task.title for prompts in plan.prompts}
    times = "twice" if len(stages) > 1 else "once"
    lines = [f"{number}. {stage}" for number, stage in enumerate(stages, start=1)]
    lines += [
        f"{row.benchmark}: {row.n} items, {'three times' if row.benchmark in prompted else times}"
        for row in rows
    ]
    lines += [f"{x.weigh.benchmark}: skipped, {x.why}" for x in plan.left]
    lines += [*money, *(f"note: {note}" for note in notes)]
    document = IntendedProject(
        stages=tuple(stages), would_run=tuple(rows), skipped=tuple(skipped), notes=tuple(notes)
    )
    return document, "\n".join(lines)
