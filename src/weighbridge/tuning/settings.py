"""What a person chooses, what happens meanwhile, and what comes out."""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, get_args

from weighbridge.errors import InputError, UnknownName
from weighbridge.records import Json
from weighbridge.tuning.expert_layer import ExpertLayer, told_of
from weighbridge.tuning.method import Arrangement, Output
from weighbridge.tuning.mixing import Mixed
from weighbridge.tuning.plan import LengthReport, Overflow
from weighbridge.tuning.registry import find_method, find_objective, objective_names
from weighbridge.tuning.rewards import Rewards
from weighbridge.tuning.self_test.findings import CheckResult, SelfTest

Schedule = Literal["cosine", "linear", "constant"]
Packing = Literal["auto", "on", "off"]
Precision = Literal["float32", "bfloat16"]

OF_METHOD: Final[Any] = None
"""Stands for the method's own default, which takes its place when settings are made."""

OF_OBJECTIVE: Final[Any] = None
"""Stands for the objective's own default, likewise."""

OBJECTIVE_SETTINGS = ("beta",)
"""Settings whose default is the objective's; those that an objective lacks stay None."""

METHOD_SETTINGS = (
    "rank", "alpha", "dropout", "target", "experts", "learning_rate", "learning_rate_ratio",
)  # fmt: skip
"""Settings whose default is the method's; those that a method lacks stay None."""

_SINCE_METHODS: dict[str, Json] = {
    "method": "lora", "objective": "sft", "packing": "auto",
    "patience": None, "validation_steps": None, "experts": False,
    "precision": "float32", "checkpointing": False,
}  # fmt: skip
"""Settings that came later, with the value that runs from before them have."""


