"""What a tuning run would take of a device's memory, from the model's configuration alone."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, cast

from weighbridge.catalog.accelerators import accelerator, accelerator_names
from weighbridge.errors import InputError, MissingPiece
from weighbridge.planning.anatomy import (
    ALL_LINEAR,
    Architecture,
    has_family,
    lora_parameters,
    parameters,
    read_architecture,
)
from weighbridge.planning.tuning_memory import (
    WEIGHBRIDGE,
    MemoryBudget,
    TuningMemory,
    TuningSetup,
)
from weighbridge.planning.tuning_memory.budget import SAVINGS
from weighbridge.planning.tuning_memory.setup import Method, Objective
from weighbridge.process_memory import available_memory_bytes, resident_memory_bytes
from weighbridge.records import quantity
from weighbridge.sources.configs import find_config
from weighbridge.sources.weights import WeightsLocation
from weighbridge.tuning.registry import find_method

if TYPE_CHECKING:
    from weighbridge.tuning.paired_rows import LearntRow
    from weighbridge.tuning.settings import TuneSettings

FORMULA_ERROR = 0.15
"""By how much the forecast of a process's memory may be off: within it, a run is let begin."""

Fits = Literal["yes", "close", "no"]


@dataclass(frozen=True)
class RunMemory:
    """What a run would take of the device that it would be on.

    Attributes:
        device: Such as `cpu` or `cuda:0`.
        memory: The forecast, item by item.
        free_bytes: What the device has for it; None where the system doesn't say.
        fits: Whether it fits; "close" where the forecast is too near to the limit to tell.
        nearest: The nearest settings that fit, where it doesn't.
        nearest_bytes: Their peak.
        accelerator: The smallest single accelerator on which the run as asked fits, in bf16.
    """

    device: str
    memory: TuningMemory
    free_bytes: int | None
    fits: Fits
    nearest: TuningSetup | None = None
    nearest_bytes: int | None = None
    accelerator: str | None = None


def require_fit(settings: "TuneSettings", setup: TuningSetup, memory: RunMemory) -> None:
    """Refuse a run whose forecast is beyond what is free.

    Raises:
        InputError: It names the nearest settings that fit, and one accelerator that is enough.
    """
    if memory.fits != "no" or memory.free_bytes is None:
        return
    ways = []
    if memory.nearest is not None and memory.nearest_bytes is not None:
        flags = " ".join(changed_options(settings, setup, memory.nearest))
        ways.append(f"{flags} would take {size_of(memory.nearest_bytes)}")
    if memory.accelerator is not None:
        ways.append(f"one {memory.accelerator} is enough for the run as it is")
    raise InputError(
        f"tuning would take {size_of(memory.memory.peak_bytes)} of memory "
        f"({describe_setup(settings, setup)}), and {size_of(memory.free_bytes)} are free on "
        f"{memory.device}",
        "a run that fits",
        "; ".join(ways) or "take a smaller model or a larger machine",
    )


def describe_setup(settings: "TuneSettings", setup: TuningSetup) -> str:
    """Name the settings that memory depends on, in a phrase."""
    rank = "" if setup.method == "full" else f", rank {setup.rank}"
    rows = f"{setup.batch_size} row" + "s" * (setup.batch_size > 1)
    return f"{settings.method}{rank}, {rows} of {setup.row_tokens:,} tokens at once"


def changed_options(
    settings: "TuneSettings", asked: TuningSetup, nearest: TuningSetup
) -> tuple[str, ...]:
    """Return the options of `tune` that lead from the asked settings to the nearest that fit."""
    found = []
    if nearest.method != asked.method:
        found.append(f"--method {nearest.method}")
    if nearest.rank != asked.rank or (asked.method == "full" != nearest.method):
        found.append(f"--rank {nearest.rank}")
    if nearest.row_tokens < asked.row_tokens:
        over = "" if settings.overflow != "refuse" else " --overflow drop"
        found.append(f"--max-tokens {nearest.row_tokens}{over}")
    if nearest.batch_size < asked.batch_size:
        found += [f"--batch-size {nearest.batch_size}", f"--accumulation {nearest.accumulation}"]
    if nearest.checkpointing and not asked.checkpointing:
        found.append("--checkpointing")
    return tuple(found)


