"""A tuning run's memory plan as text of at most 80 columns and as a document."""

from dataclasses import dataclass

from weighbridge.cli.output import wrapped
from weighbridge.documents.tuning_plan import FitCondition, TuningPlanDocument, TuningSettings
from weighbridge.planning.tuning_memory import Condition, Stack, TuningMemory, TuningSetup
from weighbridge.records import quantity
from weighbridge.records.printable import printable_line

_BAR = 24
_WORDS = {
    "weights_bytes": "weights",
    "adapter_bytes": "adapter",
    "gradient_bytes": "gradients",
    "optimizer_bytes": "optimizer",
    "activation_bytes": "activations",
    "logit_bytes": "logits",
    "buffer_bytes": "temporaries",
    "gathered_bytes": "gathered shards",
    "fragmentation_bytes": "allocator's gaps",
    "context_bytes": "driver, libraries",
}
_MOMENTS = {"loss": "at the loss", "backward": "in the backward pass", "step": "at the step"}
_CLOSE = 0.09
"""Largest error on published runs (`bench/memory_vs_published.py`): nearer than that, a probe
decides."""


@dataclass(frozen=True)
class TunePlan:
    """All that `plan tune` says.

    Attributes:
        name: The model's.
        source: Where its configuration was found.
        setup: As asked for.
        stack: The program.
        trainable_parameters: What is trained.
        memory: The forecast.
        capacity_bytes: What a device has; None where none was named.
        device: The accelerator's name; empty where only a size was given.
        fits: Whether the run fits; None without a capacity.
        conditions: What must be true for a run that fits.
        most: Largest row length, batch and rank with which it still fits.
        nearest: The nearest run that fits one device, where the asked one doesn't fit.
        nearest_bytes: Its peak.
        devices: Over how many the asked run would have to be sharded, where nothing near fits one.
        one_is_enough: Whether several were asked for and one suffices.
        suited: Names of accelerators with enough memory, smallest first, where none was named.
        notes: What the forecast takes for granted of this model.
    """

    name: str
    source: str
    setup: TuningSetup
    stack: Stack
    trainable_parameters: int
    memory: TuningMemory
    capacity_bytes: int | None = None
    device: str = ""
    fits: bool | None = None
    conditions: tuple[Condition, ...] = ()
    most: dict[str, int] | None = None
    nearest: TuningSetup | None = None
    nearest_bytes: int | None = None
    devices: int | None = None
    one_is_enough: bool = False
    suited: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def tune_plan_document(plan: TunePlan) -> TuningPlanDocument:
    """Return a plan as the document that scripts rely on."""
    return TuningPlanDocument(
        model=plan.name,
        source=plan.source,
        settings=TuningSettings(**vars(plan.setup)),
        stack=plan.stack.name,
        trainable_parameters=plan.trainable_parameters,
        peak_memory_bytes=plan.memory.peak_bytes,
        allocated_bytes=plan.memory.allocated_bytes,
        breakdown_bytes=plan.memory.items,
        moment=plan.memory.moment,
        memory_bytes=plan.capacity_bytes,
        device=plan.device or None,
        fits=plan.fits,
        close=_is_close(plan),
        must_be_true=tuple(FitCondition(**vars(one)) for one in plan.conditions),
        most=plan.most or None,
        nearest=None if plan.nearest is None else TuningSettings(**vars(plan.nearest)),
        nearest_peak_bytes=plan.nearest_bytes,
        nearest_changes=tuple(changes(plan)),
        devices_needed=plan.devices,
        one_is_enough=plan.one_is_enough,
        suited_accelerators=tuple(plan.suited),
        notes=plan.notes,
    )


def tune_plan_text(plan: TunePlan) -> str:
    """Return a plan as lines."""
    setup = plan.setup
    adapts = "" if setup.method == "full" else f", rank {setup.rank}"
    lines = [
        f"{printable_line(plan.name)}: {setup.method}{adapts}, "
        f"{plan.trainable_parameters:,} parameters trained",
        *wrapped(f"{', '.join(_settings(setup))}; as {plan.stack.name} trains", "  "),
        "",
        *memory_table(plan.memory),
        "",
        *_verdict(plan),
        *_paged(plan),
        *(line for note in plan.notes for line in wrapped(f"note: {note}", "  ")),
    ]
    return "\n".join(lines)


_PAIRED = {name: f" ({name.upper()}: two answers each)" for name in ("dpo", "orpo")}


def _settings(setup: TuningSetup) -> list[str]:
    rows = f"{setup.batch_size} row" + ("s" if setup.batch_size > 1 else "")
    said = [
        f"{rows} of {setup.row_tokens:,} tokens at once{_PAIRED.get(setup.objective, '')}",
        "checkpointing" if setup.checkpointing else "no checkpointing",
        setup.optimizer,
        "loss in chunks" if setup.loss == "chunked" else "logits of all positions",
        "bf16" if setup.element_bytes == 2 else "float32",
    ]
    if setup.accumulation > 1:
        said.insert(1, f"{setup.accumulation} passes a step")
    if setup.method == "qlora":
        said.append(f"NF4, scales {'quantised' if setup.double_quantised else 'in float32'}")
        said.append(f"embeddings in {'float32' if setup.float32_embeddings else 'bf16'}")
    if setup.devices > 1:
        said.append(f"sharded over {setup.devices} devices")
    return said


