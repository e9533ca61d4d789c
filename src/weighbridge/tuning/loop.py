"""Tune a model: the recipe, exact to the bit and resumable from any moment.

Which weights are trained is the method's affair, and what is learnt the objective's. Order of
rows, learning rate and dropout are functions of the seed and the step. With the same number of
threads, a run killed and resumed ends with the same bits as one left alone.
"""

import json
import math
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

from weighbridge.errors import InputError, Interrupted
from weighbridge.models.template_clock import date_written
from weighbridge.process_memory import release_freed
from weighbridge.sources.digests import file_digest
from weighbridge.storage import append_line, sole_owner, write_whole
from weighbridge.tuning import checkpoint, early_stopping, plan
from weighbridge.tuning.experts import expert_layers, watched_experts
from weighbridge.tuning.heap import GapWatch, gaps_returned
from weighbridge.tuning.job import (
    Job,
    arranged_as_before,
    prepare,
    require_base,
    require_rows,
    type_of,
)
from weighbridge.tuning.masks import MaskedRow
from weighbridge.tuning.mixing import Mixed
from weighbridge.tuning.paired_rows import LearntRow, parts_of
from weighbridge.tuning.peak import peak_bytes, probed_peak, restart_peak
from weighbridge.tuning.recomputing import recomputed
from weighbridge.tuning.registry import find_method, find_objective
from weighbridge.tuning.rewards import RewardPair, Rewards
from weighbridge.tuning.rows import TuningRow
from weighbridge.tuning.run_folder import (
    CHECKPOINTS,
    claim,
    finished,
    result_weights,
    run_parts,
    write_result,
)
from weighbridge.tuning.self_test.running import Trial, tried_out
from weighbridge.tuning.session import (
    interruptible,
    products_in,
    reproducible,
    require_precision,
)
from weighbridge.tuning.settings import (
    Checkpointed,
    Metric,
    OnEvent,
    Planned,
    StepDone,
    TuneResult,
    TuneSettings,
    Validated,
)
from weighbridge.tuning.step import Stopped, add_gradients, update


def tune(
    module: Any,
    tokenizer: Any,
    train: Sequence[TuningRow],
    validation: Sequence[TuningRow],
    settings: TuneSettings,
    folder: Path,
    on_event: OnEvent,
    *,
    base: str,
    base_digest: str,
    mixed: Sequence[Mixed] = (),
) -> TuneResult:
    """Tune a model, or go on where an earlier call with the same arguments stopped.

    `folder` afterwards holds ``adapter/`` (peft's format) or ``model/`` (a whole model),
    ``result.json``, ``metrics.jsonl``, ``run.json`` and the last checkpoints. `module` is handed
    back as it was.

    Args:
        module: The base: a causal language model of transformers.
        tokenizer: Its tokenizer, with a chat template.
        train: What is learnt from.
        validation: What the loss is measured on before, after each epoch and at the end; may be
            empty.
        settings: See `TuneSettings`.
        folder: The run's own folder; holds one run only.
        on_event: Called with each `TuneEvent` as it happens.
        base: What an adapter's config names as its base.
        base_digest: Digest of the base's weights and settings.
        mixed: What of `train` was mixed in, for the run's record.

    Raises:
        InputError: Data, settings or template are wrong, or `folder` holds another run.
        Interrupted: Ctrl-C; everything finished is on disk.
        StorageError: The disk is full or read-only, or another process tunes in `folder`.
    """
    require_base(module)
    require_precision(settings.precision, module.device.type)
    method = find_method(settings.method)
    objective = find_objective(settings.objective).bound(settings)
    config = module.config.get_text_config()
    limit = settings.max_tokens or getattr(config, "max_position_embeddings", None) or 1 << 20
    rows, lengths = objective.rows(tokenizer, train, limit, settings.overflow)
    held_out: tuple[LearntRow, ...] = ()
    held_lengths = None
    if validation:
        held_out, held_lengths = objective.rows(tokenizer, validation, limit, settings.overflow)
    early_stopping.require_validation(settings, held_out)
    require_rows(module, tokenizer, parts_of((*rows, *held_out)))
    decisive = run_parts(parts_of(rows), parts_of(held_out), settings, base_digest)
    with sole_owner(folder):
        threads = claim(folder, decisive, base, date_written(tokenizer), type_of(module))
        if (done := finished(folder, method.output)) is not None:
            return done
        said: list[str] = []
        trial = Trial(method, objective, module, tokenizer, rows, held_out, settings, base, folder)
        with (
            interruptible() as stopping,
            reproducible(settings.seed, threads),
            gaps_returned(module) as gaps,
            recomputed(module, settings.checkpointing),
        ):
            tried = tried_out(trial, on_event, stopping)
            with method.prepared(module, settings, base, folder, said) as model:
                known = tried.arrangement if tried else None
                job = prepare(
                    method,
                    objective,
                    model,
                    rows,
                    held_out,
                    settings,
                    folder,
                    on_event,
                    stopping,
                    known,
                )
                state = _train(job, lengths, stopping, gaps, warm=tried is not None)
                job.optimizer.state.clear()  # saving a whole model needs that room
                kept = early_stopping.restore_best(
                    folder, state.metrics, job.parameters, settings.patience
                )
                said += early_stopping.kept_sentence(state.metrics, kept, job.schedule.total_steps)
                method.save(model, tokenizer, folder / method.output)
                result = replace(
                    _result(
                        job,
                        state,
                        decisive.identity,
                        lengths,
                        _end_of_turn(tokenizer, parts_of(rows)[0]),
                    ),
                    validation_lengths=held_lengths,
                    template_date=date_written(tokenizer),
                    notes=tuple(said),
                    self_test=tried,
                    kept_step=kept,
                    mixed=tuple(mixed),
                    experts=expert_layers(
                        job.model,
                        state.expert_tokens,
                        None if method.output == "model" else folder / method.output,
                    ),
                )
        write_result(folder, result)
        return result


