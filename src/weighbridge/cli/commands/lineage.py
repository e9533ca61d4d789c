"""Compare a model's stages step by step: base, adapter, merged, GGUF.

Each stage is measured on the same items (earlier runs are used again), then compared with the
stage before it, and the last one with the first. Exit 0: the last stage is no worse than the first;
1: it is worse; 3: inconclusive.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from weighbridge.cli import options
from weighbridge.cli.evaluation_options import Questions
from weighbridge.cli.option_groups import grouped
from weighbridge.cli.output import document_of, drawn_on, emit, progress, wrapped
from weighbridge.documents import ABSENT
from weighbridge.documents.comparison import (
    LineageDocument,
    Lineages,
    StepDocument,
    compared_document,
)
from weighbridge.errors import InputError
from weighbridge.records import EvalRun
from weighbridge.records.printable import printable_line
from weighbridge.records.scale import figure, gap
from weighbridge.records.scale import margin as margin_in_words

if TYPE_CHECKING:
    from weighbridge.comparison.lineage import Lineage, Step
    from weighbridge.evaluation.run_context import RunContext
    from weighbridge.evaluation.task import Task
    from weighbridge.models.endpoint import EndpointAddress
    from weighbridge.opening.endpoints import Endpoints
    from weighbridge.sources.weights import WeightsLocation


@grouped
def command(
    models: Annotated[
        list[str],
        typer.Argument(metavar="MODEL", help="Stages in order, such as BASE BASE+ADAPTER."),
    ],
    questions: Questions,
    compute: options.Compute,
    locations: options.Locations,
    margin: options.WorseBy = None,
    memory: options.Memory = "",
    allow_weaker_sandbox: options.WeakerSandbox = False,
    json: options.Json = False,
) -> None:
    """See the module's docstring, which is the help."""
    from weighbridge.comparison.lineage import compare_stages
    from weighbridge.opening.endpoints import address_of
    from weighbridge.opening.tasks import place_for
    from weighbridge.sources.weights import find_weights

    if len(models) < 2:
        raise InputError("one stage", "two or more models: BASE BASE+ADAPTER MERGED")
    around = locations.surroundings(compute)
    # Every name is looked up before the first stage is measured, so that a typo costs nothing.
    stages = [address_of(name) or find_weights(name, offline=around.offline) for name in models]
    tasks = questions.tasks(around.places)
    _check(tasks, margin)
    place = place_for(
        around.store, around.threads, around.started, tasks,
        allow_weaker_sandbox=allow_weaker_sandbox,
    )  # fmt: skip
    reach = options.endpoints(locations.runs, around.offline)
    opening = (reach, around.cache, around.device, around.threads, options.parse_memory(memory))
    measured = [_measure(stage, tasks, place, opening) for stage in stages]
    found = [
        compare_stages([around.store.read(run.run_id) for run in of_one], margin)
        for of_one in zip(*measured, strict=True)
    ]
    lines = [line for one in found for line in _lines(one)]
    emit(Lineages(lineages=tuple(map(_document, found))), "\n".join(lines), json)
    verdicts = [one.verdict for one in found]
    if "inferior" in verdicts:
        raise typer.Exit(1)
    if "inconclusive" in verdicts:
        raise typer.Exit(3)


def _measure(
    stage: "WeightsLocation | EndpointAddress",
    tasks: "list[Task]",
    place: "RunContext",
    opening: "tuple[Endpoints, Path, str, int, int | None]",
) -> list[EvalRun]:
    """Measure one stage on every benchmark."""
    from weighbridge.opening.models import open_any
    from weighbridge.opening.tasks import weigh

    runs = []
    with open_any(stage, *opening) as opened:
        for task in tasks:
            with progress(f"{task.title} {opened.ref.name}") as bar:
                runs.append(weigh(opened, task, place, drawn_on(bar)))
    return runs


def _check(tasks: "list[Task]", margin: float | None) -> None:
    """Refuse a margin off a benchmark's scale, and benchmarks that need a judge."""
    from weighbridge.statistics import check_margin

    if margin is not None:
        for task in tasks:
            check_margin(margin, task.benchmark.scale_for(task.settings))
    if judged := [task.title for task in tasks if task.benchmark.grading.judges]:
        raise InputError(
            f"{judged[0]} in a lineage", "benchmarks that need no judge", "evaluate and compare it"
        )


def _lines(found: "Lineage") -> list[str]:
    first = found.runs[0]
    scale = first.estimate.scale
    lines = [f"{printable_line(first.title)}  ({first.protocol}, n = {first.estimate.n})"]
    for run, step in zip(found.runs, (None, *found.steps), strict=True):
        low, high = (figure(end, scale) for end in run.estimate.interval)
        told = f"{figure(run.estimate.mean, scale):>7}  95% interval {low} to {high}"
        lines.append(f"  {_short(run.model.name):<32} {run.estimate.why_unknown or told}")
        if step is not None:
            lines += wrapped(_told(step), "    ")
    if len(found.steps) > 1:
        lines += wrapped(f"the whole way: {_told(found.whole)}", "  ")
    return lines


def _told(step: "Step") -> str:
    if step.comparison is None or step.joint is None:
        return "the same weights, so the same run"
    c = step.comparison
    if c.why_unknown:
        return f"{c.why_unknown}: {step.joint.verdict.replace('_', '-')}"
    low, high = (gap(end, c.scale) for end in c.interval)
    shift = f", log-probabilities by up to {step.logprob_shift:.2g}" if step.logprob_shift else ""
    return (
        f"{gap(c.difference, c.scale)} [{low}, {high}], "
        f"{step.joint.verdict.replace('_', '-')} at {margin_in_words(c.margin, c.scale)}; "
        f"{step.changed} of {step.answers} answers changed{shift}"
    )


def _short(name: str, width: int = 32) -> str:
    name = printable_line(name)
    return name if len(name) <= width else name[: width - 1] + "…"


def _document(found: "Lineage") -> LineageDocument:
    return LineageDocument(
        benchmark=found.runs[0].title,
        verdict=found.verdict,
        stages=tuple(map(document_of, found.runs)),
        steps=tuple(map(_step, found.steps)),
        whole=_step(found.whole),
    )


def _step(step: "Step") -> StepDocument:
    result = step.comparison
    return StepDocument(
        run_a=step.after.run_id,
        run_b=step.before.run_id,
        answers=step.answers,
        changed=step.changed,
        logprob_shift=step.logprob_shift,
        joint_verdict=step.joint.verdict if step.joint is not None else "equivalent",
        compared=ABSENT if result is None else compared_document(result, flips=False),
    )
