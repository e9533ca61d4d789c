"""A tuning run looked at before any weights are loaded: its rows, its steps, and its memory.

Memory is forecast from the model's configuration, for the device that the run would be on. What
doesn't fit is refused here, with the nearest settings that do, and not after minutes of loading.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from weighbridge.errors import InputError, MissingPiece
from weighbridge.planning.tuning_memory import TuningSetup
from weighbridge.project.run_memory import (
    RunMemory,
    known_architecture,
    memory_of,
    require_fit,
    size_of,
)
from weighbridge.project.tuning import TuningFiles
from weighbridge.sources.configs import find_config
from weighbridge.sources.weights import WeightsLocation, find_weights
from weighbridge.tuning.registry import find_method, find_objective
from weighbridge.tuning.rows import TuningRow

if TYPE_CHECKING:
    from weighbridge.tuning.method import Arrangement
    from weighbridge.tuning.paired_rows import LearntRow
    from weighbridge.tuning.plan import LengthReport
    from weighbridge.tuning.settings import TuneSettings

_SAMPLED_ROWS = 256
"""Rows, the longest by letters, among which the longest pass is looked for before a run."""


@dataclass(frozen=True)
class TuningForecast:
    """What a run would do.

    Attributes:
        model: The base's name.
        settings: The run's.
        lengths: What it would learn from.
        validation_lengths: What it would watch the loss on; None for nothing.
        steps: Optimizer steps.
        step_tokens: Tokens in the largest forward pass, as rows would be laid out.
        learnt_tokens: Tokens that the loss is computed on, over all steps.
        tokens: Tokens of all rows, over all steps.
        arrangement: How rows would be laid out, if the model keeps them apart.
        trainable_parameters: None where the architecture isn't known here.
        memory: None likewise.
        setup: The settings that memory depends on; None likewise.
    """

    model: str
    settings: "TuneSettings"
    lengths: "LengthReport"
    validation_lengths: "LengthReport | None"
    steps: int
    step_tokens: int
    learnt_tokens: int
    tokens: int
    arrangement: "Arrangement"
    trainable_parameters: int | None
    memory: RunMemory | None
    setup: TuningSetup | None


def forecast_run(
    model: str | WeightsLocation,
    settings: "TuneSettings",
    files: TuningFiles,
    device: str,
    offline: bool,
) -> TuningForecast:
    """Look at a whole run without weights: tokenizer, configuration and rows are read.

    Args:
        model: As a person names it.
        settings: The run's.
        files: What it would read, with what is mixed in.
        device: As in `open_model`.
        offline: Never reach for the Hub.

    Raises:
        InputError: What the run would refuse in data, settings or tokenizer; memory is no error
            here, see `require_fit`.
    """
    from weighbridge.tuning import early_stopping
    from weighbridge.tuning.arrangement import count_tokens, wanted
    from weighbridge.tuning.paired_rows import parts_of
    from weighbridge.tuning.schedule import Schedule

    location = find_weights(model, offline=offline) if isinstance(model, str) else model
    chosen = _device(settings, device)
    tokenizer, limit = _tokenizer(location, offline), _limit(location, settings)
    rows, lengths = _rows(tokenizer, settings, files.rows, limit)
    held_out, held_lengths = (
        _rows(tokenizer, settings, files.held_out, limit) if files.held_out else ((), None)
    )
    early_stopping.require_validation(settings, held_out)
    schedule = Schedule([len(row) for row in rows], settings)
    passes = list(schedule.all_passes())
    counts = count_tokens(parts_of(rows[at] for at in passed) for passed in passes)
    arrangement = wanted(counts, settings.packing)[0]
    learnt = [sum(part.trained_tokens for part in parts_of([row])) for row in rows]
    positions = _longest_pass(rows, settings, arrangement)
    setup, trained, memory = memory_of(location, settings, rows, positions, chosen)
    return TuningForecast(
        model=location.name,
        settings=settings,
        lengths=lengths,
        validation_lengths=held_lengths,
        steps=schedule.total_steps,
        step_tokens=positions,
        learnt_tokens=sum(learnt[at] for passed in passes for at in passed),
        tokens=sum(len(rows[at]) for passed in passes for at in passed),
        arrangement=arrangement,
        trainable_parameters=trained,
        memory=memory,
        setup=setup,
    )


def require_room(
    model: str | WeightsLocation,
    settings: "TuneSettings",
    files: TuningFiles,
    device: str,
    offline: bool,
) -> tuple[str, ...]:
    """Refuse a run that can't fit, before its weights are loaded.

    The longest rows alone are tokenised. What is wrong with data or tokenizer is left to the run
    itself to find, which says it better.

    Returns:
        A sentence where the forecast is too near to the limit to tell.

    Raises:
        InputError: The forecast is beyond what is free, by more than the formula may be off.
        MissingPiece: The device, or what holds a base in four bits, is not there.
    """
    from weighbridge.tuning.arrangement import count_tokens, wanted
    from weighbridge.tuning.paired_rows import parts_of

    location = find_weights(model, offline=offline) if isinstance(model, str) else model
    chosen = _device(settings, device)
    sample = sorted(files.rows, key=_letters, reverse=True)[:_SAMPLED_ROWS]
    try:
        if known_architecture(location) is None:
            return ()
        tokenizer, limit = _tokenizer(location, offline), _limit(location, settings)
        rows, _ = _rows(tokenizer, replace(settings, overflow="drop"), sample, limit)
    except (InputError, MissingPiece):
        return ()
    longest = _longest(rows, settings)
    arrangement = wanted(count_tokens([parts_of(longest)]), settings.packing)[0]
    positions = _longest_pass(rows, settings, arrangement)
    setup, _, memory = memory_of(location, settings, rows, positions, chosen)
    if setup is None or memory is None:
        return ()
    require_fit(settings, setup, memory)
    if memory.fits == "close" and memory.free_bytes is not None:
        return (
            f"memory will be short: forecast {size_of(memory.memory.peak_bytes)}, free "
            f"{size_of(memory.free_bytes)}",
        )
    return ()


def _device(settings: "TuneSettings", device: str) -> str:
    from weighbridge.models.bitsandbytes_library import require_installed
    from weighbridge.models.reading import choose_device

    if not find_method(settings.method).keeps_base:
        require_installed()
    return choose_device(device)


def _tokenizer(location: WeightsLocation, offline: bool) -> Any:
    from weighbridge.opening.models import without_weights

    return without_weights(location, offline).prompts.tokenizer  # type: ignore[union-attr]


def _limit(location: WeightsLocation, settings: "TuneSettings") -> int:
    """Return the longest row that the run takes, in tokens."""
    fields = find_config(str(location.path), offline=True).config
    text = fields.get("text_config") or fields
    return int(settings.max_tokens or text.get("max_position_embeddings") or 1 << 20)


def _rows(
    tokenizer: Any, settings: "TuneSettings", data: Sequence[TuningRow], limit: int
) -> "tuple[tuple[LearntRow, ...], LengthReport]":
    objective = find_objective(settings.objective).bound(settings)
    return objective.rows(tokenizer, data, limit, settings.overflow)


def _longest(rows: "Sequence[LearntRow]", settings: "TuneSettings") -> "list[LearntRow]":
    return sorted(rows, key=len, reverse=True)[: settings.batch_size]


def _longest_pass(
    rows: "Sequence[LearntRow]", settings: "TuneSettings", arrangement: "Arrangement"
) -> int:
    """Return the positions of the largest forward pass there can be."""
    from weighbridge.tuning.batches import computed_tokens
    from weighbridge.tuning.paired_rows import parts_of

    return computed_tokens(parts_of(_longest(rows, settings)), arrangement)


def _letters(row: TuningRow) -> int:
    """Return about how long a row is, without a tokenizer."""
    return len(repr(row))
