"""Attack the base, twice: how much two runs on one model differ is the instrument's own noise."""

from weighbridge.project.attacking import attack
from weighbridge.project.plan import Plan
from weighbridge.project.stage import BASE_ATTACKS, BASE_RUNS, PROMPT_ARMS, Stage, Work
from weighbridge.records.attack import AttackRun


def _describe(plan: Plan) -> str:
    assert plan.campaign is not None
    trials = len(plan.campaign.trials())
    name = plan.campaign.campaign.name
    return f"attack {plan.project.model.base} with the campaign {name} ({trials:,} trials), twice"


def _run(work: Work) -> tuple[AttackRun, AttackRun]:
    model = work.models.open(work.plan.base)
    return attack(model, work, "base"), attack(model, work, "base again", another_seed=True)


STAGE = Stage(
    brings=BASE_ATTACKS,
    applies=lambda plan: plan.campaign is not None,
    describe=_describe,
    run=_run,
    uses=(BASE_RUNS, PROMPT_ARMS),
)
