"""The part of `weighbridge plan` that forecasts serving."""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

import typer

from weighbridge.cli import options
from weighbridge.cli.option_groups import grouped
from weighbridge.cli.output import emit

if TYPE_CHECKING:
    from weighbridge.planning.serving.forecast import Deployment
    from weighbridge.planning.serving.measurements import Latency


@dataclass(frozen=True, kw_only=True)
class Machine:
    """What serves the model.

    Attributes:
        gpu: An accelerator's name.
        gpus: How many of them.
        precision: What weights are served in; "" for as stored.
        tensor_parallel: GPUs that share each layer; None takes the best number.
        cache_bits: Bits of a number in the cache; None for the precision's own.
        usd_per_hour: Price of one GPU-hour; None takes the catalog's.
    """

    panel: ClassVar[str] = "Machine"

    gpu: Annotated[
        str,
        typer.Option(
            "--gpu",
            "--accelerator",
            metavar="NAME",
            help="Accelerator, such as h100, b200 or l40s.",
        ),
    ]
    gpus: Annotated[
        int, typer.Option("--gpus", "--count", help="Number of accelerators.", min=1, max=4096)
    ] = 1
    precision: Annotated[
        str, typer.Option(metavar="NAME", help="bf16, fp8, fp4 or int4; default: as stored.")
    ] = ""
    tensor_parallel: Annotated[
        int | None, typer.Option(help="Tensor-parallel GPUs; default: the best number.", min=1)
    ] = None
    cache_bits: Annotated[
        int | None, typer.Option(help="Bits of a number in the cache: 8 or 16.", min=8, max=16)
    ] = None
    usd_per_hour: Annotated[float | None, typer.Option(help="Price of one GPU-hour.", min=0)] = None


@dataclass(frozen=True, kw_only=True)
class Load:
    """What the model is asked.

    Attributes:
        input_tokens: Average length of a prompt.
        output_tokens: Average length of an answer.
        concurrency: Requests at once; None for as many as fit.
        trace: A log of requests that lengths are taken from.
    """

    panel: ClassVar[str] = "Load"

    input_tokens: Annotated[
        int, typer.Option(help="Average length of a prompt.", min=1, max=10**7)
    ] = 1000
    output_tokens: Annotated[
        int, typer.Option(help="Average length of an answer.", min=1, max=10**7)
    ] = 1000
    concurrency: Annotated[
        int | None, typer.Option(help="Requests at once; default: as many as fit.", min=1)
    ] = None
    trace: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Log of requests, to take their lengths from."),
    ] = None


@dataclass(frozen=True, kw_only=True)
class Goals:
    """How fast it has to be.

    Attributes:
        ttft: Seconds to the first token, at most.
        tpot: Seconds for each later token, at most.
        as_of: The day that is asked about, as 2026-11-30; "" for today.
    """

    panel: ClassVar[str] = "Goals"

    ttft: Annotated[float | None, typer.Option(help="Goal: seconds to the first token.", min=0)] = (
        None
    )
    tpot: Annotated[
        float | None, typer.Option(help="Goal: seconds for each later token.", min=0)
    ] = None
    as_of: Annotated[str, typer.Option(metavar="DATE", help="The day it is asked; else today.")] = (
        ""
    )


