"""Tune a model with LoRA: the recipe, exact to the bit and resumable from any moment.

Order of rows, learning rate and dropout are functions of the seed and the step. With the same
number of threads, a run killed and resumed ends with the same bits as one left alone.
"""

import json
import math
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from weighbridge.errors import InputError, Interrupted
from weighbridge.models.template_clock import date_written
from weighbridge.process_memory import (
    peak_memory_bytes,
    resident_memory_bytes,
    restart_peak,
)
from weighbridge.sources.digests import file_digest
from weighbridge.storage import append_line, sole_owner, write_whole
from weighbridge.tuning import adapters, batches, checkpoint, memory, plan
from weighbridge.tuning.data import Conversation
from weighbridge.tuning.fused import fused_lora
from weighbridge.tuning.loss import can_share_prefixes, loss_sum, require_causal
from weighbridge.tuning.masks import MaskedRow
from weighbridge.tuning.run_folder import claim, finished, run_identity, write_result
from weighbridge.tuning.schedule import Schedule
from weighbridge.tuning.session import interruptible, reproducible
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

_PROBE_TOKENS = 64


@dataclass(frozen=True)
class _Job:
    """What stays the same from the first step to the last."""

    adapted: Any
    parameters: dict[str, torch.Tensor]
    optimizer: torch.optim.Optimizer
    rows: tuple[MaskedRow, ...]
    validation: tuple[MaskedRow, ...]
    settings: TuneSettings
    folder: Path
    schedule: Schedule
    on_event: OnEvent
    share: bool


def tune(
    module: Any,
    tokenizer: Any,
    train: Sequence[Conversation],
    validation: Sequence[Conversation],
    settings: TuneSettings,
    folder: Path,
    on_event: OnEvent,
    *,
    base: str,
    base_digest: str,
) -> TuneResult:
    """Train a LoRA adapter, or go on where an earlier call with the same arguments stopped.

    `folder` afterwards holds ``adapter/`` (peft's format), ``result.json``, ``metrics.jsonl``,
    ``run.json`` and the last checkpoints. `module` is handed back as it was.

    Args:
        module: The base: a causal language model of transformers.
        tokenizer: Its tokenizer, with a chat template.
        train: What is learnt from.
        validation: What the loss is measured on before, after each epoch and at the end; may be
            empty.
        settings: See `TuneSettings`.
        folder: The run's own folder; holds one run only.
        on_event: Called with each `TuneEvent` as it happens.
        base: What the adapter's config names as its base.
        base_digest: Digest of the base's weights and settings.

    Raises:
        InputError: Data, settings or template are wrong, or `folder` holds another run.
        Interrupted: Ctrl-C; everything finished is on disk.
        StorageError: The disk is full or read-only, or another process tunes in `folder`.
    """
    _require_base(module)
    config = module.config.get_text_config()
    limit = settings.max_tokens or getattr(config, "max_position_embeddings", None) or 1 << 20
    rows, lengths = plan.plan_rows(tokenizer, train, limit, settings.overflow)
    held_out: tuple[MaskedRow, ...] = ()
    held_lengths = None
    if validation:
        held_out, held_lengths = plan.plan_rows(tokenizer, validation, limit, settings.overflow)
    _require_rows(module, tokenizer, (*rows, *held_out))
    identity = run_identity(rows, held_out, settings, base_digest)
    with sole_owner(folder):
        threads = claim(folder, identity, settings, base, base_digest, date_written(tokenizer))
        if (done := finished(folder)) is not None:
            return done
        said: list[str] = []
        with (
            interruptible() as stopping,
            reproducible(settings.seed, threads),
            adapters.attached_adapter(module, settings, base, said) as adapted,
        ):
            job = _prepare(adapted, rows, held_out, settings, folder, on_event)
            state = _train(job, lengths, stopping)
            adapters.save_adapter(adapted, folder / "adapter")
            stop_id = next(
                i for i, t in zip(rows[0].token_ids[::-1], rows[0].trained[::-1], strict=True) if t
            )
            result = replace(
                _result(job, state, identity, lengths, tokenizer.decode([stop_id])),
                validation_lengths=held_lengths,
                template_date=date_written(tokenizer),
                notes=tuple(said),
            )
        write_result(folder, result)
        return result


def _require_base(module: Any) -> None:
    if hasattr(module, "peft_config"):
        raise InputError(
            "the model to tune has an adapter on it",
            "a base alone",
            "merge the adapter into its base first, or tune the base",
        )


