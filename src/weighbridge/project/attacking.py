"""Attacking one model with a project's campaign, as two of the stages do."""

from dataclasses import replace

from weighbridge.models.protocol import Model
from weighbridge.project.stage import Work
from weighbridge.records.attack import AttackRun
from weighbridge.redteam.runner import run_campaign
from weighbridge.redteam.sufficiency import alarms


def attack(model: Model, work: Work, who: str, *, another_seed: bool = False) -> AttackRun:
    """Run the project's campaign on a model.

    Args:
        model: Who is attacked.
        work: The project's.
        who: What to call the model ("base").
        another_seed: Whether to draw otherwise, so that two runs on one model show the noise.
    """
    prepared = work.plan.campaign
    assert prepared is not None, "the stage applies to projects with a campaign"
    campaign = prepared.campaign
    if another_seed:
        prepared = replace(prepared, campaign=replace(campaign, seed=campaign.seed + 1))
    with work.show.bar(f"attacks ({campaign.name}) {who}") as bar:
        run = run_campaign(
            prepared, model, work.plan.place,
            on_progress=lambda p: bar(p.done, p.total, p.computed_tokens),
        )  # fmt: skip
    trials = sum(sum(rate.outcomes.values()) for rate in run.rates)
    work.show.say(f"attacks ({campaign.name}) {who}: {trials} trials")
    for alarm in alarms(run.rates):
        work.show.say(f"  {alarm}")
    return run
