"""A tuning run made ready: what is trained, on which rows, by which optimizer."""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from weighbridge.errors import InputError, Interrupted
from weighbridge.tuning.arrangement import choose, count_tokens, examples
from weighbridge.tuning.batches import Batch
from weighbridge.tuning.experts import ExpertWatch
from weighbridge.tuning.loss import require_causal
from weighbridge.tuning.masks import MaskedRow
from weighbridge.tuning.method import Arrangement, Method, Objective
from weighbridge.tuning.paired_rows import LearntRow, parts_of
from weighbridge.tuning.preferences import with_reference
from weighbridge.tuning.schedule import Schedule
from weighbridge.tuning.settings import OnEvent, Referenced, TuneSettings

_PROBE_TOKENS = 64


@dataclass(frozen=True)
class Job:
    """What stays the same from the first step to the last."""

    method: Method
    objective: Objective
    model: Any
    parameters: dict[str, torch.Tensor]
    optimizer: torch.optim.Optimizer
    rows: tuple[LearntRow, ...]
    validation: tuple[LearntRow, ...]
    settings: TuneSettings
    folder: Path
    schedule: Schedule
    on_event: OnEvent
    arrangement: Arrangement
    token_counts: Mapping[Arrangement, int]
    watch: ExpertWatch | None = None

    def batch(self, rows: Sequence[LearntRow]) -> Batch:
        """Lay rows out for one forward pass."""
        return self.objective.batch(rows, self.model.device, self.arrangement)

    @property
    def trained_numbers(self) -> int:
        """How many numbers are trained."""
        return sum(parameter.numel() for parameter in self.parameters.values())


def require_base(module: Any) -> None:
    """Refuse a model that has an adapter on it."""
    if hasattr(module, "peft_config"):
        raise InputError(
            "the model to tune has an adapter on it",
            "a base alone",
            "merge the adapter into its base first, or tune the base",
        )


def type_of(module: Any) -> str:
    """Return the type that a base's weights are read in, such as float32; embeddings keep it."""
    return str(module.get_input_embeddings().weight.dtype).removeprefix("torch.")


def require_rows(module: Any, tokenizer: Any, rows: Sequence[MaskedRow]) -> None:
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


def prepare(
    method: Method,
    objective: Objective,
    model: Any,
    rows: tuple[LearntRow, ...],
    validation: tuple[LearntRow, ...],
    settings: TuneSettings,
    folder: Path,
    on_event: OnEvent,
    stopping: threading.Event,
    known: Arrangement | None = None,
) -> Job:
    """Check that a model can be trained from where the base is, and make its optimizer.

    How rows are laid out is measured unless it is known.

    Raises:
        InputError: It sees later tokens, or gives no gradient.
        Interrupted: `stopping` was set before the first step.
        WeighbridgeError: It differs from the base before anything was trained.
    """
    probe = torch.tensor([parts_of(rows[:1])[0].token_ids[:_PROBE_TOKENS]], device=model.device)
    model.eval()
    require_causal(model, probe)
    method.require_unchanged(model, probe)
    parameters = method.trained(model)
    schedule = Schedule([len(row) for row in rows], settings)
    counts = count_tokens(parts_of(rows[at] for at in passed) for passed in schedule.all_passes())
    # Measured before training mode, in which an architecture may draw dropout of its own.
    arrangement = known or choose(objective, model, parts_of(rows), counts, settings)
    if objective.needs_reference:
        rows, validation = with_reference(
            model, rows, validation, _needed(schedule, rows, settings), settings.batch_size,
            arrangement, folder, lambda done, total: _referenced(done, total, on_event, stopping),
        )  # fmt: skip
    model.train()
    return Job(
        method, objective, model, parameters, optimizer_of(method, parameters, settings), rows,
        validation, settings, folder, schedule, on_event, arrangement, counts,
    )  # fmt: skip


def _needed(
    schedule: Schedule, rows: Sequence[LearntRow], settings: TuneSettings
) -> tuple[int, ...]:
    """Return the rows that the run learns from, and those that memory and time are measured on."""
    longest = sorted(range(len(rows)), key=lambda at: len(rows[at]), reverse=True)
    return tuple(sorted({*schedule.visited(), *longest[: settings.batch_size]}))


def _referenced(done: int, total: int, on_event: OnEvent, stopping: threading.Event) -> None:
    on_event(Referenced(done, total))
    if stopping.is_set():
        raise Interrupted(
            "tuning stopped before its first step", do="the same command begins again"
        )


def arranged_as_before(job: Job, arrangement: Arrangement | None) -> Job:
    """Return a job whose rows are laid out as its checkpoint says, so that its bits stay the same.

    Checkpoints from before rows could be packed don't say: they shared prefixes or were padded.
    """
    if arrangement is None:
        job.model.eval()
        arrangement = job.objective.arrangement(
            job.model, examples(parts_of(job.rows)), ("tree", "padded"), job.settings.dropout or 0.0
        )
        job.model.train()
    return replace(job, arrangement=arrangement or "padded")


def optimizer_of(
    method: Method, parameters: dict[str, torch.Tensor], settings: TuneSettings
) -> torch.optim.Optimizer:
    """Return AdamW with one group for each factor that the method puts on the learning rate."""
    groups: dict[float, list[torch.Tensor]] = {}
    for name, parameter in parameters.items():
        groups.setdefault(method.rate_factor(name, settings), []).append(parameter)
    return torch.optim.AdamW(
        [{"params": some, "rate_factor": factor} for factor, some in groups.items()],
        lr=settings.learning_rate,
        betas=settings.betas,
        weight_decay=settings.weight_decay,
    )
