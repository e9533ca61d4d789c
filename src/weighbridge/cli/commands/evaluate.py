"""Measure a model on one or more benchmarks.

An endpoint is openai:MODEL (or another provider) or http://HOST/v1#MODEL. A benchmark is NAME,
NAME:SUBSET (mmlu:astronomy), or the path of your own .toml. The same run is never computed twice:
an interrupted one goes on, a finished one is shown.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

import typer

from weighbridge.cli import options
from weighbridge.cli.comparing import overlap_text
from weighbridge.cli.evaluation_options import Answering, Judging, Questions
from weighbridge.cli.option_groups import grouped
from weighbridge.cli.output import (
    document_of,
    drawn_on,
    emit,
    progress,
    require_figures,
    run_text,
    say,
)
from weighbridge.documents import ABSENT, OrAbsent
from weighbridge.documents.intentions import FirstPrompt, FirstPrompts, IntendedEvaluation
from weighbridge.documents.overlap import OverlapDocument
from weighbridge.documents.runs import EvaluatedRun, EvaluatedRuns
from weighbridge.errors import InputError
from weighbridge.evidence import RunStore
from weighbridge.records import CleanSubset, Contamination, EvalRun
from weighbridge.records.printable import printable_line

if TYPE_CHECKING:
    from weighbridge.evaluation.task import Task
    from weighbridge.opening.endpoints import Endpoints
    from weighbridge.opening.judge import JudgeChoice
    from weighbridge.opening.models import Unloaded


@dataclass(frozen=True, kw_only=True)
class Stopping:
    """Options that end a run before all of its items were asked.

    Attributes:
        stop_when_decided: The run that it is compared with as it goes; "" asks every item.
        margin: How much worse than that run is acceptable, on the benchmark's scale;
            None takes 2 % of it.
    """

    panel: ClassVar[str] = "Stopping early"

    stop_when_decided: Annotated[
        str,
        typer.Option(
            metavar="RUN", help="Ask in random order, until the model is shown worse or no worse."
        ),
    ] = ""
    margin: Annotated[
        float | None,
        typer.Option(
            help="How much worse than RUN counts as no worse; default: 2 % of the scale.",
            parser=options.parse_margin,
            metavar="FLOAT",
        ),
    ] = None


@dataclass(frozen=True, kw_only=True)
class Checks:
    """Options for checks before a run, and of its items.

    Attributes:
        dry_run: Whether to stop before anything is loaded.
        show_prompt: Whether to print each first prompt and stop.
        tuning_data: Where to look for the benchmark's items; None looks nowhere.
    """

    panel: ClassVar[str] = "Checks"

    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would run and cost, and stop.")
    ] = False
    show_prompt: Annotated[
        bool,
        typer.Option(
            "--show-prompt",
            help="Print each benchmark's first prompt; ⟦ ⟧ marks control tokens that are text.",
        ),
    ] = False
    tuning_data: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Find items that occur in this file; score with and without them."
        ),
    ] = None


@grouped
def command(
    model: Annotated[str, typer.Argument(metavar="MODEL", help=options.ANY_MODEL)],
    questions: Questions,
    answering: Answering,
    judging: Judging,
    stopping: Stopping,
    checks: Checks,
    limits: options.Limits,
    compute: options.Compute,
    locations: options.Locations,
    memory: options.Memory = "",
    json: options.Json = False,
) -> None:
    """See the module's docstring, which is the help."""
    from weighbridge.opening.models import without_weights

    around = locations.surroundings(compute)
    tasks = questions.tasks(around.places, answering)
    if checks.dry_run:
        emit(*_intended(model, judging, tasks), json)
        return
    if checks.show_prompt:
        _show_prompts(without_weights(model, around.offline), tasks, json)
        return
    if checks.tuning_data is not None and not checks.tuning_data.is_file():
        raise InputError(f"no file at {checks.tuning_data}", "JSONL or text that was tuned on")
    limit_bytes, choice = options.parse_memory(memory), judging.choice()
    choice.check([(task.benchmark, task.settings) for task in tasks])
    finished = []
    for done in _measured(
        model, tasks, around, options.endpoints(locations.runs, around.offline, limits.max_usd),
        choice, stopping, limit_bytes, limits.allow_weaker_sandbox, checks.tuning_data,
    ):  # fmt: skip
        finished.append(done)
        if not json:
            say(done.text)
    if json:
        emit(EvaluatedRuns(runs=tuple(done.document for done in finished)), "", True)
    else:
        say("Look at single answers: weighbridge runs show RUN --samples")
    require_figures([done.run for done in finished])