def memory_table(memory: TuningMemory, context: str = _WORDS["context_bytes"]) -> list[str]:
    """Return a forecast's items as lines with bars, and the peak below them.

    Args:
        memory: The forecast.
        context: What to call the memory that is taken before the first tensor.
    """
    words = {**_WORDS, "context_bytes": context}
    items = {name: size for name, size in memory.items.items() if size}
    largest = max(items.values())
    lines = []
    for name, size in items.items():
        bar = "█" * round(_BAR * size / largest)
        lines.append(f"  {words[name]:<18}{quantity(size) + 'B':>8}  {bar}".rstrip())
    peak = quantity(memory.peak_bytes) + "B"
    return [*lines, f"  {'peak':<18}{peak:>8}  {_MOMENTS[memory.moment]}"]


def _paged(plan: TunePlan) -> list[str]:
    """Say where paged moments are."""
    asked = (plan.setup, plan.nearest) if plan.nearest is not None else (plan.setup,)
    if all(setup.optimizer != "adamw-paged" for setup in asked):
        return []
    moments = 2 * (plan.setup.element_bytes if plan.setup.method == "full" else 4)
    size = quantity(moments * plan.trainable_parameters)
    return wrapped(f"paged moments lie in the host's memory: {size}B there", "  ")


def _verdict(plan: TunePlan) -> list[str]:
    if plan.capacity_bytes is None:
        named = ", ".join(plan.suited) or "none that is known"
        return wrapped(f"fits one of: {named} (name one with --gpu, or a size with --memory)", "  ")
    left = plan.capacity_bytes - plan.memory.peak_bytes
    where = quantity(plan.capacity_bytes) + "B"
    if plan.device:
        where = f"one {plan.device} of {where}"
    if not plan.fits:
        told = f"does not fit {where}: {quantity(-left)}B too much"
        return [*wrapped(told, "  "), *_close(plan), *_way_out(plan)]
    told = f"fits {where}: {quantity(left)}B to spare"
    lines = [*wrapped(told, "  "), *_close(plan)]
    if plan.one_is_enough:
        lines += wrapped("one such device is enough: no sharding is needed", "  ")
    if plan.conditions:
        lines.append("  what must be true for that:")
        lines += [
            f"    {one.name:<26}else {quantity(one.otherwise_bytes)}B" for one in plan.conditions
        ]
    return lines + _room(plan)


def _room(plan: TunePlan) -> list[str]:
    words = {"row_tokens": "{:,} tokens a row", "batch_size": "{:,} rows", "rank": "rank {:,}"}
    more = [
        words[name].format(value)
        for name, value in (plan.most or {}).items()
        if value > getattr(plan.setup, name)
    ]
    return (
        wrapped(f"one of these changed, it still fits: {' or '.join(more)}", "  ") if more else []
    )


def _is_close(plan: TunePlan) -> bool:
    if plan.capacity_bytes is None:
        return False
    return abs(plan.memory.peak_bytes / plan.capacity_bytes - 1) < _CLOSE


def _close(plan: TunePlan) -> list[str]:
    if not _is_close(plan):
        return []
    return wrapped(
        f"that is close: on published runs the forecast was off by at most {_CLOSE:.0%}; try one "
        "step on the longest rows first",
        "  ",
    )


def _way_out(plan: TunePlan) -> list[str]:
    if plan.nearest is None or plan.nearest_bytes is None:
        told = "nothing near it fits one such device"
        if plan.devices:
            told += f"; sharded over {plan.devices} of them it does"
        return wrapped(told, "  ")
    changed = ", ".join(changes(plan))
    return [
        *wrapped(f"nearest that fits one: {changed}", "  "),
        f"    peak {quantity(plan.nearest_bytes)}B",
    ]


def changes(plan: TunePlan) -> tuple[str, ...]:
    """Return in words what the nearest run that fits changes."""
    found, asked = plan.nearest, plan.setup
    if found is None:
        return ()
    words = {
        "method": f"{found.method} instead of {asked.method}",
        "devices": "one device",
        "rank": f"rank {found.rank}",
        "row_tokens": f"{found.row_tokens:,} tokens a row",
        "batch_size": f"{found.batch_size} rows at once",
        "accumulation": f"{found.accumulation} passes a step",
        "checkpointing": "--checkpointing",
        "optimizer": f"--optimizer {found.optimizer}",
        "loss": f"--loss {found.loss}",
        "double_quantised": "--double-quantized",
        "float32_embeddings": "--no-float32-embeddings",
    }
    return tuple(
        said for name, said in words.items() if getattr(found, name) != getattr(asked, name)
    )
