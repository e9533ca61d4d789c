"""What a person chooses, what happens meanwhile, and what comes out."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

from weighbridge.errors import InputError
from weighbridge.records import Json
from weighbridge.tuning.plan import LengthReport, Overflow

Schedule = Literal["cosine", "linear", "constant"]


@dataclass(frozen=True)
class TuneSettings:
    """A tuning run's settings; all but `checkpoint_steps` are part of its identity.

    Attributes:
        rank: Rank r of the update B·A (Hu et al. 2021, arXiv:2106.09685).
        alpha: The update is scaled by alpha / rank.
        dropout: On the adapter's input.
        target: Which layers get an adapter: "all-linear", or names of modules.
        learning_rate: At its peak. About ten times what full tuning would take.
        schedule: How it falls after the warm-up; cosine and linear end at 0.
        warmup_share: Share of the steps in which it rises linearly.
        weight_decay: Decoupled (AdamW).
        clip_norm: Gradients are scaled down to this norm; 0 leaves them as they are.
        betas: AdamW's.
        epochs: Passes over the data.
        max_steps: Stop after this number of steps even if epochs are left; None for no limit.
        batch_size: Rows in one forward pass; what memory depends on.
        accumulation: Forward passes in one step; a step sees `batch_size * accumulation` rows.
        max_tokens: Longest row; None for the model's context.
        overflow: What becomes of longer rows.
        seed: Of the adapter's initial values, the order of rows, and dropout.
        checkpoint_steps: Steps between checkpoints: what a crash costs at most.
    """

    rank: int = 16
    alpha: float = 32.0
    dropout: float = 0.0
    target: str | tuple[str, ...] = "all-linear"
    learning_rate: float = 5e-4
    schedule: Schedule = "cosine"
    warmup_share: float = 0.05
    weight_decay: float = 0.0
    clip_norm: float = 1.0
    betas: tuple[float, float] = (0.9, 0.999)
    epochs: int = 1
    max_steps: int | None = None
    batch_size: int = 8
    accumulation: int = 1
    max_tokens: int | None = None
    overflow: Overflow = "refuse"
    seed: int = 0
    checkpoint_steps: int = 10

    def __post_init__(self) -> None:
        for name in ("rank", "epochs", "batch_size", "accumulation", "checkpoint_steps"):
            _require(getattr(self, name) >= 1, name, getattr(self, name), "at least 1")
        for name in ("max_steps", "max_tokens"):
            value = getattr(self, name)
            _require(value is None or value >= 1, name, value, "at least 1, or nothing")
        for name in ("learning_rate", "alpha"):
            _require(getattr(self, name) > 0, name, getattr(self, name), "above 0")
        for name in ("weight_decay", "clip_norm"):
            _require(getattr(self, name) >= 0, name, getattr(self, name), "0 or above")
        for name in ("dropout", "warmup_share"):
            _require(0 <= getattr(self, name) < 1, name, getattr(self, name), "in [0, 1)")
        schedules = ("cosine", "linear", "constant")
        _require(self.schedule in schedules, "schedule", self.schedule, " or ".join(schedules))
        policies = ("refuse", "drop", "truncate_left")
        _require(self.overflow in policies, "overflow", self.overflow, " or ".join(policies))

    @property
    def rows_per_step(self) -> int:
        """Rows that one optimizer step learns from."""
        return self.batch_size * self.accumulation

    def identity(self) -> dict[str, Json]:
        """Return, as plain JSON, everything that decides the adapter's values."""
        values = asdict(self)
        del values["checkpoint_steps"]
        return values


def _require(holds: bool, name: str, value: object, expected: str) -> None:
    if not holds:
        raise InputError(f"tuning setting {name} = {value!r}", expected, f"correct {name}")


@dataclass(frozen=True)
class Planned:
    """Sent once before the first step.

    Attributes:
        total_steps: Optimizer steps of the whole run.
        lengths: What is learnt from, and what was left out.
        trainable_parameters: The adapter's.
        predicted_memory_bytes: Forecast peak of the process.
        predicted_seconds: Forecast time of the whole run; None where it goes on from a checkpoint.
        resumed_step: The step that it goes on from; 0 at a fresh start.
    """

    total_steps: int
    lengths: LengthReport
    trainable_parameters: int
    predicted_memory_bytes: int
    predicted_seconds: float | None
    resumed_step: int