def _end_of_turn(tokenizer: Any, row: MaskedRow) -> str:
    """Return the last token that is learnt, which ends the assistant's turn, as text."""
    backwards = zip(row.token_ids[::-1], row.trained[::-1], strict=True)
    text: str = tokenizer.decode([next(token for token, trained in backwards if trained)])
    return text


def _train(
    job: Job, lengths: plan.LengthReport, stopping: threading.Event, gaps: GapWatch, warm: bool
) -> checkpoint.RunState:
    with (
        job.method.accelerated(job.model),
        products_in(job.settings.precision),
        watched_experts(job.model) as watch,
    ):
        state = checkpoint.load_checkpoint(
            job.folder / CHECKPOINTS, job.parameters, job.optimizer, job.method.output
        )
        predicted_seconds = None
        release_freed()  # by what was measured with the base before, and by the self-test
        restart_peak(job.model.device)
        if state is None:
            state = _start(job, warm)
            predicted_seconds = state.predicted_seconds
        gaps.keep_below(state.predicted_memory_bytes)
        job = replace(arranged_as_before(job, state.arrangement), watch=watch)
        if watch is not None:
            watch.begin(state.expert_tokens)
        job.on_event(
            Planned(
                total_steps=job.schedule.total_steps,
                lengths=lengths,
                trainable_parameters=job.trained_numbers,
                predicted_memory_bytes=state.predicted_memory_bytes,
                predicted_seconds=predicted_seconds,
                resumed_step=state.step,
                arrangement=job.arrangement,
                computed_tokens=job.token_counts[job.arrangement],
                padded_tokens=job.token_counts["padded"],
            )
        )
        write_whole(job.folder / "metrics.jsonl", checkpoint.metric_lines(state.metrics))
        saved = state.step
        try:
            if not state.metrics:
                state = _record(job, state, _validated(job, Metric(step=0)))
            while not _ended(job, state):
                state = _step(job, state, stopping)
                if state.step % job.settings.checkpoint_steps == 0 or _ended(job, state):
                    _checkpoint(job, state)
                    saved = state.step
        except (Stopped, KeyboardInterrupt) as error:
            # A step that is saved already is left alone: rewriting it could lose it.
            if isinstance(error, Stopped) and state.metrics and state.step > saved:
                _checkpoint(job, state)
                saved = state.step
            raise Interrupted(
                f"tuning stopped after step {state.step} of {job.schedule.total_steps}",
                do=f"the same command goes on from step {saved}",
            ) from None
        return replace(state, peak_memory_bytes=_peak(job, state), arrangement=job.arrangement)


def _ended(job: Job, state: checkpoint.RunState) -> bool:
    """Whether every step was made, or the validation loss no longer falls."""
    every = state.step >= job.schedule.total_steps
    return every or early_stopping.exhausted(state.metrics, job.settings.patience)


def _start(job: Job, warm: bool) -> checkpoint.RunState:
    """Time a forward and backward pass on the longest rows there are, and measure its memory."""
    longest = sorted(job.rows, key=len, reverse=True)[: job.settings.batch_size]
    probe = job.batch(longest)
    positions = probe.token_ids.numel()
    if not warm:
        job.objective.loss(job.model, probe).backward()
        if job.settings.accumulation == 1:  # else gradients stand while the next pass is computed
            job.optimizer.zero_grad()
    started = time.perf_counter()
    job.objective.loss(job.model, probe).backward()
    seconds = time.perf_counter() - started
    predicted = probed_peak(job.parameters.values(), job.model.device)
    job.optimizer.zero_grad()
    return checkpoint.RunState(
        step=0,
        metrics=(),
        predicted_seconds=plan.forecast_seconds(
            job.token_counts[job.arrangement], positions, seconds
        ),
        predicted_memory_bytes=predicted,
        peak_memory_bytes=0,
        arrangement=job.arrangement,
    )


