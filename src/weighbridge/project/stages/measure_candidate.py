"""Measure the candidate: the tuned model, or the model that might replace an incumbent."""

from weighbridge.evaluation.stopping import DECIDED, TARGET_DECIDED, StopRule, can_stop
from weighbridge.evaluation.task import Task
from weighbridge.project.candidate import candidate_of
from weighbridge.project.measuring import measure_all, tell_how_it_is_asked
from weighbridge.project.plan import Plan, RunEnvironment
from weighbridge.project.stage import BASE_RUNS, CANDIDATE_RUNS, MERGED, TUNED, Stage, Work
from weighbridge.records import BenchmarkSpec, EvalRun
from weighbridge.records.scale import margin_or_default
from weighbridge.statistics.conditions import ANYTHING


def _describe(plan: Plan) -> str:
    candidate = "the tuned model" if plan.files is not None else plan.project.model.base
    again = " on the same items" if plan.incumbent is None else ""
    return f"measure {candidate}{again}"


def _run(work: Work) -> tuple[EvalRun, ...]:
    model = work.models.open(candidate_of(work))
    base = work.results.get(BASE_RUNS)
    if base is None:
        tell_how_it_is_asked(model, work)
        return measure_all(model, work, "candidate")
    stops = [
        _stop(work.where, wanted, task, old)
        for (wanted, task), old in zip(work.plan.tasks, base, strict=True)
    ]
    return measure_all(model, work, "tuned", stops)


def _stop(
    where: RunEnvironment, wanted: BenchmarkSpec, task: Task, old: EvalRun
) -> StopRule | None:
    """Return the stop rule of the tuned model's run, by the benchmark's role."""
    if not where.stop_when_decided or not can_stop(task.benchmark):
        return None
    until = TARGET_DECIDED if wanted.role == "target" else DECIDED
    margin = margin_or_default(wanted.margin, old.estimate.scale)
    return StopRule(where.store.read(old.run_id), margin, until, ANYTHING)


STAGE = Stage(
    brings=CANDIDATE_RUNS,
    applies=lambda plan: plan.files is not None or plan.incumbent is not None,
    describe=_describe,
    run=_run,
    uses=(BASE_RUNS, TUNED, MERGED),
)
