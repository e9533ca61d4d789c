"""Whether a tuning run fits: what `plan tune` prints."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from weighbridge.documents.form import Printed


@dataclass(frozen=True, kw_only=True)
class TuningSettings:
    """The settings that memory depends on.

    Attributes:
        method: Every weight, LoRA beside them, or LoRA beside weights of four bits.
        rank: LoRA's.
        targets: What LoRA adapts: "all-linear", or endings of names.
        experts: Whether "all-linear" has a mixture's routed experts, as `weighbridge tune` means
            it; null for what peft means by it.
        row_tokens: Longest row.
        batch_size: Rows of one forward pass.
        accumulation: Forward passes of one optimizer step.
        checkpointing: Whether layers are computed again in the backward pass instead of kept.
        optimizer: AdamW with moments of the parameters' type, of 8 bits, or paged out.
        loss: Logits in chunks or of all positions at once.
        element_bytes: Of a weight and of an activation: 2 for bf16, 4 for float32.
        double_quantised: Whether the scales of QLoRA's blocks are quantised too.
        float32_embeddings: Whether what QLoRA leaves unquantised is cast to float32.
        quantised_head: Whether the head is of four bits too.
        dropout: Whether dropout stands before the adapter.
        devices: Over how many weights, gradients and moments are sharded.
        objective: Answers, or preferences between two answers in each row.
    """

    method: Literal["full", "lora", "qlora"]
    rank: int
    targets: str | tuple[str, ...]
    experts: bool | None
    row_tokens: int
    batch_size: int
    accumulation: int
    checkpointing: bool
    optimizer: Literal["adamw", "adamw-8bit", "adamw-paged"]
    loss: Literal["chunked", "whole"]
    element_bytes: int
    double_quantised: bool
    float32_embeddings: bool
    quantised_head: bool
    dropout: bool
    devices: int
    objective: Literal["sft", "dpo", "orpo"]


@dataclass(frozen=True, kw_only=True)
class FitCondition:
    """Something that must be true for a run to fit.

    Attributes:
        name: In words.
        otherwise_bytes: The peak without it.
    """

    name: str
    otherwise_bytes: int


@dataclass(frozen=True, kw_only=True)
class TuningPlanDocument:
    """A tuning run's peak memory, item by item, and whether it fits.

    Attributes:
        model: As it was named.
        source: Where its configuration was found.
        settings: As asked for.
        stack: The program that trains.
        trainable_parameters: What is trained.
        peak_memory_bytes: Of one device.
        allocated_bytes: Of it, what tensors take.
        breakdown_bytes: The peak by what takes it: weights, gradients, optimizer, activations and
            others.
        moment: When the peak comes.
        memory_bytes: What a device has; null where none was named.
        device: The accelerator's name; null where only a size was given, or nothing.
        fits: Whether the run fits; null where no memory was named.
        close: Whether that is nearer than the forecast's largest error, so that a probe decides.
        must_be_true: What must be true for a run that fits.
        most: Largest row length, batch and rank with which it still fits, each alone; null where
            it doesn't fit or no memory was named.
        nearest: The nearest run that fits one device; null where the asked one does, or none near.
        nearest_peak_bytes: Its peak; null likewise.
        nearest_changes: What it changes, in words.
        devices_needed: Over how many the asked run would have to be sharded; null where something
            near fits one.
        one_is_enough: Whether several were asked for and one suffices.
        suited_accelerators: Those with enough memory, smallest first, where none was named.
        notes: What the forecast takes for granted of this model.
    """

    model: str
    source: str
    settings: TuningSettings
    stack: str
    trainable_parameters: int
    peak_memory_bytes: int
    allocated_bytes: int
    breakdown_bytes: Mapping[str, int]
    moment: Literal["loss", "backward", "step"]
    memory_bytes: int | None
    device: str | None
    fits: bool | None
    close: bool
    must_be_true: tuple[FitCondition, ...]
    most: Mapping[str, int] | None
    nearest: TuningSettings | None
    nearest_peak_bytes: int | None
    nearest_changes: tuple[str, ...]
    devices_needed: int | None
    one_is_enough: bool
    suited_accelerators: tuple[str, ...]
    notes: tuple[str, ...]


PRINTED = (Printed("plan tune", TuningPlanDocument),)
