"""Measure the base with worked examples in its prompt: what tuning has to beat.

Number and choice of the examples are settled on validation rows, before the benchmark's own items
are asked.
"""

from weighbridge.project.measuring import measure_tasks
from weighbridge.project.plan import Plan
from weighbridge.project.prompting import Prompts, best_of
from weighbridge.project.stage import (
    BASE_RUNS,
    PROMPT_ARMS,
    Results,
    Stage,
    StageFacts,
    Work,
)
from weighbridge.records import EvalRun, PromptArm, PromptTried
from weighbridge.records.scale import figure


def _describe(plan: Plan) -> str:
    tried = sum(len(prompts.rows) * len(prompts.candidates) for prompts in plan.prompts)
    items = sum(1 for p in plan.prompts for _ in p.task.items(p.task.settings))
    stated = plan.prompts[0].stated
    shots = " or ".join(str(shots) for shots in (0, *sorted(stated.shots)))
    return (
        f"ask the base with {shots} worked examples on {len(plan.prompts[0].rows)} validation "
        f"rows ({tried:,} short answers), and measure it with the best of these prompts "
        f"({items:,} answers)"
    )


def _run(work: Work) -> tuple[PromptArm, ...]:
    return tuple(_arm(prompts, work) for prompts in work.plan.prompts)


def _arm(prompts: Prompts, work: Work) -> PromptArm:
    """Choose the prompt on the validation rows, then measure the base with it."""
    model = work.models.open(work.plan.base)
    candidates = prompts.candidates
    tasks = [(prompts.on_validation(*each), f"base, {_said(*each)}") for each in candidates]
    runs = measure_tasks(model, work, tasks)
    scored = [(*each, run) for each, run in zip(candidates, runs, strict=True)]
    best, chosen = best_of(scored), best_of([one for one in scored if one[0]])
    means = {(shots, draw): _mean(run) for shots, draw, run in scored}
    work.show.say(
        f"{prompts.task.title}: best on validation is {_said(*best)} ({means[best]}); of the "
        f"prompts with examples {_said(*chosen)} ({means[chosen]})"
    )
    task = prompts.on_items(*chosen)
    (run,) = measure_tasks(model, work, [(task, f"base, {_said(*chosen)}")])
    return PromptArm(
        weigh=prompts.wanted,
        run=run.run_id,
        shots=chosen[0],
        draw=chosen[1],
        rows=tuple(row.name for row in prompts.examples(*chosen)),
        digest=task.settings.examples,
        tried=tuple(PromptTried(shots, draw, run.run_id) for shots, draw, run in scored),
    )


def _mean(run: EvalRun) -> str:
    known = run.estimate.known_mean
    return "nothing was graded" if known is None else figure(known, run.estimate.scale)


def _said(shots: int, draw: int) -> str:
    if not shots:
        return "no examples"
    return f"{shots} example{'s' * (shots != 1)}" + (f", draw {draw}" if draw > 1 else "")


def _facts(plan: Plan, results: Results) -> StageFacts:
    return StageFacts(prompted=results[PROMPT_ARMS])


STAGE = Stage(
    brings=PROMPT_ARMS,
    applies=lambda plan: bool(plan.prompts),
    describe=_describe,
    run=_run,
    uses=(BASE_RUNS,),
    facts=_facts,
)
