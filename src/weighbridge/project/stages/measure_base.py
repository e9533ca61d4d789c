"""Measure the base model, before it is tuned."""

from weighbridge.project.measuring import measure_all, tell_how_it_is_asked
from weighbridge.project.plan import Plan
from weighbridge.project.stage import BASE_RUNS, Stage, Work
from weighbridge.records import EvalRun


def _describe(plan: Plan) -> str:
    count = len(plan.tasks)
    return f"measure {plan.project.model.base} on {count} benchmark{'s' * (count != 1)}"


def _run(work: Work) -> tuple[EvalRun, ...]:
    model = work.models.open(work.plan.base)
    tell_how_it_is_asked(model, work)
    return measure_all(model, work, "base")


STAGE = Stage(
    brings=BASE_RUNS,
    applies=lambda plan: plan.incumbent is None,
    describe=_describe,
    run=_run,
)