@dataclass(frozen=True)
class TuneSettings:
    """A tuning run's settings; all but the last two are part of its identity.

    Project file and command line fill these fields, so each default stands here or, where it
    depends on the method, in the method's file.

    Attributes:
        method: Which weights are trained; a file in `methods/`.
        objective: What is learnt from the data; a file in `objectives/`.
        rank: Rank r of the update B·A (Hu et al. 2021, arXiv:2106.09685).
        alpha: The update is scaled by alpha / rank.
        beta: What weighs the preference: DPO's β, ORPO's λ.
        dropout: On the adapter's input.
        target: Which layers get an adapter: "all-linear", or names of modules.
        experts: Whether a mixture's routed experts get one as well; routers never do.
        learning_rate: At its peak. The default is the method's for SFT; DPO and ORPO take a part.
        learning_rate_ratio: How many times faster B learns than A (LoRA+).
        schedule: How it falls after the warm-up; cosine and linear end at 0.
        warmup_share: Share of the steps in which it rises linearly.
        weight_decay: Decoupled (AdamW).
        clip_norm: Gradients are scaled down to this norm; 0 leaves them as they are.
        betas: AdamW's.
        epochs: Passes over the data.
        max_steps: Stop after this number of steps even if epochs are left; None for no limit.
        batch_size: Rows in one forward pass; what memory depends on.
        accumulation: Forward passes in one step; a step sees `batch_size * accumulation` rows.
        checkpointing: Whether layers are computed again in the backward pass instead of kept: less
            memory, a third more time, the same result.
        packing: Whether rows of a forward pass stand in one, each for itself, without padding:
            "auto" where the model keeps them apart and fewer tokens are computed, "on" refuses a
            model that doesn't, "off" pads.
        precision: What a product's factors are rounded to in training steps: "bfloat16" is faster
            on a CPU that computes with it. Values, sums and results stay float32.
        max_tokens: Longest row; None for the model's context.
        overflow: What becomes of longer rows.
        seed: Of the adapter's initial values, the order of rows, and dropout.
        patience: Validation measurements in a row without a lower loss after which the run ends;
            the weights with the lowest are kept. None makes every step and keeps the last.
        validation_steps: Steps between measurements of the validation loss, beside those after each
            epoch; None for those alone.
        checkpoint_steps: Steps between checkpoints: what a crash costs at most.
        self_test: Whether the run is tried out before it begins; None where it is worth its time.
    """

    method: str = "lora"
    objective: str = "sft"
    rank: int = OF_METHOD
    alpha: float = OF_METHOD
    dropout: float = OF_METHOD
    target: str | tuple[str, ...] = OF_METHOD
    experts: bool = OF_METHOD
    learning_rate: float = OF_METHOD
    learning_rate_ratio: float = OF_METHOD
    beta: float = OF_OBJECTIVE
    schedule: Schedule = "cosine"
    warmup_share: float = 0.05
    weight_decay: float = 0.0
    clip_norm: float = 1.0
    betas: tuple[float, float] = (0.9, 0.999)
    epochs: int = 1
    max_steps: int | None = None
    batch_size: int = 8
    accumulation: int = 1
    checkpointing: bool = False
    packing: Packing = "auto"
    precision: Precision = "float32"
    max_tokens: int | None = None
    overflow: Overflow = "refuse"
    seed: int = 0
    patience: int | None = None
    validation_steps: int | None = None
    checkpoint_steps: int = 10
    self_test: bool | None = None

    def __post_init__(self) -> None:
        self._ask_objective()
        self._ask_method()
        for name in ("rank", "epochs", "batch_size", "accumulation", "checkpoint_steps"):
            self._require(name, lambda value: value >= 1, "at least 1")
        for name in ("max_steps", "max_tokens", "patience", "validation_steps"):
            self._require(name, lambda value: value >= 1, "at least 1, or nothing")
        for name in ("learning_rate", "learning_rate_ratio", "alpha", "beta"):
            self._require(name, lambda value: 0 < value < math.inf, "above 0")
        for name in ("weight_decay", "clip_norm"):
            self._require(name, lambda value: 0 <= value < math.inf, "0 or above")
        for name in ("dropout", "warmup_share"):
            self._require(name, lambda value: 0 <= value < 1, "in [0, 1)")
        self._require("betas", lambda pair: all(0 <= beta < 1 for beta in pair), "two in [0, 1)")
        if self.experts and self.dropout:
            raise InputError(
                f"tuning setting experts = True with dropout = {self.dropout:g}",
                "no dropout: peft adds an expert's update to its weight before any token is known",
                "set dropout to 0, or leave experts out",
            )
        choices = {
            "schedule": Schedule, "overflow": Overflow, "packing": Packing,
            "precision": Precision,
        }  # fmt: skip
        for name, words in ((name, get_args(kind)) for name, kind in choices.items()):
            if getattr(self, name) not in words:
                raise UnknownName(f"tuning setting {name} =", str(getattr(self, name)), words)

    def _ask_method(self) -> None:
        """Take the method's defaults, and refuse what is set and the method hasn't."""
        method = find_method(self.method)
        for name in METHOD_SETTINGS:
            value = getattr(self, name)
            if value is OF_METHOD:
                value = method.defaults.get(name)
                if name == "learning_rate" and isinstance(value, float):
                    value /= find_objective(self.objective).slower
                object.__setattr__(self, name, value)
            elif name not in method.defaults:
                raise InputError(
                    f"tuning setting {name} = {value!r} with method {self.method}",
                    "lora, rslora, lora-plus or qlora: peft adapts experts by plain LoRA alone"
                    if name == "experts"
                    else f"settings that it has, such as {', '.join(method.defaults)}",
                    f"leave {name} out, or choose another method",
                )

    def _ask_objective(self) -> None:
        """Take the objective's defaults, and refuse what is set and the objective hasn't."""
        objective = find_objective(self.objective)
        for name in OBJECTIVE_SETTINGS:
            value = getattr(self, name)
            if value is OF_OBJECTIVE:
                object.__setattr__(self, name, objective.defaults.get(name))
            elif name not in objective.defaults:
                have = [n for n in objective_names() if name in find_objective(n).defaults]
                raise InputError(
                    f"tuning setting {name} = {value!r} with objective {self.objective}",
                    f"it with objective {' or '.join(have)} only",
                    f"leave {name} out, or choose another objective",
                )

    def _require(self, name: str, holds: Callable[[Any], bool], expected: str) -> None:
        value = getattr(self, name)
        if value is not None and not holds(value):
            raise InputError(f"tuning setting {name} = {value!r}", expected, f"correct {name}")

    @property
    def rows_per_step(self) -> int:
        """Rows that one optimizer step learns from."""
        return self.batch_size * self.accumulation

    def identity(self) -> dict[str, Json]:
        """Return, as plain JSON, everything that decides the result's values.

        Runs from before there were methods keep their identity.
        """
        values = asdict(self)
        del values["checkpoint_steps"], values["self_test"]
        dependent = (*METHOD_SETTINGS, *OBJECTIVE_SETTINGS)
        lacking = [name for name in dependent if values[name] is None]
        older = [name for name, value in _SINCE_METHODS.items() if values[name] == value]
        return {name: value for name, value in values.items() if name not in (*lacking, *older)}


