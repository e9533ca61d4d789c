"""Judge answers that were made elsewhere, such as a file of HumanEval completions.

One {"sample_id": …, "text": …} a line; for HumanEval also its own {"task_id": …, "completion": …}.
"""

from pathlib import Path
from typing import Annotated

import typer

from weighbridge.cli import options
from weighbridge.cli.output import emit, progress, run_json, run_text


def command(
    answers: Annotated[Path, typer.Argument(help="JSONL of answers.")],
    benchmark: Annotated[str, typer.Option("--benchmark", "-b", metavar="NAME[:SUBSET]")],
    limit: Annotated[int | None, typer.Option(help="First so many items.")] = None,
    partial: Annotated[bool, typer.Option(help="Judge only the items answered.")] = False,
    data: options.Data = None,
    runs: options.Runs = options.DEFAULT_RUNS,
    threads: options.Threads = 0,
    offline: options.Offline = False,
    allow_weaker_sandbox: options.WeakerSandbox = False,
    json: options.Json = False,
) -> None:
    """See the module's docstring, which is the help."""
    from weighbridge.evaluation.answers import RecordedAnswers, read_answers
    from weighbridge.evaluation.benchmark import Settings
    from weighbridge.evaluation.runner import evaluate
    from weighbridge.pipeline.weighing import find_task, place_for

    around = options.surroundings(runs=runs, data=data, threads=threads, offline=offline)
    read = read_answers(answers)
    settings = Settings(protocol="generative", limit=limit, repeats=read.repeats)
    task = find_task(benchmark, around.places, settings)
    model = RecordedAnswers(read, partial=partial)
    place = place_for(
        around.store, around.threads, around.started, [task],
        allow_weaker_sandbox=allow_weaker_sandbox,
    )  # fmt: skip
    with progress(task.title) as bar:
        run = evaluate(
            model,
            model.only_answered(task.benchmark) if partial else task.benchmark,
            place,
            subset=task.subset,
            settings=task.settings,
            data=task.data,
            on_progress=lambda p: bar(p.done, p.total),
        )
    emit({"runs": [run_json(run)]}, run_text(run), json)
