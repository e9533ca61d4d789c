"""Run a project: weigh the base, tune it, weigh it again, and write the report.

With an [incumbent], the candidate is weighed against the model that is paid for.

Interrupted anywhere, the same command goes on from there. Exit 0 when every stage ended; 3 where a
benchmark was asked in part only, or none of a model's answers to it could be graded. With --require
VERDICT, 1 for the opposite verdict and 3 for insufficient evidence.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from weighbridge.cli import options
from weighbridge.records import Json

if TYPE_CHECKING:
    from weighbridge.project.plan import Plan


def command(
    project: Annotated[Path, typer.Argument(help="Project file or its folder.")] = Path(),
    require: Annotated[
        str, typer.Option(help="Exit 0 only for this verdict (paid, replace).")
    ] = "",
    dry_run: Annotated[bool, typer.Option(help="Check everything, say what would run.")] = False,
    max_usd: options.MaxUsd = None,
    data: options.Data = None,
    runs: options.Runs = options.DEFAULT_RUNS,
    cache: options.Cache = None,
    device: options.Device = "auto",
    threads: options.Threads = 0,
    offline: options.Offline = False,
    allow_weaker_sandbox: options.WeakerSandbox = False,
    stop_when_decided: Annotated[
        bool,
        typer.Option(
            "--stop-when-decided", help="Ask the tuned model in random order, till it is decided."
        ),
    ] = False,
    json: options.Json = False,
) -> None:
    """See the module's docstring, which is the help."""
    code = run_project(
        project, str(project), require=require, dry_run=dry_run, max_usd=max_usd, data=data,
        runs=runs, cache=cache, device=device, threads=threads, offline=offline,
        allow_weaker_sandbox=allow_weaker_sandbox, json=json,
        stop_when_decided=stop_when_decided,
    )  # fmt: skip
    raise typer.Exit(code)


def run_project(
    path: Path,
    argument: str,
    *,
    require: str,
    dry_run: bool,
    data: list[str] | None,
    runs: Path,
    cache: Path | None,
    device: str,
    threads: int,
    offline: bool,
    json: bool,
    allow_weaker_sandbox: bool = False,
    stop_when_decided: bool = False,
    max_usd: float | None = None,
) -> int:
    """Run a project file's stages and print the outcome; return the exit code."""
    from weighbridge.cli.drawing import Drawn
    from weighbridge.cli.output import emit, have_figures
    from weighbridge.project.plan import RunEnvironment, make_plan
    from weighbridge.project.project_file import read_project
    from weighbridge.project.report import as_json, report_folder, write_report
    from weighbridge.project.running import run_stages
    from weighbridge.project.tuning import tuned_name

    project = read_project(path)
    around = options.surroundings(
        runs=runs, cache=cache, data=data, named=project.named_data, device=device,
        threads=threads, offline=offline,
    )  # fmt: skip
    state = runs.parent
    where = RunEnvironment(
        around.store, state, around.cache, around.places, device, around.threads,
        around.offline, around.started, options.endpoints(runs, around.offline, max_usd),
        allow_weaker_sandbox, stop_when_decided,
    )  # fmt: skip
    plan = make_plan(project, where)
    if dry_run:
        emit(*_intended(project.model.base, plan), json)
        return 0
    outcome = run_stages(plan, where, Drawn())
    if outcome.single:
        from weighbridge.cli.output import run_json, run_text

        measured = outcome.single
        emit({"runs": [run_json(r) for r in measured]}, "\n".join(map(run_text, measured)), json)
        return 3 if require or not have_figures(measured) else 0
    folder = report_folder(state, project.project.name)
    written = write_report(outcome, folder, around.started, argument, around.store)
    judged = written.judged
    signs = {"yes": "yes", "no": "NO ", "insufficient": "?  "}
    lines = ["", f"Verdict: {judged.verdict.upper()}", judged.headline, ""]
    lines += [f"  {signs[finding.outcome]}  {finding.title}" for finding in judged.findings]
    lines += ["", f"Report:  {written.page.resolve()}", f"Verify:  weighbridge verify {folder}"]
    if outcome.tuned is not None:
        base = project.model.base
        tuned = tuned_name(base, outcome.tuned)
        lines.append(f"Try it:  weighbridge chat {base} --against {tuned}")
    emit(as_json(written, outcome), "\n".join(lines), json)
    whole = have_figures([run for w in outcome.weighed for run in (w.before, w.after)])
    if not require or judged.verdict == require:
        return 0 if whole else 3
    return 3 if judged.verdict == "insufficient evidence" else 1


def _intended(base: str, plan: "Plan") -> tuple[dict[str, Json], str]:
    """Return what would run and what would be skipped, as JSON and as text."""
    from weighbridge.opening.preview import notes_before_loading
    from weighbridge.opening.spending import ASSUMPTIONS, estimate_spending, told
    from weighbridge.opening.tasks import what_would_run
    from weighbridge.project.running import stages_of

    stages = [stage.describe(plan) for stage in stages_of(plan)]
    tasks = [task for _, task in plan.tasks]
    rows, notes = what_would_run(base, tasks), notes_before_loading(plan.base, tasks)
    money: list[str] = []
    if plan.incumbent is not None:
        for row, task in zip(rows, tasks, strict=True):
            said, row["spending"] = told(estimate_spending(plan.incumbent, None, task))
            money += [f"{row['benchmark']} at {plan.incumbent.host}:", *said]
        money.append("assumed: " + "; ".join(ASSUMPTIONS))
    skipped = [{"benchmark": x.weigh.benchmark, "get_it": x.get_it} for x in plan.left]
    times = "twice" if len(stages) > 1 else "once"
    lines = [f"{number}. {stage}" for number, stage in enumerate(stages, start=1)]
    lines += [f"{row['benchmark']}: {row['n']} items, {times}" for row in rows]
    lines += [f"{x.weigh.benchmark}: skipped, {x.why}" for x in plan.left]
    lines += [*money, *(f"note: {note}" for note in notes)]
    found: dict[str, Json] = {
        "stages": stages, "would_run": rows, "skipped": skipped, "notes": list(notes),
    }  # fmt: skip
    return found, "\n".join(lines)
