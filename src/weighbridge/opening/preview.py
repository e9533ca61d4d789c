"""Looking at the prompts of a run before anything is loaded or spent."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from weighbridge.errors import MissingPiece
from weighbridge.evaluation.judging import Judge
from weighbridge.evaluation.prompt_shapes import Asked, PromptCheck, check_prompts
from weighbridge.evaluation.protocols import complete, force_chat_for_endpoints, require_capable
from weighbridge.evaluation.task import Task
from weighbridge.models.endpoint import EndpointAddress
from weighbridge.models.protocol import Model
from weighbridge.opening.models import without_weights
from weighbridge.sources.weights import WeightsLocation

if TYPE_CHECKING:
    from weighbridge.opening.models import Unloaded


def look_at_prompts(model: Asked, task: Task, judge: Judge | None = None) -> PromptCheck:
    """Find what is peculiar about a task's prompts, before anything is spent.

    Raises:
        InputError: The model, or the judge, can't be asked so.
    """
    settings = complete(force_chat_for_endpoints(task.settings, model), task.benchmark)
    return check_prompts(model, task.benchmark, settings, task.items(settings), judge)


def look_at_all_prompts(
    model: Model, tasks: Sequence[Task], judge: Judge | None = None
) -> tuple[str, ...]:
    """Look at the prompts of every task before the first one starts; return what was found."""
    for task in tasks:
        settings = complete(force_chat_for_endpoints(task.settings, model), task.benchmark)
        require_capable(model, task.benchmark, settings)
    return _sentences([look_at_prompts(model, task, judge) for task in tasks])


def notes_before_loading(
    spec: str | WeightsLocation | EndpointAddress, tasks: Sequence[Task]
) -> tuple[str, ...]:
    """Look at the prompts of every task for a dry run, which fetches nothing."""
    try:
        model = without_weights(spec, offline=True)
    except MissingPiece as error:
        return (f"How the model is asked can't be seen yet: {error}.",)
    return _sentences([look_at_prompts(model, task) for task in tasks])


def _sentences(checks: Sequence[PromptCheck]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(note for check in checks for note in check.notes))


def first_prompt(model: "Unloaded", task: Task) -> str:
    """Return the first item's prompt as the model reads it; unpublished texts are left out."""
    limited = replace(
        complete(force_chat_for_endpoints(task.settings, model), task.benchmark), limit=1
    )
    sample = next(iter(task.items(limited)))
    if not task.benchmark.about.publishes_questions:
        sample = replace(
            sample,
            messages=tuple(replace(m, content="[not published]") for m in sample.messages),
            choices=("[not published]",) * len(sample.choices),
        )
    asking = task.benchmark.asking
    return model.as_read(asking.prompt(asking.turn(sample, 0), limited))
