"""Measure a model on one or more benchmarks.

An endpoint is openai:MODEL (or another provider) or http://HOST/v1#MODEL. A benchmark is NAME,
NAME:SUBSET (mmlu:astronomy), or the path of your own .toml. The same run is never computed twice:
an interrupted one goes on, a finished one is shown.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from weighbridge.cli import options
from weighbridge.cli.output import drawn_on, emit, progress, run_json, run_text
from weighbridge.errors import CapReached
from weighbridge.records import Json

if TYPE_CHECKING:
    from weighbridge.pipeline.weighing import Task

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
    max_usd: options.MaxUsd = None,
    show_prompt: Annotated[bool, typer.Option(help="Print the first prompt and stop.")] = False,
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
    from weighbridge.pipeline.judge import JudgeChoice, open_judge
    from weighbridge.pipeline.weighing import (
        find_all,
        first_prompt,
        open_any,
        place_for,
        weigh,
    )

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
    limit_bytes = options.parse_memory(memory)
    choice = JudgeChoice(judge, judge_repeats, judge_max_tokens, baseline)
    choice.check([(task.benchmark, task.settings) for task in chosen])
    reach = options.endpoints(runs, around.offline, max_usd)
    with open_any(model, reach, around.cache, around.device, around.threads, limit_bytes) as opened:
        if show_prompt:
            text = first_prompt(opened, chosen[0])
            emit({"prompt": text}, text, json)
            return
        place = place_for(
            around.store, around.threads, around.started, chosen,
            allow_weaker_sandbox=allow_weaker_sandbox, already_paid=reach.budget.already_paid,
        )  # fmt: skip
        finished = []
        with open_judge(
            choice, around.store, reach, around.cache, around.device, around.threads, limit_bytes,
        ) as judging:  # fmt: skip
            for task in chosen:
                with progress(task.title) as bar:
                    finished.append(weigh(opened, task, place, drawn_on(bar), judging))
                if not json:
                    typer.echo(run_text(finished[-1]))
                if finished[-1].unasked_samples:
                    break  # the cap holds for all of them
    if json:
        emit({"runs": [run_json(run) for run in finished]}, "", True)
    if finished[-1].unasked_samples:
        raise typer.Exit(CapReached.exit_code)


def _intended(
    model: str, judge: str, judge_repeats: int, chosen: "Sequence[Task]"
) -> tuple[dict[str, Json], str]:
    """Return what would run, and what it would cost at endpoints, as JSON and as text."""
    from weighbridge.pipeline.endpoints import ASSUMPTIONS, address_of, estimate_spending, told
    from weighbridge.pipeline.weighing import what_would_run

    rows, lines = what_would_run(model, chosen), []
    asked, judging = address_of(model), address_of(judge)
    for row, task in zip(rows, chosen, strict=True):
        said, row["spending"] = told(estimate_spending(asked, judging, task, judge_repeats))
        lines += [f"{row['benchmark']}: {row['n']} items", *said]
    document: dict[str, Json] = {"would_run": rows}
    if asked or judging:
        document["assumptions"] = list(ASSUMPTIONS)
        lines += ["assumed: " + "; ".join(ASSUMPTIONS)]
    return document, "\n".join(lines)