@dataclass(frozen=True)
class _Done:
    """A finished run, and what it scores without items of the tuning data."""

    run: EvalRun
    overlap: tuple[Contamination, CleanSubset] | None

    @property
    def text(self) -> str:
        lines = [run_text(self.run)]
        if self.overlap is not None:
            lines.append(overlap_text(*self.overlap, self.run.estimate.scale))
        return "\n".join(lines)

    @property
    def document(self) -> EvaluatedRun:
        found: OrAbsent[OverlapDocument] = ABSENT
        if self.overlap is not None:
            overlap, clean = self.overlap
            found = OverlapDocument(overlap=overlap, clean=clean)
        return EvaluatedRun(**vars(document_of(self.run)), contamination=found)


def _measured(
    model: str,
    tasks: "list[Task]",
    around: options.Surroundings,
    reach: "Endpoints",
    choice: "JudgeChoice",
    stopping: Stopping,
    limit_bytes: int | None,
    allow_weaker_sandbox: bool,
    tuning_data: Path | None,
) -> Iterator[_Done]:
    """Open model and judge, and yield each benchmark's run as it ends."""
    from weighbridge.opening.judge import open_judge
    from weighbridge.opening.models import open_any
    from weighbridge.opening.preview import look_at_all_prompts
    from weighbridge.opening.tasks import place_for, stop_rule, weigh

    stop = stop_rule(stopping.stop_when_decided, stopping.margin, around.store, tasks)
    opening = (reach, around.cache, around.device, around.threads, limit_bytes)
    with open_any(model, *opening) as opened:
        place = place_for(
            around.store, around.threads, around.started, tasks,
            allow_weaker_sandbox=allow_weaker_sandbox, already_paid=reach.budget.already_paid,
        )  # fmt: skip
        with open_judge(choice, around.store, *opening) as judging:
            for note in look_at_all_prompts(opened, tasks, judging):
                say(f"note: {printable_line(note)}", err=True)
            for task in tasks:
                with progress(task.title) as bar:
                    run = weigh(opened, task, place, drawn_on(bar), judging, stop)
                found = _overlap(task, run, around.store, tuning_data) if tuning_data else None
                yield _Done(run, found)
                if run.unasked_samples:
                    break  # the cap holds for all of them


def _show_prompts(model: "Unloaded", tasks: "list[Task]", json: bool) -> None:
    """Print each benchmark's first prompt as the model reads it; what was found, to stderr."""
    from weighbridge.opening.preview import first_prompt, look_at_prompts

    shown = [
        FirstPrompt(
            benchmark=task.title,
            notes=tuple(look_at_prompts(model, task).notes),
            prompt=first_prompt(model, task),
        )
        for task in tasks
    ]
    for note in dict.fromkeys(note for one in shown for note in one.notes):
        say(f"note: {printable_line(note)}", err=True)
    texts = [f"== {one.benchmark} ==\n{one.prompt}" for one in shown]
    text = "\n\n".join(texts) if len(shown) > 1 else shown[0].prompt
    emit(FirstPrompts(prompts=tuple(shown)), text, json)


def _overlap(
    task: "Task", run: EvalRun, store: RunStore, tuning_data: Path
) -> tuple[Contamination, CleanSubset]:
    """Which items overlap with tuning data, and what the run scores without them."""
    from weighbridge.comparison.contamination import find_overlap, score_without

    found = find_overlap(task.benchmark, task.items(task.settings), tuning_data)
    return found, score_without(store.read(run.run_id), found)


def _intended(
    model: str, judging: Judging, tasks: "Sequence[Task]"
) -> tuple[IntendedEvaluation, str]:
    """Return what would run, and what it would cost at endpoints, as a document and as text."""
    from weighbridge.opening.endpoints import address_of
    from weighbridge.opening.preview import notes_before_loading
    from weighbridge.opening.spending import ASSUMPTIONS, estimate_spending, told
    from weighbridge.opening.tasks import what_would_run

    lines: list[str] = []
    notes = notes_before_loading(model, tasks)
    asked, judge = address_of(model), address_of(judging.judge)
    priced = []
    for row, task in zip(what_would_run(model, tasks), tasks, strict=True):
        spending = estimate_spending(asked, judge, task, judging.judge_repeats)
        priced.append(replace(row, spending=spending))
        lines += [f"{row.benchmark}: {row.n} items", *told(spending)]
    lines += [f"note: {note}" for note in notes]
    costs = bool(asked or judge)
    if costs:
        lines += ["assumed: " + "; ".join(ASSUMPTIONS)]
    document = IntendedEvaluation(
        would_run=tuple(priced), notes=tuple(notes), assumptions=ASSUMPTIONS if costs else ABSENT
    )
    return document, "\n".join(lines)