@dataclass(frozen=True)
class Planned:
    """Sent once before the first step.

    Attributes:
        total_steps: Optimizer steps of the whole run.
        lengths: What is learnt from, and what was left out.
        trainable_parameters: How many numbers are trained.
        predicted_memory_bytes: Forecast peak of the process.
        predicted_seconds: Forecast time of the whole run; None where it goes on from a checkpoint.
        resumed_step: The step that it goes on from; 0 at a fresh start.
        arrangement: How rows are laid out in forward passes.
        computed_tokens: Positions that all forward passes compute.
        padded_tokens: How many they would with padded rows.
    """

    total_steps: int
    lengths: LengthReport
    trainable_parameters: int
    predicted_memory_bytes: int
    predicted_seconds: float | None
    resumed_step: int
    arrangement: Arrangement = "padded"
    computed_tokens: int = 0
    padded_tokens: int = 0


@dataclass(frozen=True)
class Referenced:
    """Pairs whose log-probabilities under the untrained model are known; sent before `Planned`."""

    pairs: int
    total_pairs: int


@dataclass(frozen=True)
class StepDone:
    """One optimizer step.

    `loss` is nats per learnt token of this step's rows, or the mean loss of its pairs; `rewards`
    are those of its pairs. `memory_bytes` is the process's peak until now.
    """

    step: int
    total_steps: int
    loss: float
    tokens_per_second: float
    seconds_left: float
    rewards: Rewards | None = None
    trained_tokens_per_second: float = 0.0
    learning_rate: float = 0.0
    memory_bytes: int = 0


@dataclass(frozen=True)
class Validated:
    """Loss over the validation rows, as a step has it, and the rewards of its pairs."""

    step: int
    validation_loss: float
    rewards: Rewards | None = None


@dataclass(frozen=True)
class Checkpointed:
    """From here the run can go on, whatever happens."""

    step: int
    path: Path


_OWN_NOTES = ("the base ", "target ", "no adapter ", "the validation loss ", "ended after step ")
"""How notes begin that are not peft's."""

_ARRANGED: dict[Arrangement, str] = {
    "packed": "rows are packed, each for itself",
    "tree": "rows share their common beginnings",
}


def saved_sentences(arrangement: Arrangement, computed: int, padded: int) -> tuple[str, ...]:
    """Say how many positions need not be computed because rows aren't padded; nothing if none."""
    if arrangement not in _ARRANGED or computed >= padded:
        return ()
    return (
        f"{_ARRANGED[arrangement]}: {computed:,} positions are computed, not the {padded:,} of "
        f"padded rows ({1 - computed / padded:.0%} fewer)",
    )


@dataclass(frozen=True)
class Checked:
    """One check of the self-test has passed: the `number`-th of `total`."""

    result: CheckResult
    number: int
    total: int


TuneEvent = Checked | Referenced | Planned | StepDone | Validated | Checkpointed
OnEvent = Callable[[TuneEvent], None]