@dataclass(frozen=True)
class StepDone:
    """One optimizer step; `loss` is nats per learnt token of this step's rows."""

    step: int
    total_steps: int
    loss: float
    tokens_per_second: float
    seconds_left: float


@dataclass(frozen=True)
class Validated:
    """Mean loss over the validation rows, in nats per learnt token."""

    step: int
    validation_loss: float


@dataclass(frozen=True)
class Checkpointed:
    """From here the run can go on, whatever happens."""

    step: int
    path: Path


TuneEvent = Planned | StepDone | Validated | Checkpointed
OnEvent = Callable[[TuneEvent], None]


@dataclass(frozen=True)
class Metric:
    """One line of `metrics.jsonl`.

    Attributes:
        step: 1-based optimizer step; 0 for the state before the first.
        loss: Nats per learnt token of the step's rows; None at step 0.
        validation_loss: Where it was measured after this step.
        learning_rate: Of this step.
        gradient_norm: Before clipping.
        tokens: Positions computed by this step, padding left out.
        trained_tokens: Targets of this step.
        seconds: Wall time of this step.
    """

    step: int
    loss: float | None = None
    validation_loss: float | None = None
    learning_rate: float = 0.0
    gradient_norm: float = 0.0
    tokens: int = 0
    trained_tokens: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class TuneResult:
    """A finished tuning run.

    Attributes:
        adapter: Folder in peft's format.
        adapter_file_digest: SHA-256 of its `adapter_model.safetensors`.
        identity: Digest over settings, data and base weights; equal identities, equal adapters.
        steps: Optimizer steps made.
        trainable_parameters: The adapter's.
        tokens: Positions computed, padding left out, over all steps.
        trained_tokens: Targets learnt from, over all steps.
        tokens_per_second: `tokens` per second of training steps.
        seconds: Time in training steps, summed over interrupted attempts.
        predicted_seconds: What was forecast for `seconds`, validation left out.
        loss_first: Of the first step, in nats per learnt token.
        loss_last: Of the last step.
        validation_loss_first: Before the first step; None without validation rows.
        validation_loss_last: After the last.
        peak_memory_bytes: Peak resident memory of the process while tuning.
        predicted_memory_bytes: What was forecast for it.
        end_of_turn: The token that ends the assistant's turn, as text.
        lengths: What was learnt from, and what was left out.
        metrics: The whole history, as in `metrics.jsonl`.
        validation_lengths: The same as `lengths` of the validation rows; None where there are none.
        template_date: The day that the chat template writes into every row; None where it writes
            none. See `weighbridge.models.template_clock`.
        notes: What peft warned of while it attached the adapter.
    """

    adapter: Path
    adapter_file_digest: str
    identity: str
    steps: int
    trainable_parameters: int
    tokens: int
    trained_tokens: int
    tokens_per_second: float
    seconds: float
    predicted_seconds: float
    loss_first: float
    loss_last: float
    validation_loss_first: float | None
    validation_loss_last: float | None
    peak_memory_bytes: int
    predicted_memory_bytes: int
    end_of_turn: str
    lengths: LengthReport
    metrics: tuple[Metric, ...] = field(default=())
    validation_lengths: LengthReport | None = None
    template_date: str | None = None
    notes: tuple[str, ...] = ()

    def told(self) -> tuple[str, ...]:
        """Say of the data what a person must know: how much was learnt, and what was done to it."""
        validation = self.validation_lengths
        return (
            *self.lengths.sentences("learnt from"),
            *(validation.sentences("validated on") if validation else ()),
            *(
                (f"the chat template writes the date: {self.template_date} in every row",)
                if self.template_date
                else ()
            ),
            *(f"peft warns: {' '.join(note.split())}" for note in self.notes),
        )
