"""The part of `weighbridge plan` that forecasts a tuning run's memory."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

import typer

from weighbridge.cli import options
from weighbridge.cli.option_groups import grouped
from weighbridge.cli.output import emit

if TYPE_CHECKING:
    from weighbridge.cli.tune_plan_output import TunePlan
    from weighbridge.planning.anatomy import Architecture
    from weighbridge.planning.tuning_memory import MemoryBudget, Stack, TuningSetup


@dataclass(frozen=True, kw_only=True)
class Method:
    """How the model is tuned.

    Attributes:
        method: full, lora or qlora.
        objective: sft, or dpo or orpo, which compute two answers for each row.
        rank: LoRA's rank.
        targets: Modules that LoRA adapts, their names between commas.
        experts: Whether LoRA adapts a mixture's routed experts as well.
        dtype: Type of the weights: bf16 or float32.
        double_quantized: Whether QLoRA quantises the scales as well.
        float32_embeddings: Whether QLoRA keeps what it doesn't quantise in float32.
    """

    panel: ClassVar[str] = "Method"

    method: Annotated[str, typer.Option(help="full, lora or qlora.")] = "lora"
    objective: Annotated[
        str, typer.Option(help="sft; or dpo or orpo: two answers for each row.")
    ] = "sft"
    rank: Annotated[int, typer.Option(help="LoRA's rank.", min=1)] = 16
    targets: Annotated[
        str,
        typer.Option(metavar="NAMES", help="Modules that LoRA adapts: all-linear, or NAME,NAME."),
    ] = "all-linear"
    experts: Annotated[
        bool, typer.Option("--experts", help="LoRA on a mixture's routed experts as well.")
    ] = False
    dtype: Annotated[str, typer.Option(help="bf16 or float32.")] = "bf16"
    double_quantized: Annotated[bool, typer.Option(help="QLoRA: quantise the scales as well.")] = (
        True
    )
    float32_embeddings: Annotated[
        bool, typer.Option(help="QLoRA: keep unquantised parts in float32, as peft does.")
    ] = False


@dataclass(frozen=True, kw_only=True)
class Training:
    """What one step holds in memory.

    Attributes:
        max_tokens: Longest row, in tokens.
        batch_size: Rows of one forward pass.
        accumulation: Forward passes of one step.
        checkpointing: Whether layers are computed again instead of kept.
        optimizer: adamw, adamw-8bit or adamw-paged.
        loss: chunked, or whole: all logits at once.
        stack: The program that trains, of which each has overheads of its own.
    """

    panel: ClassVar[str] = "Training"

    max_tokens: Annotated[
        int, typer.Option("--max-tokens", "--sequence-length", help="Longest row.", min=1)
    ] = 2048
    batch_size: Annotated[int, typer.Option(help="Rows of one forward pass.", min=1)] = 1
    accumulation: Annotated[int, typer.Option(help="Forward passes of one step.", min=1)] = 1
    checkpointing: Annotated[
        bool, typer.Option("--checkpointing", help="Compute layers again instead of keeping them.")
    ] = False
    optimizer: Annotated[str, typer.Option(help="adamw, adamw-8bit or adamw-paged.")] = "adamw"
    loss: Annotated[str, typer.Option(help="chunked, or whole: all logits at once.")] = "chunked"
    stack: Annotated[
        str, typer.Option(help="Program that trains: weighbridge, peft or litgpt.")
    ] = "weighbridge"


@dataclass(frozen=True, kw_only=True)
class Machine:
    """Where it is to fit.

    Attributes:
        gpu: An accelerator's name.
        memory: Memory of one device with its unit, instead of a name.
        devices: How many the model is sharded over.
    """

    panel: ClassVar[str] = "Machine"

    gpu: Annotated[str, typer.Option(metavar="NAME", help="Accelerator, such as l40s.")] = ""
    memory: Annotated[
        str, typer.Option(metavar="SIZE", help="Memory of one device, such as 48GB.")
    ] = ""
    devices: Annotated[int, typer.Option(help="Devices that the model is sharded over.", min=1)] = 1


@grouped
def tune(
    model: Annotated[str, typer.Argument(help="Catalog name, config.json, folder or Hub id.")],
    method: Method,
    training: Training,
    machine: Machine,
    offline: options.Offline = False,
    json: options.Json = False,
) -> None:
    """Forecast a tuning run's peak memory, item by item, and whether it fits.

    Exits with 1 where it does not fit.
    """
    from weighbridge.cli.tune_plan_output import tune_plan_document, tune_plan_text
    from weighbridge.planning.anatomy import read_architecture
    from weighbridge.planning.tuning_memory import MemoryBudget
    from weighbridge.sources.configs import find_config

    setup, stack = _setup(method, training, machine), _stack(training.stack)
    device, capacity = _device(machine.gpu, machine.memory)
    found = find_config(model, offline=options.stays_offline(offline))
    budget = MemoryBudget(read_architecture(found.config, found.where), stack, capacity)
    made = _tune_plan(budget, setup, found.name, found.source, device)
    emit(tune_plan_document(made), tune_plan_text(made), json)
    if made.fits is False:
        raise typer.Exit(1)


def _stack(name: str) -> "Stack":
    from weighbridge.errors import UnknownName
    from weighbridge.planning.tuning_memory import STACKS

    if name not in STACKS:
        raise UnknownName("program", name, STACKS)
    return STACKS[name]


def _setup(method: Method, training: Training, machine: Machine) -> "TuningSetup":
    from weighbridge.errors import InputError, UnknownName
    from weighbridge.planning.anatomy import ALL_LINEAR
    from weighbridge.planning.tuning_memory import TuningSetup

    names = tuple(name.strip() for name in method.targets.split(",") if name.strip())
    if not names:
        raise InputError(f"--targets {method.targets!r}", "all-linear, or names such as q_proj")
    if method.dtype not in ("bf16", "float32"):
        raise UnknownName("--dtype", method.dtype, ("bf16", "float32"))
    ours = training.stack == "weighbridge"
    if method.experts and not ours:
        raise InputError(
            f"--experts with --stack {training.stack}",
            "--stack weighbridge, whose all-linear has or leaves out experts as it is told",
            "name experts among --targets, as `weighbridge inspect` lists them",
        )
    return TuningSetup(
        method=method.method,  # type: ignore[arg-type]  # checked there
        objective=method.objective,  # type: ignore[arg-type]
        rank=method.rank,
        targets=ALL_LINEAR if names == (ALL_LINEAR,) else names,
        experts=method.experts if ours else None,
        row_tokens=training.max_tokens,
        batch_size=training.batch_size,
        accumulation=training.accumulation,
        checkpointing=training.checkpointing,
        optimizer=training.optimizer,  # type: ignore[arg-type]
        loss=training.loss,  # type: ignore[arg-type]
        element_bytes=2 if method.dtype == "bf16" else 4,
        double_quantised=method.double_quantized,
        float32_embeddings=method.float32_embeddings,
        devices=machine.devices,
    )


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
    budget: "MemoryBudget", setup: "TuningSetup", name: str, source: str, device: str
) -> "TunePlan":
    from dataclasses import replace

    from weighbridge.catalog.accelerators import accelerator, accelerator_names
    from weighbridge.cli.tune_plan_output import TunePlan
    from weighbridge.planning.anatomy import parameters
    from weighbridge.planning.tuning_memory import lora_footprint

    memory, architecture = budget.forecast(setup), budget.architecture
    trained = (
        parameters(architecture)
        if setup.method == "full"
        else lora_footprint(architecture, setup, budget.stack).trainable_parameters
    )
    made = TunePlan(
        name, source, setup, budget.stack, trained, memory, notes=_notes(architecture, setup)
    )
    if budget.memory_bytes is None:
        known = {accelerator(name) for name in accelerator_names()}
        large = [one for one in known if one.memory_bytes >= memory.peak_bytes]
        large.sort(key=lambda one: (one.memory_bytes, one.name))
        return replace(made, suited=tuple(one.name for one in large))
    made = replace(made, capacity_bytes=budget.memory_bytes, device=device, fits=budget.fits(setup))
    if made.fits:
        named = ["row_tokens", "batch_size", *([] if setup.method == "full" else ["rank"])]
        return replace(
            made,
            conditions=budget.conditions(setup),
            most={one: budget.most(setup, one) for one in named},
            one_is_enough=setup.devices > 1 and budget.fits(replace(setup, devices=1)),
        )
    near = budget.nearest(setup)
    return replace(
        made,
        nearest=near,
        nearest_bytes=None if near is None else budget.forecast(near).peak_bytes,
        devices=budget.devices(setup) if near is None else None,
    )


def _notes(architecture: "Architecture", setup: "TuningSetup") -> tuple[str, ...]:
    """Return what the forecast takes for granted."""
    notes = []
    if architecture.experts and setup.method != "full" and setup.experts is False:
        notes.append("routed experts get no adapter; --experts counts one on each")
    if architecture.experts and setup.method == "qlora" and setup.experts is None:
        notes.append(
            "experts are counted as quantised; bitsandbytes leaves those held in one parameter as "
            "they are"
        )
    if architecture.experts or any(layer.state.recurrent for layer in architecture.layers):
        notes.append("no published run of such layers stood against this forecast")
    return tuple(notes)
