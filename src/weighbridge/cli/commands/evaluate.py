"""Measure a model on one or more benchmarks.

An endpoint is openai:MODEL (or another provider) or http://HOST/v1#MODEL. A benchmark is NAME,
NAME:SUBSET (mmlu:astronomy), or the path of your own .toml. The same run is never computed twice:
an interrupted one goes on, a finished one is shown.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from weighbridge.cli import options
from weighbridge.cli.comparing import overlap_text
from weighbridge.cli.output import (
    as_plain,
    drawn_on,
    emit,
    progress,
    require_figures,
    run_json,
    run_text,
    say,
)
from weighbridge.errors import InputError
from weighbridge.evidence import RunStore
from weighbridge.records import CleanSubset, Contamination, EvalRun, Json
from weighbridge.records.printable import printable_line

if TYPE_CHECKING:
    from weighbridge.opening.endpoints import Endpoints
    from weighbridge.opening.judge import JudgeChoice
    from weighbridge.opening.models import Unloaded
    from weighbridge.opening.tasks import Task

NAME = "NAME[:SUBSET]"


def command(
    model: Annotated[str, typer.Argument(help=options.ANY_MODEL)],
    benchmark: Annotated[list[str], typer.Option("--benchmark", "-b", metavar=NAME)],
    protocol: Annotated[str, typer.Option(help="How answers are obtained.")] = "",
    shots: Annotated[int | None, typer.Option(help="Worked examples before a question.")] = None,
    limit: Annotated[int | None, typer.Option(help="First so many items of each subset.")] = None,
    repeats: Annotated[int, typer.Option(help="Answers per item.")] = 1,
    temperature: Annotated[float | None, typer.Option(help="0 is greedy.", min=0)] = None,
    max_tokens: Annotated[int | None, typer.Option(help="Longest answer.", min=1)] = None,
    chat_template: Annotated[
        bool | None, typer.Option("--chat-template/--no-chat-template", help="Prompt as a chat.")
    ] = None,
    judge: options.Judge = "",
    judge_repeats: options.JudgeRepeats = 1,
    judge_max_tokens: options.JudgeMaxTokens = None,
    baseline: options.Baseline = "",
    stop_when_decided: options.StopWhenDecided = "",
    margin: options.Margin = None,
    tuning_data: Annotated[
        Path | None, typer.Option(help="File in which to look for the benchmark's items.")
    ] = None,
    show_prompt: Annotated[
        bool,
        typer.Option(
            help="Print each first prompt and stop; ⟦ ⟧ marks control tokens that are text."
        ),
    ] = False,
    max_usd: options.MaxUsd = None,
    dry_run: Annotated[bool, typer.Option(help="Say what would run and stop.")] = False,
    data: options.Data = None,
    runs: options.Runs = options.DEFAULT_RUNS,
    cache: options.Cache = None,
    device: options.Device = "auto",
    threads: options.Threads = 0,
    memory: options.Memory = "",
    seed: options.Seed = 0,
    offline: options.Offline = False,
    allow_weaker_sandbox: options.WeakerSandbox = False,
    json: options.Json = False,
) -> None:
    """See the module's docstring, which is the help."""
    from weighbridge.evaluation.benchmark import Settings
    from weighbridge.opening.judge import JudgeChoice
    from weighbridge.opening.models import without_weights
    from weighbridge.opening.tasks import find_all

    around = options.surroundings(
        runs=runs, cache=cache, data=data, device=device, threads=threads, offline=offline
    )
    settings = Settings(
        protocol=protocol, shots=shots or 0, limit=limit, repeats=repeats, seed=seed,
        temperature=temperature, max_tokens=max_tokens, chat_template=chat_template,
    )  # fmt: skip
    chosen = find_all(benchmark, around.places, settings, shots)
    if dry_run:
        emit(*_intended(model, judge, judge_repeats, chosen), json)
        return
    if show_prompt:
        _show_prompts(without_weights(model, around.offline), chosen, json)
        return
    if tuning_data is not None and not tuning_data.is_file():
        raise InputError(f"no file at {tuning_data}", "JSONL or text that was tuned on")
    limit_bytes = options.parse_memory(memory)
    choice = JudgeChoice(judge, judge_repeats, judge_max_tokens, baseline)
    choice.check([(task.benchmark, task.settings) for task in chosen])
    finished = []
    for done in _measured(
        model, chosen, around, options.endpoints(runs, around.offline, max_usd), choice,
        stop_when_decided, margin, limit_bytes, allow_weaker_sandbox, tuning_data,
    ):  # fmt: skip
        finished.append(done)
        if not json:
            say(done.text)
    if json:
        emit({"runs": [done.document for done in finished]}, "", True)
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
    def document(self) -> dict[str, Json]:
        document = run_json(self.run)
        if self.overlap is not None:
            found, clean = self.overlap
            document["contamination"] = as_plain(found) | {"clean": as_plain(clean)}
        return document