@dataclass(frozen=True)
class Metric:
    """One line of `metrics.jsonl`.

    Attributes:
        step: 1-based optimizer step; 0 for the state before the first.
        loss: Nats per learnt token of the step's rows, or the mean loss of its pairs; None at step
            0.
        validation_loss: Where it was measured after this step.
        learning_rate: Of this step.
        gradient_norm: Before clipping.
        tokens: Positions computed by this step, padding left out.
        trained_tokens: Targets of this step.
        seconds: Wall time of this step.
        rewards: Of the step's pairs; None for conversations.
        validation_rewards: Of the validation pairs; None likewise.
    """

    step: int
    loss: float | None = None
    validation_loss: float | None = None
    learning_rate: float = 0.0
    gradient_norm: float = 0.0
    tokens: int = 0
    trained_tokens: int = 0
    seconds: float = 0.0
    rewards: Rewards | None = None
    validation_rewards: Rewards | None = None


@dataclass(frozen=True)
class TuneResult:
    """A finished tuning run.

    Attributes:
        artefact: Folder of what came out: an adapter in peft's format, or a whole model.
        artefact_digest: SHA-256 of its safetensors file.
        identity: Digest over settings, data and base weights; equal identities, equal artefacts.
        steps: Optimizer steps made.
        trainable_parameters: How many numbers were trained.
        tokens: Positions computed, padding left out, over all steps.
        trained_tokens: Targets learnt from, over all steps.
        tokens_per_second: `tokens` per second of training steps.
        seconds: Time in training steps, summed over interrupted attempts.
        predicted_seconds: What was forecast for `seconds`, validation left out.
        loss_first: Of the first step, in nats per learnt token or a pair's mean.
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
        notes: What peft warned of while it attached the adapter, and sentences that begin with
            "the base" on how that was held.
        method: Which weights were trained.
        objective: What was learnt.
        output: What came out.
        arrangement: How rows were laid out in forward passes.
        computed_tokens: Positions that all forward passes computed, padding included and shared
            beginnings once; 0 in results from before rows could be packed.
        padded_tokens: How many they would have with padded rows; 0 likewise.
        self_test: What was measured before the run began; None where nothing was.
        kept_step: The step whose weights came out, where early stopping kept an earlier one than
            the last; else None.
        mixed: What of the rows was mixed in, or turned off; none in results from before that was
            recorded.
        experts: What became of a mixture's experts, by layer; none of a dense model.
    """

    artefact: Path
    artefact_digest: str
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
    method: str = "lora"
    objective: str = "sft"
    output: Output = "adapter"
    arrangement: Arrangement = "padded"
    computed_tokens: int = 0
    padded_tokens: int = 0
    self_test: SelfTest | None = None
    kept_step: int | None = None
    mixed: tuple[Mixed, ...] = ()
    experts: tuple[ExpertLayer, ...] = ()

    @property
    def adapter(self) -> Path | None:
        """The adapter's folder; None where a whole model came out."""
        return self.artefact if self.output == "adapter" else None

    @property
    def rewards(self) -> tuple[Rewards, Rewards] | None:
        """Of the first step's pairs and of the last step's; None for conversations."""
        return _first_and_last([metric.rewards for metric in self.metrics])

    @property
    def validation_rewards(self) -> tuple[Rewards, Rewards] | None:
        """Of the validation pairs, before the first step and after the last."""
        return _first_and_last([metric.validation_rewards for metric in self.metrics])

    def told(self) -> tuple[str, ...]:
        """Say of the data what a person must know: how much was learnt, and what was done to it."""
        validation = self.validation_lengths
        return (
            *self.lengths.sentences("learnt from"),
            *(one.told() for one in self.mixed),
            *(validation.sentences("validated on") if validation else ()),
            *saved_sentences(self.arrangement, self.computed_tokens, self.padded_tokens),
            *(
                (f"the chat template writes the date: {self.template_date} in every row",)
                if self.template_date
                else ()
            ),
            *((self.self_test.told(),) if self.self_test else ()),
            *told_of(self.experts),
            *(
                note if note.startswith(_OWN_NOTES) else f"peft warns: {' '.join(note.split())}"
                for note in self.notes
            ),
        )


def _first_and_last(measured: list[Rewards | None]) -> tuple[Rewards, Rewards] | None:
    found = [rewards for rewards in measured if rewards is not None]
    return (found[0], found[-1]) if found else None
