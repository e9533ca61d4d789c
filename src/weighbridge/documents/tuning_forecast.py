"""What a tuning run would do: what `tune --dry-run` prints."""

from dataclasses import dataclass
from typing import Literal

from weighbridge.documents.form import Printed
from weighbridge.documents.tuning import MixedDocument, RowsDocument


@dataclass(frozen=True, kw_only=True)
class RunMemoryDocument:
    """What a run would take of the device that it would be on.

    Attributes:
        device: Such as cpu or cuda:0.
        predicted_memory_bytes: The forecast peak: of the whole process on a CPU, of tensors and the
            allocator's gaps elsewhere.
        breakdown_bytes: The peak by what takes it.
        moment: When the peak comes.
        free_bytes: What the device has for it; null where the system doesn't say.
        error_share: By how much of itself the forecast may be off.
        fits: no is refused, and close is nearer to the limit than the forecast can tell.
        nearest_options: The options that lead to the nearest run that fits, where this one doesn't.
        nearest_peak_bytes: That run's forecast; null where there is none.
        accelerator: The smallest single accelerator that is enough for the run as it is, in bf16;
            null where the run fits here, or none is.
    """

    device: str
    predicted_memory_bytes: int
    breakdown_bytes: dict[str, int]
    moment: Literal["loss", "backward", "step"]
    free_bytes: int | None
    error_share: float
    fits: Literal["yes", "close", "no"]
    nearest_options: tuple[str, ...]
    nearest_peak_bytes: int | None
    accelerator: str | None


@dataclass(frozen=True, kw_only=True)
class TuningForecastDocument:
    """What a tuning run would do; no weights were loaded.

    Attributes:
        model: The base.
        method: How it would be tuned.
        objective: What would be learnt.
        trainable_parameters: How many would be tuned; null where the architecture isn't known.
        steps: Optimizer steps.
        rows_per_step: Rows of each.
        tokens: Of all rows, over all steps.
        trained_tokens: Targets among them.
        largest_pass_tokens: Positions of the largest forward pass.
        arrangement: How rows would be laid out, if the model keeps them apart then.
        data: The rows that would be learnt from.
        mixed: What of these would be mixed in from other data, or is turned off.
        validation_data: The rows that the loss would be watched on; null without any.
        data_licence: Of the data that would be learnt from; null where none is known.
        memory: The forecast; null where the architecture isn't known.
        refusal: The words with which the run would be refused; null where it would begin.
        notes: What was read over, in words.
    """

    model: str
    method: str
    objective: str
    trainable_parameters: int | None
    steps: int
    rows_per_step: int
    tokens: int
    trained_tokens: int
    largest_pass_tokens: int
    arrangement: Literal["padded", "packed", "tree"]
    data: RowsDocument
    mixed: tuple[MixedDocument, ...]
    validation_data: RowsDocument | None
    data_licence: str | None
    memory: RunMemoryDocument | None
    refusal: str | None
    notes: tuple[str, ...]


PRINTED = (Printed("tune --dry-run", TuningForecastDocument),)