def known_architecture(location: WeightsLocation) -> Architecture | None:
    """Return a model's anatomy from its configuration; None where it isn't known here."""
    try:
        found = find_config(str(location.path), offline=True)
        return read_architecture(found.config, found.where) if has_family(found.config) else None
    except (InputError, MissingPiece):
        return None


def memory_of(
    location: WeightsLocation,
    settings: "TuneSettings",
    rows: "Sequence[LearntRow]",
    positions: int,
    device: str,
) -> tuple[TuningSetup | None, int | None, RunMemory | None]:
    """Forecast memory; nothing for an architecture, or names of layers, not known here."""
    architecture = known_architecture(location)
    if architecture is None:
        return None, None, None
    asked = _setup(settings, rows, device)
    try:
        trained = (
            parameters(architecture)
            if asked.method == "full"
            else lora_parameters(architecture, asked.rank, asked.targets, asked.experts)
        )
    except InputError:  # the model itself may have such a layer, and says so if not
        return None, None, None
    laid_out = replace(asked, row_tokens=max(1, -(-positions // asked.sequences)))
    budget = _budget(architecture, settings, device)
    memory = budget.forecast(laid_out)
    found = RunMemory(device, memory, budget.memory_bytes, _fits(memory, budget.memory_bytes))
    if found.fits != "no":
        return asked, trained, found
    near = budget.nearest(asked)
    found = replace(
        found,
        nearest=near,
        nearest_bytes=None if near is None else budget.forecast(near).peak_bytes,
        accelerator=_enough(architecture, replace(asked, element_bytes=2)),
    )
    return asked, trained, found


def _setup(settings: "TuneSettings", rows: "Sequence[LearntRow]", device: str) -> TuningSetup:
    method = settings.method if settings.method in ("full", "qlora") else "lora"
    target = settings.target or ALL_LINEAR
    named = target if isinstance(target, tuple) else (target,)
    return TuningSetup(
        method=cast("Method", method),
        rank=settings.rank or 1,
        targets=ALL_LINEAR if ALL_LINEAR in named else named,
        experts=bool(settings.experts),
        row_tokens=max(len(part) for row in rows for part in row.parts),
        batch_size=min(settings.batch_size, len(rows)),
        accumulation=settings.accumulation,
        checkpointing=settings.checkpointing,
        element_bytes=2 if device.startswith("cuda") else 4,
        dropout=bool(settings.dropout),
        objective=cast("Objective", settings.objective),
    )


def _budget(architecture: Architecture, settings: "TuneSettings", device: str) -> MemoryBudget:
    """Return what a device has for this process, and how the process uses it."""
    kept = getattr(find_method(settings.method), "kept_outputs", 0)
    stack = replace(WEIGHBRIDGE, kept_outputs=kept)
    if device.startswith("cuda"):
        import torch

        free, _ = torch.cuda.mem_get_info(torch.device(device))
        return MemoryBudget(architecture, stack, free, context_bytes=0, savings=SAVINGS[:1])
    _import_all()
    held, free_bytes = resident_memory_bytes(), available_memory_bytes()
    return MemoryBudget(
        architecture,
        replace(stack, steps_by_tensor=True),
        None if free_bytes is None else held + free_bytes,
        fragmentation_share=0.0,
        context_bytes=held,
        savings=SAVINGS[:1],
    )


def _import_all() -> None:
    """Import what a run imports, since the process's memory is counted with it."""
    import weighbridge.models.open_weights
    import weighbridge.tuning.loop  # noqa: F401


def _fits(memory: TuningMemory, free_bytes: int | None) -> Fits:
    if free_bytes is None or memory.peak_bytes * (1 + FORMULA_ERROR) <= free_bytes:
        return "yes"
    return "close" if memory.peak_bytes <= free_bytes * (1 + FORMULA_ERROR) else "no"


def _enough(architecture: Architecture, setup: TuningSetup) -> str | None:
    """Return the smallest accelerator in the catalogue on which a run fits by itself."""
    known = {accelerator(name) for name in accelerator_names()}
    for one in sorted(known, key=lambda each: (each.memory_bytes, each.name)):
        if MemoryBudget(architecture, WEIGHBRIDGE, int(one.memory_bytes)).fits(setup):
            return f"{one.name} ({size_of(int(one.memory_bytes))})"
    return None


def size_of(size_bytes: int) -> str:
    """Return a number of bytes with three digits and its unit."""
    return f"{quantity(size_bytes)}B"
