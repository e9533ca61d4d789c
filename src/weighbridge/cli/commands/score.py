"""Judge answers that were made elsewhere, such as a file of HumanEval completions.

One {"sample_id": …, "text": …} a line, read as a chat's reply unless --no-chat-template says that
it goes on from the prompt; for HumanEval also its own {"task_id": …, "completion": …}, which does.
For mt_bench also FastChat's files: answers, which --judge judges, or judgments of
single answers or of pairs, which need no judge: one run for each model in them, of pairs against
all others or against --baseline MODEL.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

import typer

from weighbridge.cli import options
from weighbridge.cli.evaluation_options import Judging
from weighbridge.cli.option_groups import grouped
from weighbridge.cli.output import document_of, emit, progress, require_figures, run_text
from weighbridge.documents.runs import RunsDocument
from weighbridge.records import EvalRun

if TYPE_CHECKING:
    from weighbridge.evaluation.answers import Answers, RecordedAnswers
    from weighbridge.evaluation.judging import Judge
    from weighbridge.evaluation.run_context import RunContext
    from weighbridge.evaluation.task import Task


@dataclass(frozen=True, kw_only=True)
class Answered:
    """Options that say what the answers are answers to, and how they were made.

    Attributes:
        benchmark: NAME or NAME:SUBSET.
        limit: First so many items; None for all.
        partial: Whether only the items answered are judged; else an item without answer is wrong.
        protocol: How answers are judged.
        chat_template: Whether they are replies to chats; None reads it from the file.
        shots: Worked examples that were shown.
    """

    panel: ClassVar[str] = "What was asked, and how"

    benchmark: Annotated[
        str,
        typer.Option("--benchmark", "-b", metavar="NAME", help="NAME or NAME:SUBSET."),
    ]
    limit: Annotated[int | None, typer.Option(metavar="N", help="Only the first N items.")] = None
    partial: Annotated[
        bool, typer.Option("--partial", help="Judge only items that have an answer.")
    ] = False
    protocol: Annotated[str, typer.Option(metavar="NAME", help="How answers are judged.")] = (
        "generative"
    )
    chat_template: Annotated[
        bool | None,
        typer.Option(
            "--chat-template/--no-chat-template",
            help="The answers are chat replies, or completions; default: as the file says.",
        ),
    ] = None
    shots: Annotated[int, typer.Option(metavar="N", help="Worked examples that were shown.")] = 0


@grouped
def command(
    answers: Annotated[Path, typer.Argument(metavar="FILE", help="JSONL of answers.")],
    answered: Answered,
    judging: Judging,
    limits: options.Limits,
    compute: options.Compute,
    locations: options.Locations,
    json: options.Json = False,
) -> None:
    """See the module's docstring, which is the help."""
    from weighbridge.evaluation.answers import RecordedAnswers, read_answers
    from weighbridge.evaluation.benchmark import Settings
    from weighbridge.evaluation.fastchat import is_judgments
    from weighbridge.opening.judge import open_judge
    from weighbridge.opening.tasks import find_task, place_for

    around = locations.surroundings(compute)
    settings = Settings(
        protocol=answered.protocol, shots=answered.shots, limit=answered.limit,
        chat_template=answered.chat_template,
    )  # fmt: skip
    task = find_task(answered.benchmark, around.places, settings, answered.shots)
    if task.benchmark.grading.judges and answers.is_file() and is_judgments(answers):
        _finish(_judged_elsewhere(answers, task, around, answered, judging.baseline), json)
        return
    read = read_answers(answers)
    task = _as_answered(task, read)
    choice = judging.choice()
    choice.check([(task.benchmark, task.settings)])
    model = RecordedAnswers(read, partial=answered.partial)
    model.note_strangers(task.benchmark, task.items(replace(task.settings, limit=None)))
    if answered.partial:
        task = replace(task, benchmark=model.only_answered(task.benchmark))
    reach = options.endpoints(locations.runs, around.offline, limits.max_usd)
    place = place_for(
        around.store, around.threads, around.started, [task],
        allow_weaker_sandbox=limits.allow_weaker_sandbox, already_paid=reach.budget.already_paid,
    )  # fmt: skip
    with open_judge(
        choice, around.store, reach, around.cache, around.device, around.threads
    ) as judge:
        run = _score(model, task, place, judge)
    _finish([run], json)


def _score(
    model: "RecordedAnswers", task: "Task", place: "RunContext", judge: "Judge | None"
) -> EvalRun:
    """Judge every answer, and seal the run."""
    from weighbridge.evaluation.runner import evaluate

    with progress(task.title) as bar:
        return evaluate(
            model,
            task.benchmark,
            place,
            subset=task.subset,
            settings=task.settings,
            data=task.data,
            judge=judge,
            on_progress=lambda p: bar(p.done, p.total),
        )


def _finish(sealed: list[EvalRun], json: bool) -> None:
    text = "\n".join(map(run_text, sealed))
    emit(RunsDocument(runs=tuple(map(document_of, sealed))), text, json)
    require_figures(sealed)


def _judged_elsewhere(
    judgments: Path,
    task: "Task",
    around: options.Surroundings,
    answered: Answered,
    baseline: str,
) -> list[EvalRun]:
    """Seal a file of FastChat's judgments, one run a model."""
    from weighbridge.evaluation.benchmark import LoadRequest, Settings
    from weighbridge.evaluation.judged_elsewhere import seal_judgments
    from weighbridge.opening.tasks import place_for

    settings = Settings(protocol="generative", limit=answered.limit)
    place = place_for(around.store, around.threads, around.started, [])
    request = LoadRequest(task.data, task.subset, settings)
    return seal_judgments(
        judgments, task.benchmark, place, request, partial=answered.partial, baseline=baseline
    )


def _as_answered(task: "Task", answers: "Answers") -> "Task":
    """Return the task as these answers were made: how often, and in a chat or not."""
    settings = replace(task.settings, repeats=answers.repeats)
    if settings.chat_template is None:
        if answers.completions:
            settings = replace(settings, chat_template=False)
        else:
            task = task.reading_chats()
    return replace(task, settings=settings)