def _require_rows(module: Any, tokenizer: Any, rows: Sequence[MaskedRow]) -> None:
    """Check that the model has each token: a tokenizer may have more than it has rows."""
    highest, known = max(max(row.token_ids) for row in rows), module.get_input_embeddings().weight
    if highest >= known.shape[0]:
        text = tokenizer.convert_ids_to_tokens(highest)
        raise InputError(
            f"a row holds the token {text!r} ({highest}), and the model's embedding has "
            f"{known.shape[0]:,} rows",
            "a tokenizer whose tokens the model has",
            "take the tokenizer that belongs to these weights",
        )


def _prepare(
    adapted: Any,
    rows: tuple[MaskedRow, ...],
    validation: tuple[MaskedRow, ...],
    settings: TuneSettings,
    folder: Path,
    on_event: OnEvent,
) -> _Job:
    probe = torch.tensor([rows[0].token_ids[:_PROBE_TOKENS]], device=adapted.device)
    adapted.eval()
    require_causal(adapted, probe)
    adapters.require_neutral(adapted, probe)
    parameters = adapters.adapter_parameters(adapted)
    optimizer = torch.optim.AdamW(
        parameters.values(),
        lr=settings.learning_rate,
        betas=settings.betas,
        weight_decay=settings.weight_decay,
    )
    schedule = Schedule([len(row) for row in rows], settings)
    longest = sorted(rows, key=len)[-2:]
    # Measured before training mode, in which an architecture may draw dropout of its own.
    share = can_share_prefixes(adapted, longest, settings.dropout)
    adapted.train()
    return _Job(
        adapted, parameters, optimizer, rows, validation, settings, folder, schedule, on_event,
        share,
    )  # fmt: skip


def _train(job: _Job, lengths: plan.LengthReport, stopping: threading.Event) -> checkpoint.RunState:
    with fused_lora(job.adapted):
        state = checkpoint.load_checkpoint(
            job.folder / "checkpoints", job.parameters, job.optimizer
        )
        predicted_seconds = None
        restart_peak()
        if state is None:
            state = _start(job)
            predicted_seconds = state.predicted_seconds
        job.on_event(
            Planned(
                total_steps=job.schedule.total_steps,
                lengths=lengths,
                trainable_parameters=sum(p.numel() for p in job.parameters.values()),
                predicted_memory_bytes=state.predicted_memory_bytes,
                predicted_seconds=predicted_seconds,
                resumed_step=state.step,
            )
        )
        write_whole(job.folder / "metrics.jsonl", checkpoint.metric_lines(state.metrics))
        saved = state.step
        try:
            if not state.metrics:
                state = _record(job, state, Metric(step=0, validation_loss=_validate(job, 0)))
            while state.step < job.schedule.total_steps:
                state = _step(job, state, stopping)
                if (
                    state.step % job.settings.checkpoint_steps == 0
                    or state.step == job.schedule.total_steps
                ):
                    _checkpoint(job, state)
                    saved = state.step
        except (_Stopped, KeyboardInterrupt) as error:
            # A step that is saved already is left alone: rewriting it could lose it.
            if isinstance(error, _Stopped) and state.metrics and state.step > saved:
                _checkpoint(job, state)
                saved = state.step
            raise Interrupted(
                f"tuning stopped after step {state.step} of {job.schedule.total_steps}",
                do=f"the same command goes on from step {saved}",
            ) from None
        return replace(state, peak_memory_bytes=_peak(state))


class _Stopped(Exception):
    """Ctrl-C, noticed between two forward passes: values and moments are those of a whole step."""


def _start(job: _Job) -> checkpoint.RunState:
    """Forecast memory, then time one forward and backward pass on the longest rows there are."""
    settings = job.settings
    longest = sorted(job.rows, key=len, reverse=True)[: settings.batch_size]
    probe = batches.collate(longest, job.adapted.device, job.share)
    forecast = memory.forecast_memory(
        job.adapted.get_base_model().config,
        batch_tokens=probe.token_ids.numel(),
        trainable_parameters=sum(p.numel() for p in job.parameters.values()),
        rank=settings.rank,
        dropout=settings.dropout,
        resident_bytes=resident_memory_bytes(),
    )
    loss_sum(job.adapted, probe).backward()  # warms up
    started = time.perf_counter()
    loss_sum(job.adapted, probe).backward()
    seconds = time.perf_counter() - started
    job.optimizer.zero_grad()
    to_come = [
        batches.computed_tokens([job.rows[row] for row in rows], job.share)
        for step in range(1, job.schedule.total_steps + 1)
        for rows in job.schedule.passes(step)
    ]
    return checkpoint.RunState(
        step=0,
        metrics=(),
        predicted_seconds=plan.forecast_seconds(to_come, probe.token_ids.numel(), seconds),
        predicted_memory_bytes=forecast.peak_bytes,
        peak_memory_bytes=0,
    )


