"""Measuring one model on every benchmark of a plan, as three of the stages do."""

from collections.abc import Sequence
from itertools import zip_longest

from weighbridge.evaluation.judging import Judge
from weighbridge.evaluation.stopping import StopRule
from weighbridge.evaluation.task import Task
from weighbridge.models.protocol import Model
from weighbridge.opening.judge import JudgeChoice, open_judge
from weighbridge.opening.preview import look_at_all_prompts
from weighbridge.opening.tasks import weigh
from weighbridge.project.stage import Work
from weighbridge.records import EvalRun
from weighbridge.records.scale import figure


def tell_how_it_is_asked(model: Model, work: Work) -> None:
    """Say what is peculiar about how the model is asked, before anything is spent."""
    for note in look_at_all_prompts(model, [task for _, task in work.plan.tasks]):
        work.show.say(f"note: {note}")


def measure_all(
    model: Model, work: Work, who: str, stops: Sequence[StopRule | None] = ()
) -> tuple[EvalRun, ...]:
    """Run every task. The judge is loaded only for this time.

    Args:
        model: Who answers.
        work: The project's.
        who: What to call the model beside the benchmark's title ("base").
        stops: When to stop asking, by task; empty asks everything.
    """
    return measure_tasks(model, work, [(task, who) for _, task in work.plan.tasks], stops)


def measure_tasks(
    model: Model,
    work: Work,
    tasks: Sequence[tuple[Task, str]],
    stops: Sequence[StopRule | None] = (),
) -> tuple[EvalRun, ...]:
    """Run these tasks, each with what to call the model beside its title; see `measure_all`."""
    plan, where = work.plan, work.where
    judged = any(task.benchmark.judge_for(task.settings) for task, _ in tasks)
    choice = plan.judge if judged else JudgeChoice()
    with open_judge(
        choice, where.store, where.endpoints, where.cache, where.device, where.threads
    ) as judge:
        return tuple(
            _measure(model, task, work, who, judge, stop)
            for (task, who), stop in zip_longest(tasks, stops)
        )


def _measure(
    model: Model, task: Task, work: Work, who: str, judge: Judge | None, stop: StopRule | None
) -> EvalRun:
    show = work.show
    with show.bar(f"{task.title} {who}") as bar:
        run = weigh(
            model, task, work.plan.place,
            lambda p: bar(p.done, p.total, p.computed_tokens), judge, stop,
        )  # fmt: skip
    if why := run.estimate.why_unknown:
        show.say(f"{task.title} {who}: {why}")
        return run
    mean, low, high = (
        figure(value, run.estimate.scale) for value in (run.estimate.mean, *run.estimate.interval)
    )
    show.say(f"{task.title} {who}: {mean} [{low}, {high}] n={run.estimate.n}")
    return run