def _step(job: Job, state: checkpoint.RunState, stopping: threading.Event) -> checkpoint.RunState:
    """Make one optimizer step."""
    started = time.perf_counter()
    step = state.step + 1
    torch.manual_seed(job.schedule.seed(step))
    passes = [job.batch([job.rows[row] for row in rows]) for rows in job.schedule.passes(step)]
    rewards: list[RewardPair] = []
    loss = add_gradients(job, passes, stopping, rewards)
    if job.watch is not None:
        job.watch.require_gradients(step, job.schedule.total_steps)
    rate = job.schedule.learning_rate(step)
    norm = update(job, rate)
    if not (math.isfinite(loss) and math.isfinite(norm)):
        raise InputError(
            f"the loss became {loss} (gradient norm {norm}) at step {step}",
            "finite numbers",
            "lower learning_rate",
        )
    metric = Metric(
        step=step,
        loss=loss,
        learning_rate=rate,
        gradient_norm=norm,
        tokens=sum(batch.tokens for batch in passes),
        trained_tokens=sum(len(batch.targets) for batch in passes),
        seconds=time.perf_counter() - started,
        rewards=Rewards.of(rewards),
    )
    if job.schedule.validates_after(step):
        metric = _validated(job, metric)
    return _record(job, state, metric)


@torch.no_grad()
def _validated(job: Job, metric: Metric) -> Metric:
    """Return a metric with the validation rows' loss; as it is where there are no rows."""
    if not job.validation:
        return metric
    job.model.eval()
    total, count = 0.0, 0
    pairs: list[RewardPair] = []
    rows = sorted(job.validation, key=len)
    for start in range(0, len(rows), job.settings.batch_size):
        batch = job.batch(rows[start : start + job.settings.batch_size])
        total += job.objective.loss(job.model, batch, pairs).item()
        count += job.objective.targets(batch)
    job.model.train()
    loss, rewards = total / count, Rewards.of(pairs)
    job.on_event(Validated(metric.step, loss, rewards))
    return replace(metric, validation_loss=loss, validation_rewards=rewards)


def _record(job: Job, state: checkpoint.RunState, metric: Metric) -> checkpoint.RunState:
    append_line(job.folder / "metrics.jsonl", json.dumps(asdict(metric), allow_nan=False))
    state = replace(state, step=metric.step, metrics=(*state.metrics, metric))
    if job.watch is not None:
        job.watch.end_step()
        state = replace(state, expert_tokens=job.watch.plain())
    early_stopping.keep_best(job.folder, state.metrics, job.parameters, job.settings.patience)
    if metric.loss is not None:
        seconds = sum(m.seconds for m in state.metrics)
        job.on_event(
            StepDone(
                step=metric.step,
                total_steps=job.schedule.total_steps,
                loss=metric.loss,
                tokens_per_second=metric.tokens / metric.seconds,
                seconds_left=seconds / metric.step * (job.schedule.total_steps - metric.step),
                rewards=metric.rewards,
                trained_tokens_per_second=metric.trained_tokens / metric.seconds,
                learning_rate=metric.learning_rate or 0.0,
                memory_bytes=_peak(job, state),
            )
        )
    return state


def _checkpoint(job: Job, state: checkpoint.RunState) -> None:
    state = replace(state, peak_memory_bytes=_peak(job, state), arrangement=job.arrangement)
    path = checkpoint.save_checkpoint(
        job.folder / CHECKPOINTS, state, job.parameters, job.optimizer, job.method.output
    )
    job.on_event(Checkpointed(state.step, path))
    release_freed()  # passes of different lengths leave holes, which would add up


def _peak(job: Job, state: checkpoint.RunState) -> int:
    return max(state.peak_memory_bytes, peak_bytes(job.model.device))


def _result(
    job: Job,
    state: checkpoint.RunState,
    identity: str,
    lengths: plan.LengthReport,
    end_of_turn: str,
) -> TuneResult:
    steps = [m for m in state.metrics if m.loss is not None]
    seconds = sum(m.seconds for m in steps)
    tokens = sum(m.tokens for m in steps)
    losses = [m.loss for m in steps if m.loss is not None]
    artefact = job.folder / job.method.output
    return TuneResult(
        artefact=artefact,
        artefact_digest=file_digest(result_weights(artefact)),
        identity=identity,
        steps=state.step,
        trainable_parameters=job.trained_numbers,
        tokens=tokens,
        trained_tokens=sum(m.trained_tokens for m in steps),
        tokens_per_second=tokens / seconds,
        seconds=seconds,
        predicted_seconds=state.predicted_seconds,
        loss_first=losses[0],
        loss_last=losses[-1],
        validation_loss_first=state.metrics[0].validation_loss,
        validation_loss_last=state.metrics[-1].validation_loss,
        peak_memory_bytes=state.peak_memory_bytes,
        predicted_memory_bytes=state.predicted_memory_bytes,
        end_of_turn=end_of_turn,
        lengths=lengths,
        metrics=state.metrics,
        method=job.method.name,
        objective=job.objective.name,
        output=job.method.output,
        arrangement=state.arrangement or job.arrangement,
        computed_tokens=job.token_counts[state.arrangement or job.arrangement],
        padded_tokens=job.token_counts["padded"],
    )
