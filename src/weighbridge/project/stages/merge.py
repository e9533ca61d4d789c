"""Merge what was tuned into one folder: what is measured then is what is released."""

from pathlib import Path
from typing import TYPE_CHECKING, cast

from weighbridge.project.plan import Plan
from weighbridge.project.stage import MERGED, TUNED, Results, Stage, StageFacts, Work
from weighbridge.project.tuning import base_digest_of, merge_tuned, run_folder
from weighbridge.sources.artefacts import artefact_digest

if TYPE_CHECKING:
    from weighbridge.models.open_weights import OpenWeights
    from weighbridge.tuning.merging import Merged


def _folder(plan: Plan) -> Path:
    assert plan.project.tune is not None
    return plan.project.folder / plan.project.tune.merge


def _check(work: Work) -> None:
    from weighbridge.tuning.merging import require_free

    require_free(_folder(work.plan))


def _run(work: Work) -> "Merged":
    from weighbridge.tuning.merging import merged_before

    plan, tuned, folder = work.plan, work.results[TUNED], _folder(work.plan)
    assert plan.files is not None and plan.project.tune is not None
    model = cast("OpenWeights", work.models.open(plan.base))
    settings = plan.project.tune.settings
    run = run_folder(work.where.state / "tuning", base_digest_of(model.ref), settings, plan.files)
    merged = merged_before(folder, tuned.artefact, run)
    if merged is None:
        merged = merge_tuned(model, tuned, folder, plan.files, settings)
        work.models.let_go()  # the base has become the merged model
    told = f": {merged.divergence.told()}" if merged.divergence else ""
    work.show.say(f"merged into {folder}{told}")
    return merged


def _facts(plan: Plan, results: Results) -> StageFacts:
    merged = results[MERGED]
    facts = [("Merged model", artefact_digest(merged.path))]
    if merged.divergence is not None:
        facts.append(("Merged, against adapter on base", merged.divergence.told()))
    return StageFacts(training_facts=tuple(facts))


STAGE = Stage(
    brings=MERGED,
    applies=lambda plan: plan.project.tune is not None and bool(plan.project.tune.merge),
    describe=lambda plan: f"merge it into {_folder(plan).name}, and measure that",
    run=_run,
    needs=(TUNED,),
    check=_check,
    facts=_facts,
)