def _measured(
    model: str,
    tasks: "list[Task]",
    around: options.Surroundings,
    reach: "Endpoints",
    choice: "JudgeChoice",
    stop_when_decided: str,
    margin: float | None,
    limit_bytes: int | None,
    allow_weaker_sandbox: bool,
    tuning_data: Path | None,
) -> Iterator[_Done]:
    """Open model and judge, and yield each benchmark's run as it ends."""
    from weighbridge.opening.judge import open_judge
    from weighbridge.opening.models import open_any
    from weighbridge.opening.preview import look_at_all_prompts
    from weighbridge.opening.tasks import place_for, stop_rule, weigh

    stop = stop_rule(stop_when_decided, margin, around.store, tasks)
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

    shown: list[dict[str, Json]] = [
        {
            "benchmark": task.title,
            "notes": list(look_at_prompts(model, task).notes),
            "prompt": first_prompt(model, task),
        }
        for task in tasks
    ]
    for note in dict.fromkeys(note for one in shown for note in one["notes"]):
        say(f"note: {printable_line(note)}", err=True)
    title = "== {benchmark} ==\n" if len(shown) > 1 else ""
    text = "\n\n".join(title.format(**one) + one["prompt"] for one in shown)
    emit({"prompts": shown}, text, json)


def _overlap(
    task: "Task", run: EvalRun, store: RunStore, tuning_data: Path
) -> tuple[Contamination, CleanSubset]:
    """Which items overlap with tuning data, and what the run scores without them."""
    from weighbridge.comparison.contamination import find_overlap, score_without

    found = find_overlap(task.benchmark, task.items(task.settings), tuning_data)
    return found, score_without(store.read(run.run_id), found)


def _intended(
    model: str, judge: str, judge_repeats: int, chosen: "Sequence[Task]"
) -> tuple[dict[str, Json], str]:
    """Return what would run, and what it would cost at endpoints, as JSON and as text."""
    from weighbridge.opening.endpoints import address_of
    from weighbridge.opening.preview import notes_before_loading
    from weighbridge.opening.spending import ASSUMPTIONS, estimate_spending, told
    from weighbridge.opening.tasks import what_would_run

    rows, lines = what_would_run(model, chosen), list[str]()
    notes = notes_before_loading(model, chosen)
    asked, judging = address_of(model), address_of(judge)
    for row, task in zip(rows, chosen, strict=True):
        said, row["spending"] = told(estimate_spending(asked, judging, task, judge_repeats))
        lines += [f"{row['benchmark']}: {row['n']} items", *said]
    lines += [f"note: {note}" for note in notes]
    document: dict[str, Json] = {"would_run": rows, "notes": list(notes)}
    if asked or judging:
        document["assumptions"] = list(ASSUMPTIONS)
        lines += ["assumed: " + "; ".join(ASSUMPTIONS)]
    return document, "\n".join(lines)
