"""Attack the tuned model with the campaign that the base went through."""

from weighbridge.project.attacking import attack
from weighbridge.project.candidate import candidate_of
from weighbridge.project.plan import Plan
from weighbridge.project.stage import (
    BASE_ATTACKS,
    CANDIDATE_ATTACKS,
    CANDIDATE_RUNS,
    MERGED,
    TUNED,
    Attacked,
    Results,
    Stage,
    StageFacts,
    Work,
)
from weighbridge.records.attack import AttackRun


def _describe(plan: Plan) -> str:
    return "attack the tuned model in the same way, and pair what came of it with the base's"


def _run(work: Work) -> AttackRun:
    return attack(work.models.open(candidate_of(work)), work, "tuned")


def _facts(plan: Plan, results: Results) -> StageFacts:
    (before, again), after = results[BASE_ATTACKS], results[CANDIDATE_ATTACKS]
    return StageFacts(attacked=(Attacked(before.run_id, again.run_id, after.run_id),))


STAGE = Stage(
    brings=CANDIDATE_ATTACKS,
    applies=lambda plan: plan.campaign is not None,
    describe=_describe,
    run=_run,
    needs=(BASE_ATTACKS, TUNED),
    uses=(CANDIDATE_RUNS, MERGED),
    facts=_facts,
)
