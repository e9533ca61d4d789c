"""Judge answers that were made elsewhere, such as a file of HumanEval completions.

One {"sample_id": …, "text": …} a line, read as a chat's reply unless --no-chat-template says that
it goes on from the prompt; for HumanEval also its own {"task_id": …, "completion": …}, which does.
For mt_bench also FastChat's files: answers, which --judge judges, or judgments of
single answers or of pairs, which need no judge: one run for each model in them, of pairs against
all others or against --baseline MODEL.
"""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from weighbridge.cli import options
from weighbridge.cli.output import emit, progress, require_figures, run_json, run_text
from weighbridge.records import EvalRun

if TYPE_CHECKING:
    from weighbridge.evaluation.answers import Answers
    from weighbridge.opening.tasks import Task


def command(
    answers: Annotated[Path, typer.Argument(help="JSONL of answers.")],
    benchmark: Annotated[str, typer.Option("--benchmark", "-b", metavar="NAME[:SUBSET]")],
    limit: Annotated[int | None, typer.Option(help="First so many items.")] = None,
    partial: Annotated[bool, typer.Option(help="Judge only the items answered.")] = False,
    judge: options.Judge = "",
    judge_repeats: options.JudgeRepeats = 1,
    judge_max_tokens: options.JudgeMaxTokens = None,
    baseline: options.Baseline = "",
    max_usd: options.MaxUsd = None,
    protocol: Annotated[str, typer.Option(help="How answers are judged.")] = "generative",
    chat_template: Annotated[
        bool | None,
        typer.Option(
            "--chat-template/--no-chat-template", help="Replies to chats, or completions."
        ),
    ] = None,
    shots: Annotated[int, typer.Option(help="Worked examples that were shown.")] = 0,
    data: options.Data = None,
    runs: options.Runs = options.DEFAULT_RUNS,
    cache: options.Cache = None,
    device: options.Device = "auto",
    threads: options.Threads = 0,
    offline: options.Offline = False,
    allow_weaker_sandbox: options.WeakerSandbox = False,
    json: options.Json = False,
) -> None:
    """See the module's docstring, which is the help."""
    from weighbridge.evaluation.answers import RecordedAnswers, read_answers
    from weighbridge.evaluation.benchmark import Settings
    from weighbridge.evaluation.fastchat import is_judgments
    from weighbridge.evaluation.runner import evaluate
    from weighbridge.opening.judge import JudgeChoice, open_judge
    from weighbridge.opening.tasks import find_task, place_for

    around = options.surroundings(
        runs=runs, cache=cache, data=data, device=device, threads=threads, offline=offline
    )
    settings = Settings(protocol=protocol, shots=shots, limit=limit, chat_template=chat_template)
    task = find_task(benchmark, around.places, settings, shots)
    if task.benchmark.judges and answers.is_file() and is_judgments(answers):
        _finish(_judged_elsewhere(answers, task, around, limit, partial, baseline), json)
        return
    read = read_answers(answers)
    task = _as_answered(task, read)
    choice = JudgeChoice(judge, judge_repeats, judge_max_tokens, baseline)
    choice.check([(task.benchmark, task.settings)])
    model = RecordedAnswers(read, partial=partial)
    model.note_strangers(task.benchmark, task.items(replace(task.settings, limit=None)))
    reach = options.endpoints(runs, around.offline, max_usd)
    place = place_for(
        around.store, around.threads, around.started, [task],
        allow_weaker_sandbox=allow_weaker_sandbox, already_paid=reach.budget.already_paid,
    )  # fmt: skip
    with (
        open_judge(
            choice, around.store, reach, around.cache, around.device, around.threads
        ) as judging,
        progress(task.title) as bar,
    ):
        run = evaluate(
            model,
            model.only_answered(task.benchmark) if partial else task.benchmark,
            place,
            subset=task.subset,
            settings=task.settings,
            data=task.data,
            judge=judging,
            on_progress=lambda p: bar(p.done, p.total),
        )
    _finish([run], json)


def _finish(sealed: list[EvalRun], json: bool) -> None:
    text = "\n".join(map(run_text, sealed))
    emit({"runs": [run_json(run) for run in sealed]}, text, json)
    require_figures(sealed)


def _judged_elsewhere(
    judgments: Path,
    task: "Task",
    around: options.Surroundings,
    limit: int | None,
    partial: bool,
    baseline: str,
) -> list[EvalRun]:
    """Seal a file of FastChat's judgments, one run a model."""
    from weighbridge.evaluation.benchmark import LoadRequest, Settings
    from weighbridge.evaluation.judged_elsewhere import seal_judgments
    from weighbridge.opening.tasks import place_for

    settings = Settings(protocol="generative", limit=limit)
    place = place_for(around.store, around.threads, around.started, [])
    request = LoadRequest(task.data, task.subset, settings)
    return seal_judgments(
        judgments, task.benchmark, place, request, partial=partial, baseline=baseline
    )


def _as_answered(task: "Task", answers: "Answers") -> "Task":
    """Return the task as these answers were made: how often, and in a chat or not."""
    settings, benchmark = task.settings, task.benchmark
    if settings.chat_template is None:
        if answers.completions:
            settings = replace(settings, chat_template=False)
        else:
            benchmark = benchmark.reading_chats()
    return replace(task, benchmark=benchmark, settings=replace(settings, repeats=answers.repeats))
