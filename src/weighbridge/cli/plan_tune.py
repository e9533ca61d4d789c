"""The part of `weighbridge plan` that forecasts a tuning run's memory."""

from typing import TYPE_CHECKING, Annotated

import typer

from weighbridge.cli import options
from weighbridge.cli.output import emit

if TYPE_CHECKING:
    from weighbridge.cli.tune_plan_output import TunePlan
    from weighbridge.planning.anatomy import Architecture
    from weighbridge.planning.tuning_memory import Room, TuningSetup


def tune(
    model: Annotated[str, typer.Argument(help="Catalog name, config.json, folder or Hub id.")],
    method: Annotated[str, typer.Option(help="full, lora or qlora.")] = "lora",
    rank: Annotated[int, typer.Option(help="LoRA's rank.", min=1)] = 16,
    targets: Annotated[
        str,
        typer.Option(metavar="NAMES", help="Modules that LoRA adapts: all-linear, or NAME,NAME."),
    ] = "all-linear",
    max_tokens: Annotated[
        int, typer.Option("--max-tokens", "--sequence-length", help="Longest row.", min=1)
    ] = 2048,
    batch_size: Annotated[int, typer.Option(help="Rows of one forward pass.", min=1)] = 1,
    accumulation: Annotated[int, typer.Option(help="Forward passes of one step.", min=1)] = 1,
    checkpointing: Annotated[
        bool, typer.Option("--checkpointing", help="Compute layers again instead of keeping them.")
    ] = False,
    optimizer: Annotated[str, typer.Option(help="adamw, adamw-8bit or adamw-paged.")] = "adamw",
    loss: Annotated[str, typer.Option(help="chunked, or whole: all logits at once.")] = "chunked",
    dtype: Annotated[str, typer.Option(help="bf16 or float32.")] = "bf16",
    double_quantized: Annotated[
        bool, typer.Option(help="QLoRA: quantise the scales as well.")
    ] = True,
    float32_embeddings: Annotated[
        bool, typer.Option(help="QLoRA: keep unquantised parts in float32, as peft does.")
    ] = False,
    devices: Annotated[
        int, typer.Option(help="Devices that the model is sharded over.", min=1)
    ] = 1,
    stack: Annotated[
        str, typer.Option(help="Program that trains: weighbridge, peft or litgpt.")
    ] = "weighbridge",
    gpu: Annotated[str, typer.Option(metavar="NAME", help="Accelerator, such as l40s.")] = "",
    memory: Annotated[
        str, typer.Option(metavar="SIZE", help="Memory of one device, such as 48GB.")
    ] = "",
    offline: options.Offline = False,
    json: options.Json = False,
) -> None:
    """Forecast a tuning run's peak memory, item by item, and whether it fits."""
    from weighbridge.cli.tune_plan_output import tune_plan_document, tune_plan_text
    from weighbridge.errors import InputError, UnknownName
    from weighbridge.planning.anatomy import ALL_LINEAR, read_architecture
    from weighbridge.planning.tuning_memory import STACKS, Room, TuningSetup
    from weighbridge.sources.configs import find_config

    names = tuple(name.strip() for name in targets.split(",") if name.strip())
    if not names:
        raise InputError(f"--targets {targets!r}", "all-linear, or names such as q_proj,v_proj")
    if dtype not in ("bf16", "float32"):
        raise UnknownName("--dtype", dtype, ("bf16", "float32"))
    if stack not in STACKS:
        raise UnknownName("program", stack, STACKS)
    setup = TuningSetup(
        method=method,  # type: ignore[arg-type]  # checked there
        rank=rank,
        targets=ALL_LINEAR if names == (ALL_LINEAR,) else names,
        row_tokens=max_tokens,
        batch_size=batch_size,
        accumulation=accumulation,
        checkpointing=checkpointing,
        optimizer=optimizer,  # type: ignore[arg-type]
        loss=loss,  # type: ignore[arg-type]
        element_bytes=2 if dtype == "bf16" else 4,
        double_quantised=double_quantized,
        float32_embeddings=float32_embeddings,
        devices=devices,
    )
    device, capacity = _device(gpu, memory)
    found = find_config(model, offline=options.stays_offline(offline))
    room = Room(read_architecture(found.config, found.where), STACKS[stack], capacity)
    made = _tune_plan(room, setup, found.name, found.source, device)
    emit(tune_plan_document(made), tune_plan_text(made), json)


def _device(gpu: str, memory: str) -> tuple[str, int | None]:
    from weighbridge.catalog.accelerators import accelerator
    from weighbridge.errors import InputError

    if gpu and memory:
        raise InputError("both --gpu and --memory", "one of them", "leave one out")
    if gpu:
        found = accelerator(gpu)
        return found.name, int(found.memory_bytes)
    return "", options.parse_memory(memory)


def _tune_plan(
    room: "Room", setup: "TuningSetup", name: str, source: str, device: str
) -> "TunePlan":
    from dataclasses import replace

    from weighbridge.catalog.accelerators import accelerator, accelerator_names
    from weighbridge.cli.tune_plan_output import TunePlan
    from weighbridge.planning.anatomy import parameters
    from weighbridge.planning.tuning_memory import lora_footprint

    memory, architecture = room.forecast(setup), room.architecture
    trained = (
        parameters(architecture)
        if setup.method == "full"
        else lora_footprint(architecture, setup, room.stack).trainable_parameters
    )
    made = TunePlan(
        name, source, setup, room.stack, trained, memory, notes=_notes(architecture, setup)
    )
    if room.memory_bytes is None:
        known = {accelerator(name) for name in accelerator_names()}
        large = [one for one in known if one.memory_bytes >= memory.peak_bytes]
        large.sort(key=lambda one: (one.memory_bytes, one.name))
        return replace(made, suited=tuple(one.name for one in large))
    made = replace(made, capacity_bytes=room.memory_bytes, device=device, fits=room.fits(setup))
    if made.fits:
        named = ["row_tokens", "batch_size", *([] if setup.method == "full" else ["rank"])]
        return replace(
            made,
            conditions=room.conditions(setup),
            most={one: room.most(setup, one) for one in named},
            one_is_enough=setup.devices > 1 and room.fits(replace(setup, devices=1)),
        )
    near = room.nearest(setup)
    return replace(
        made,
        nearest=near,
        nearest_bytes=None if near is None else room.forecast(near).peak_bytes,
        devices=room.devices(setup) if near is None else None,
    )


def _notes(architecture: "Architecture", setup: "TuningSetup") -> tuple[str, ...]:
    """Return what the forecast takes for granted."""
    notes = []
    if architecture.experts and setup.method == "qlora":
        notes.append(
            "experts are counted as quantised; bitsandbytes leaves those held in one parameter as "
            "they are"
        )
    if architecture.experts or any(layer.state.recurrent for layer in architecture.layers):
        notes.append("no published run of such layers stood against this forecast")
    return tuple(notes)