@grouped
def serve(
    model: Annotated[
        str,
        typer.Argument(metavar="MODEL", help="Catalog name, config.json, folder, GGUF, Hub id."),
    ],
    machine: Machine,
    load: Load,
    goals: Goals,
    offline: options.Offline = False,
    json: options.Json = False,
) -> None:
    """Say what fits and how fast it is served, with an interval and what that rests on.

    Exits with 1 where a goal is stated that it can't keep.
    """
    from weighbridge.cli.serve_output import ServingPlan, price_of, serve_document, serve_text
    from weighbridge.planning.serving.efficiency import calibrated
    from weighbridge.planning.serving.forecast import SERVER_LIMIT, plan
    from weighbridge.planning.serving.trace import read_trace, with_lengths, within_goals

    _check_price(machine.usd_per_hour)
    day = options.parse_day("--as-of", goals.as_of, ahead=True)
    now = datetime.now(UTC)
    goal = _goal(goals.ttft, goals.tpot)
    log = read_trace(load.trace, now) if load.trace is not None else None
    title, asked, notes = deployment_of(model, machine, load, day, offline)
    if log is not None:
        asked = with_lengths(asked, log)
    constants = calibrated()
    made = ServingPlan(
        title=title,
        plan=plan(asked, constants, goal or SERVER_LIMIT),
        constants=constants,
        goal=goal,
        within=within_goals(asked, constants, goal, log) if goal is not None else None,
        trace=log,
        price=price_of(asked.machine, machine.usd_per_hour, day),
        notes=(*notes, *(log.notes if log is not None else ())),
    )
    emit(serve_document(made), serve_text(made), json)
    if goal is not None and made.within is None:
        raise typer.Exit(1)


def _check_price(usd_per_hour: float | None) -> None:
    from math import isfinite

    from weighbridge.errors import InputError

    if usd_per_hour is not None and not isfinite(usd_per_hour):
        raise InputError(f"--usd-per-hour {usd_per_hour:g}", "dollars, such as 2.5")


def _goal(ttft: float | None, tpot: float | None) -> "Latency | None":
    from math import inf, isfinite

    from weighbridge.errors import InputError
    from weighbridge.planning.serving.measurements import Latency

    for option, value in (("--ttft", ttft), ("--tpot", tpot)):
        if value is not None and not (value > 0 and isfinite(value)):
            raise InputError(f"{option} {value:g}", "seconds above 0, such as 0.5")
    if ttft is None and tpot is None:
        return None
    return Latency(inf if ttft is None else ttft, inf if tpot is None else tpot)


def deployment_of(
    model: str, machine: Machine, load: Load, day: date, offline: bool
) -> "tuple[str, Deployment, tuple[str, ...]]":
    """Return a deployment with the model's title, and notes on its architecture.

    Raises:
        InputError: The model, the accelerator or the precision is wrong.
    """
    from weighbridge.catalog.accelerators import accelerator
    from weighbridge.errors import InputError
    from weighbridge.planning.anatomy import read_architecture
    from weighbridge.planning.serving.footprint import footprint
    from weighbridge.planning.serving.forecast import Deployment
    from weighbridge.planning.serving.measurements import MODELS
    from weighbridge.planning.serving.precision import MXFP4, arithmetic_flops, choose_precision
    from weighbridge.sources.configs import find_config

    if machine.cache_bits not in (None, 8, 16):
        raise InputError(f"--cache-bits {machine.cache_bits}", "8 or 16")
    hardware = accelerator(machine.gpu)
    named = MODELS.get(model, model)  # as benchmarks of serving write it, such as llama2-70b
    found = find_config(named, offline=options.stays_offline(offline))
    architecture = read_architecture(found.config, found.where)
    chosen = choose_precision(found.config, machine.precision)
    arithmetic_flops(hardware, chosen)
    stored = found.stored_bytes if not machine.precision else None
    size = None if machine.cache_bits is None else machine.cache_bits // 8
    asked = Deployment(
        model=footprint(architecture, chosen, size, stored),
        name=_catalog_name(found.source, found.name),
        machine=hardware,
        accelerators=machine.gpus,
        input_tokens=float(load.input_tokens),
        output_tokens=float(load.output_tokens),
        concurrency=load.concurrency,
        tensor=machine.tensor_parallel,
        as_of=day,
    )
    stored_so = () if chosen is MXFP4 else _stored_note(found.source, machine.precision)
    return found.name, asked, (*architecture.notes, *found.notes, *stored_so)


def _stored_note(source: str, precision: str) -> tuple[str, ...]:
    if precision or not source.startswith("catalog:"):
        return ()
    return ("the catalog does not keep how weights are stored: say with --precision",)


def _catalog_name(source: str, name: str) -> str:
    return name if source.startswith("catalog:") else ""
