"""Tune the base model on the project's own rows."""

from typing import TYPE_CHECKING, cast

from weighbridge.project.data_licence import NOT_STATED
from weighbridge.project.plan import Plan
from weighbridge.project.stage import (
    BASE_ATTACKS,
    BASE_RUNS,
    PROMPT_ARMS,
    TUNED,
    Results,
    Stage,
    StageFacts,
    Work,
)
from weighbridge.project.tuning import (
    TuningFiles,
    base_digest_of,
    quantised_twice,
    run_folder,
    tune_model,
)
from weighbridge.project.tuning_forecast import require_room
from weighbridge.project.tuning_progress import tuning_bar
from weighbridge.reports import Forecast, TrainingPoint
from weighbridge.sources.weights import WeightsLocation
from weighbridge.tuning.expert_layer import told_of
from weighbridge.tuning.plan import count
from weighbridge.tuning.registry import find_method, find_objective
from weighbridge.tuning.rows import PreferencePair

if TYPE_CHECKING:
    from weighbridge.models.open_weights import OpenWeights
    from weighbridge.tuning import TuneResult, TuneSettings


def _describe(plan: Plan) -> str:
    assert plan.files is not None
    rows = plan.files.own_rows
    what = "preference pair" if isinstance(rows[0], PreferencePair) else "conversation"
    added = [f"{count(one.rows, 'row')} of {one.name}" for one in plan.files.mixed if one.rows]
    mixed = f", with {' and '.join(added)} mixed in" if added else ""
    return f"tune it on {count(len(rows), what)} of {plan.files.train.name}{mixed}"


def _run(work: Work) -> "TuneResult":
    plan = work.plan
    assert plan.files is not None and plan.project.tune is not None
    model = cast("OpenWeights", work.models.open(plan.base))
    settings = plan.project.tune.settings
    folder = run_folder(
        work.where.state / "tuning", base_digest_of(model.ref), settings, plan.files
    )
    for note in (*plan.notes, *quantised_twice(model.ref, settings)):
        work.show.say(f"note: {note}")
    with tuning_bar(work.show, "tune") as on_event:
        tuned = tune_model(
            model, plan.project.model.base, settings, plan.files, folder, on_event
        )  # fmt: skip
    work.show.say(
        f"tuned: loss {tuned.loss_first:.3f} to {tuned.loss_last:.3f} in {tuned.steps} steps, "
        f"{tuned.tokens_per_second:,.0f} tok/s"
    )
    return tuned


def _facts(plan: Plan, results: Results) -> StageFacts:
    tuned, tune = results[TUNED], plan.project.tune
    assert plan.files is not None and tune is not None
    predicted, peak = tuned.predicted_memory_bytes, tuned.peak_memory_bytes
    return StageFacts(
        tuning_data=str(plan.files.train),
        training=_curve(tuned),
        training_facts=tuple(_training_facts(tune.settings, tuned, plan.files).items()),
        forecasts=(
            Forecast("Peak memory while tuning", "bytes", predicted, peak),
            Forecast("Time in training steps", "seconds", tuned.predicted_seconds, tuned.seconds),
        ),
    )


def _curve(tuned: "TuneResult") -> tuple[TrainingPoint, ...]:
    points: list[TrainingPoint] = []
    tokens, seconds = 0, 0.0
    for m in tuned.metrics:
        tokens, seconds = tokens + m.trained_tokens, seconds + m.seconds
        loss = m.loss if m.loss is not None else m.validation_loss
        if loss is not None:
            speed = m.trained_tokens / m.seconds if m.seconds else None
            points.append(
                TrainingPoint(
                    m.step, loss, m.validation_loss, tokens, seconds, m.learning_rate, speed
                )
            )
    return tuple(points)


def _training_facts(
    settings: "TuneSettings", tuned: "TuneResult", files: TuningFiles
) -> dict[str, str]:
    objective = find_objective(tuned.objective).bound(settings)
    rewards = {
        name: str(measured[1])
        for name, measured in (
            ("Rewards at the last step", tuned.rewards),
            ("Rewards on validation pairs", tuned.validation_rewards),
        )
        if measured
    }
    return {
        "Method": find_method(tuned.method).describe(settings),
        **({"Objective": objective.describe()} if rewards else {}),
        **rewards,
        "Trainable parameters": f"{tuned.trainable_parameters:,}",
        "Rows": f"{tuned.lengths.rows:,} of {tuned.lengths.total_tokens:,} tokens, "
        f"{tuned.lengths.trained_share:.0%} of them learnt",
        **_mixed_in(files),
        "Licence of the data": files.licence or NOT_STATED,
        "Learnt": f"the assistant's turns and {tuned.end_of_turn!r}, which ends them",
        **_experts(tuned),
        "Steps": f"{tuned.steps} of {settings.rows_per_step} rows, {settings.epochs} epochs, "
        f"learning rate {settings.learning_rate:g}",
        **({"Kept": f"step {tuned.kept_step}, early stopping"} if tuned.kept_step else {}),
        "Recipe": f"{settings.schedule} schedule, warm-up {settings.warmup_share:.0%}, gradients "
        f"up to {settings.clip_norm:g}, weight decay {settings.weight_decay:g}, seed "
        f"{settings.seed}, rows {tuned.arrangement}",
        "Speed": f"{tuned.tokens_per_second:,.0f} tokens per second",
        tuned.output.capitalize(): tuned.artefact_digest,
    }


def _experts(tuned: "TuneResult") -> dict[str, str]:
    said = told_of(tuned.experts)
    return {"Experts": said[0].removeprefix("experts: ")} if said else {}


def _mixed_in(files: TuningFiles) -> dict[str, str]:
    if not files.mixed:
        return {}
    return {"Mixed in": "; ".join(one.told().removeprefix("mixed in: ") for one in files.mixed)}


def _check(work: Work) -> None:
    """Look whether the run fits, and what its method needs is here, before hours of measuring."""
    plan, where = work.plan, work.where
    tune = plan.project.tune
    if tune is None or plan.files is None or not isinstance(plan.base, WeightsLocation):
        return
    for note in require_room(plan.base, tune.settings, plan.files, where.device, where.offline):
        work.show.say(f"note: {note}")


STAGE = Stage(
    brings=TUNED,
    applies=lambda plan: plan.files is not None,
    describe=_describe,
    run=_run,
    check=_check,
    # The base is measured first, so that it is opened once.
    uses=(BASE_RUNS, PROMPT_ARMS, BASE_ATTACKS),
    facts=_facts,
)