def _step(job: _Job, state: checkpoint.RunState, stopping: threading.Event) -> checkpoint.RunState:
    """Make one optimizer step."""
    started = time.perf_counter()
    step = state.step + 1
    torch.manual_seed(job.schedule.seed(step))
    passes = [
        batches.collate([job.rows[row] for row in rows], job.adapted.device, job.share)
        for rows in job.schedule.passes(step)
    ]
    trained_tokens = sum(len(batch.targets) for batch in passes)
    loss = 0.0
    for batch in passes:
        if stopping.is_set():
            job.optimizer.zero_grad()
            raise _Stopped
        part = loss_sum(job.adapted, batch) / trained_tokens
        part.backward()
        loss += part.item()
    if stopping.is_set():
        job.optimizer.zero_grad()
        raise _Stopped
    rate = job.schedule.learning_rate(step)
    norm = _update(job, rate)
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
        trained_tokens=trained_tokens,
        seconds=time.perf_counter() - started,
    )
    if job.schedule.ends_epoch(step):
        metric = replace(metric, validation_loss=_validate(job, step))
    return _record(job, state, metric)


def _update(job: _Job, rate: float) -> float:
    """Clip, apply AdamW at the given rate, and return the gradient's norm before clipping."""
    clip = job.settings.clip_norm or math.inf
    norm = torch.nn.utils.clip_grad_norm_(job.parameters.values(), clip)
    for group in job.optimizer.param_groups:
        group["lr"] = rate
    job.optimizer.step()
    job.optimizer.zero_grad()
    return float(norm)


@torch.no_grad()
def _validate(job: _Job, step: int) -> float | None:
    """Return the validation rows' loss in nats per learnt token; None where there are no rows."""
    if not job.validation:
        return None
    job.adapted.eval()
    total, count = 0.0, 0
    rows = sorted(job.validation, key=len)
    for start in range(0, len(rows), job.settings.batch_size):
        some = rows[start : start + job.settings.batch_size]
        batch = batches.collate(some, job.adapted.device, job.share)
        total += loss_sum(job.adapted, batch).item()
        count += len(batch.targets)
    job.adapted.train()
    job.on_event(Validated(step, total / count))
    return total / count


def _record(job: _Job, state: checkpoint.RunState, metric: Metric) -> checkpoint.RunState:
    append_line(job.folder / "metrics.jsonl", json.dumps(asdict(metric), allow_nan=False))
    state = replace(state, step=metric.step, metrics=(*state.metrics, metric))
    if metric.loss is not None:
        seconds = sum(m.seconds for m in state.metrics)
        job.on_event(
            StepDone(
                step=metric.step,
                total_steps=job.schedule.total_steps,
                loss=metric.loss,
                tokens_per_second=metric.tokens / metric.seconds,
                seconds_left=seconds / metric.step * (job.schedule.total_steps - metric.step),
            )
        )
    return state


def _checkpoint(job: _Job, state: checkpoint.RunState) -> None:
    state = replace(state, peak_memory_bytes=_peak(state))
    path = checkpoint.save_checkpoint(
        job.folder / "checkpoints", state, job.parameters, job.optimizer
    )
    job.on_event(Checkpointed(state.step, path))


def _peak(state: checkpoint.RunState) -> int:
    return max(state.peak_memory_bytes, peak_memory_bytes())


def _result(
    job: _Job,
    state: checkpoint.RunState,
    identity: str,
    lengths: plan.LengthReport,
    end_of_turn: str,
) -> TuneResult:
    steps = [m for m in state.metrics if m.loss is not None]
    seconds = sum(m.seconds for m in steps)
    tokens = sum(m.tokens for m in steps)
    losses = [m.loss for m in steps if m.loss is not None]
    adapter = job.folder / "adapter"
    return TuneResult(
        adapter=adapter,
        adapter_file_digest=file_digest(adapter / "adapter_model.safetensors"),
        identity=identity,
        steps=state.step,
        trainable_parameters=sum(p.numel() for p in job.parameters.values()),
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
    )
