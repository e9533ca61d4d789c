"""The settings of a tuning run on which its memory depends."""

from dataclasses import dataclass
from typing import Literal, get_args

from weighbridge.errors import InputError
from weighbridge.planning.anatomy import ALL_LINEAR

Method = Literal["full", "lora", "qlora"]
Objective = Literal["sft", "dpo", "orpo"]
Optimizer = Literal["adamw", "adamw-8bit", "adamw-paged"]
Loss = Literal["chunked", "whole"]
_MOST = 10**9


@dataclass(frozen=True)
class TuningSetup:
    """A tuning run's settings.

    Attributes:
        method: Tuning of all weights, LoRA beside them (Hu et al. 2021), or LoRA beside weights of
            four bits (Dettmers et al. 2023).
        rank: LoRA's rank.
        targets: What LoRA adapts: "all-linear", or endings of names, "lm_head" included.
        experts: Whether "all-linear" is what `weighbridge tune` takes for it, with a mixture's
            routed experts or without; None for what peft takes for it.
        row_tokens: Tokens of the longest row.
        batch_size: Number of rows in one forward pass.
        accumulation: Number of forward passes in one optimizer step.
        checkpointing: Whether activations are computed again in the backward pass, not kept.
        optimizer: AdamW with moments of the parameters' own type, of 8 bits, or paged out of the
            device's memory.
        loss: Whether logits are computed in chunks, or of all positions at once.
        element_bytes: Bytes of one number in weights and activations: 2 for bf16, 4 for float32.
        double_quantised: Whether the scales of QLoRA's blocks are quantised, too.
        float32_embeddings: Whether what QLoRA leaves unquantised is cast to float32, as peft's
            `prepare_model_for_kbit_training` does.
        quantised_head: Whether the head has four bits, too.
        dropout: Whether there is dropout before the adapter.
        devices: Number of devices over which weights, gradients and moments are sharded (FSDP).
        objective: What is learnt: answers, or which of the two answers in each row is better. DPO's
            reference takes no memory, because it is the same model before its first step.
    """

    method: Method = "lora"
    rank: int = 16
    targets: str | tuple[str, ...] = ALL_LINEAR
    experts: bool | None = None
    row_tokens: int = 2048
    batch_size: int = 1
    accumulation: int = 1
    checkpointing: bool = False
    optimizer: Optimizer = "adamw"
    loss: Loss = "chunked"
    element_bytes: int = 2
    double_quantised: bool = True
    float32_embeddings: bool = False
    quantised_head: bool = False
    dropout: bool = False
    devices: int = 1
    objective: Objective = "sft"

    def __post_init__(self) -> None:
        choices = {"method": Method, "optimizer": Optimizer, "loss": Loss, "objective": Objective}
        for name, allowed in choices.items():
            known = get_args(allowed)
            if getattr(self, name) not in known:
                raise _wrong(name, getattr(self, name), " or ".join(known))
        for name in ("rank", "row_tokens", "batch_size", "accumulation", "devices"):
            value = getattr(self, name)
            if not 1 <= value <= _MOST:
                raise _wrong(name, value, f"a whole number from 1 to {_MOST:,}")
        if self.element_bytes not in (2, 4):
            raise _wrong("element_bytes", self.element_bytes, "2 (bf16) or 4 (float32)")
        if isinstance(self.targets, str) and self.targets != ALL_LINEAR:
            raise _wrong("targets", self.targets, f"{ALL_LINEAR}, or a tuple of names")

    @property
    def sequences(self) -> int:
        """What one forward pass computes: rows, or both answers of each."""
        return self.batch_size * (1 if self.objective == "sft" else 2)

    @property
    def tokens(self) -> int:
        """Positions of one forward pass, padding included."""
        return self.row_tokens * self.sequences


def _wrong(name: str, value: object, expected: str) -> InputError:
    return InputError(f"tuning setting {name} = {value!r}", expected)
