"""Tune the base model on the project's own rows."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, cast

from weighbridge.project.plan import Plan
from weighbridge.project.stage import (
    BASE_RUNS,
    PROMPT_ARMS,
    TUNED,
    Results,
    Show,
    Stage,
    StageFacts,
    Work,
)
from weighbridge.project.tuning import base_digest_of, quantised_twice, run_folder, tune_model
from weighbridge.reports import Forecast, TrainingPoint
from weighbridge.tuning.plan import count
from weighbridge.tuning.registry import find_method, find_objective
from weighbridge.tuning.rows import PreferencePair

if TYPE_CHECKING:
    from weighbridge.models.open_weights import OpenWeights
    from weighbridge.tuning import TuneResult, TuneSettings


def _describe(plan: Plan) -> str:
    assert plan.files is not None
    rows = plan.files.rows
    what = "preference pair" if isinstance(rows[0], PreferencePair) else "conversation"
    return f"tune it on {count(len(rows), what)} of {plan.files.train.name}"


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


@contextmanager
def tuning_bar(show: Show, title: str) -> "Iterator[Callable[[object], None]]":
    """Draw tuning events as a progress bar."""
    from weighbridge.tuning import Checked, Planned, Referenced, StepDone, Validated
    from weighbridge.tuning.settings import saved_sentences

    tokens = 0.0
    with show.bar(title) as bar:

        def on_event(event: object) -> None:
            nonlocal tokens
            if isinstance(event, Planned):
                bar(event.resumed_step, event.total_steps, None)
                for sentence in event.lengths.sentences("learns from"):
                    show.say(sentence)
                for sentence in saved_sentences(
                    event.arrangement, event.computed_tokens, event.padded_tokens
                ):
                    show.say(sentence)
                if event.predicted_seconds:
                    show.say(
                        f"tuning: {event.total_steps} steps, forecast "
                        f"{event.predicted_seconds:,.0f} s and "
                        f"{event.predicted_memory_bytes / 1e9:.1f} GB"
                    )
                elif event.resumed_step:
                    show.say(f"tuning goes on from step {event.resumed_step}")
            elif isinstance(event, Referenced):
                if event.pairs == event.total_pairs:
                    show.say(f"reference of {count(event.pairs, 'pair')} computed")
            elif isinstance(event, Validated) and event.rewards:
                show.say(f"validation after step {event.step}: {event.rewards}")
            elif isinstance(event, Checked):
                show.say(f"self-test, {event.number} of {event.total}: {event.result.told()}")
            elif isinstance(event, StepDone):
                tokens = event.tokens_per_second
                bar(event.step, event.total_steps, tokens)

        yield on_event


def _facts(plan: Plan, results: Results) -> StageFacts:
    tuned, tune = results[TUNED], plan.project.tune
    assert plan.files is not None and tune is not None
    predicted, peak = tuned.predicted_memory_bytes, tuned.peak_memory_bytes
    return StageFacts(
        tuning_data=str(plan.files.train),
        training=_curve(tuned),
        training_facts=tuple(_training_facts(tune.settings, tuned).items()),
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
            rate = m.learning_rate
            points.append(TrainingPoint(m.step, loss, m.validation_loss, tokens, seconds, rate))
    return tuple(points)


def _training_facts(settings: "TuneSettings", tuned: "TuneResult") -> dict[str, str]:
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
        "Steps": f"{tuned.steps} of {settings.rows_per_step} rows, {settings.epochs} epochs, "
        f"learning rate {settings.learning_rate:g}",
        "Speed": f"{tuned.tokens_per_second:,.0f} tokens per second",
        tuned.output.capitalize(): tuned.artefact_digest,
    }


def _check(work: Work) -> None:
    """Look whether what holds the base in four bits is here, where the method needs it."""
    from weighbridge.models.bitsandbytes_library import require_installed

    tune = work.plan.project.tune
    if tune is not None and not find_method(tune.settings.method).keeps_base:
        require_installed()


STAGE = Stage(
    brings=TUNED,
    applies=lambda plan: plan.files is not None,
    describe=_describe,
    run=_run,
    check=_check,
    uses=(BASE_RUNS, PROMPT_ARMS),  # it is measured first, so that it is opened once
    facts=_facts,
)
