"""Plan before spending: what a compute budget buys, with intervals.

`weighbridge plan train --compute 5.76e23`; `weighbridge plan serve llama-3.3-70b --gpu h200`
"""

from typing import Annotated

import typer

from weighbridge.cli import options
from weighbridge.cli.option_groups import SectionedCommand
from weighbridge.cli.output import emit
from weighbridge.cli.plan_cost import cost
from weighbridge.cli.plan_serve import serve
from weighbridge.cli.plan_tune import tune

app = typer.Typer(add_completion=False, rich_markup_mode=None, no_args_is_help=True, help=__doc__)


@app.callback()
def plan() -> None:
    """Make typer treat `train` as a subcommand although it is the only one."""


plan.__doc__ = __doc__
app.command("cost", cls=SectionedCommand)(cost)
app.command("serve", cls=SectionedCommand)(serve)
app.command("tune", cls=SectionedCommand)(tune)


@app.command("train", cls=SectionedCommand)
def train(
    compute: Annotated[str, typer.Option(metavar="FLOPS", help="Budget, such as 5.76e23.")],
    law: Annotated[
        str,
        typer.Option(
            metavar="NAME|FILE.json", help="Scaling law; list them with: weighbridge scaling laws."
        ),
    ] = "epoch-chinchilla",
    experts: Annotated[
        float | None,
        typer.Option(help="Experts (1: dense), for laws of dense and mixture models.", min=1),
    ] = None,
    lifetime_tokens: Annotated[
        str,
        typer.Option(metavar="TOKENS", help="Tokens the model will serve: favours smaller models."),
    ] = "",
    unique_tokens: Annotated[
        str,
        typer.Option(metavar="TOKENS", help="Tokens of data available; beyond them data repeats."),
    ] = "",
    accelerator: Annotated[str, typer.Option(help="Accelerator to train on.")] = "h100-sxm",
    utilization: Annotated[
        float, typer.Option(help="Share of its peak FLOPs that training reaches.", min=0.01, max=1)
    ] = 0.4,
    usd_per_hour: Annotated[
        float | None, typer.Option(help="Price of one accelerator-hour.", min=0)
    ] = None,
    json: options.Json = False,
) -> None:
    """Split a compute budget into parameters and tokens, with intervals."""
    from datetime import UTC, datetime

    from weighbridge.catalog.accelerator_prices import accelerator_price, aged
    from weighbridge.catalog.accelerators import accelerator as find
    from weighbridge.cli.amounts import parse_count
    from weighbridge.cli.plan_output import TrainingPlan, plan_document, plan_text
    from weighbridge.errors import InputError
    from weighbridge.planning.scaling import allocation
    from weighbridge.planning.scaling.published import known_law

    flops = parse_count("--compute", compute)
    if not 1e9 <= flops <= 1e32:
        raise InputError(
            f"--compute {compute}", "FLOPs of a whole training run, from 1e9 to 1e32",
            "multiply PF-days by 8.64e19",
        )  # fmt: skip
    known, machine = known_law(law, experts), find(accelerator)
    price, said = usd_per_hour, ""
    rent = accelerator_price(machine.name) if price is None else None
    if rent is not None:
        price, said = rent.usd_per_hour, f" ({aged(rent, datetime.now(UTC).date())})"
    lifetime = parse_count("--lifetime-tokens", lifetime_tokens) if lifetime_tokens else None
    unique = parse_count("--unique-tokens", unique_tokens) if unique_tokens else None
    made = TrainingPlan(
        known=known,
        allocation=allocation.allocate(known, flops),
        served=allocation.for_serving(known, flops, lifetime) if lifetime else None,
        repeated=allocation.with_repeats(known, flops, unique) if unique else None,
        bill=allocation.bill(flops, machine.bf16_flops, utilization, price),
        accelerator=machine.name,
        utilization=utilization,
        price="" if price is None else f"${price:g} an hour{said}",
    )
    emit(plan_document(made), plan_text(made), json)
