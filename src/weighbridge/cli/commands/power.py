"""Say, before spending, what a number of items can show, or how many a margin needs.

From two pilot runs over the same items, or from assumptions: --rate or --disagreement. The claim is
"A is not worse than B by more than the margin"; with --margin 0, "A is better". Exit 3 where
--items are too few, or no number of items would be enough.
"""

from typing import Annotated

import typer

from weighbridge.cli import options
from weighbridge.cli.output import emit


def command(
    pilot: Annotated[list[str] | None, typer.Argument(help="Two runs: RUN_A RUN_B.")] = None,
    margin: Annotated[
        float | None,
        typer.Option(
            help="How much worse is acceptable, on the pilot's scale; default: 2 % of the scale.",
            parser=options.parse_margin,
            metavar="FLOAT",
        ),
    ] = None,
    difference: Annotated[float, typer.Option(help="Assumed true difference A - B.")] = 0.0,
    items: Annotated[int | None, typer.Option(help="Number of items available.", min=2)] = None,
    repeats: Annotated[int, typer.Option(help="Answers per item.", min=1)] = 1,
    rate: Annotated[
        float | None, typer.Option(help="Assumed share of right answers, of both models.")
    ] = None,
    disagreement: Annotated[
        float | None, typer.Option(help="Assumed share of items on which the two models disagree.")
    ] = None,
    within: Annotated[
        float | None, typer.Option(help="Part of the disagreement that is noise between repeats.")
    ] = None,
    icc: Annotated[
        float | None, typer.Option(help="Correlation of items within a cluster.")
    ] = None,
    cluster_size: Annotated[float | None, typer.Option(help="Items per cluster.")] = None,
    power: Annotated[
        float, typer.Option(help="Wanted probability to show the claim if it is true.")
    ] = 0.8,
    alpha: Annotated[
        float, typer.Option(help="One-sided level; divide it by the number of benchmarks.")
    ] = 0.025,
    usd_per_item: Annotated[
        float | None, typer.Option(help="Price of one item asked once, all models together.")
    ] = None,
    runs: options.Runs = options.DEFAULT_RUNS,
    json: options.Json = False,
) -> None:
    """See the module's docstring, which is the help."""
    from weighbridge.comparison.power import PowerRequest, forecast
    from weighbridge.evidence import RunStore

    request = PowerRequest(
        margin=margin, difference=difference, items=items, repeats=repeats, rate=rate,
        disagreement=disagreement, within=within, icc=icc, cluster_size=cluster_size, power=power,
        alpha=alpha, usd_per_item=usd_per_item,
    )  # fmt: skip
    found = forecast(request, tuple(pilot or ()), RunStore(runs))
    emit(found.document, "\n".join(found.lines), json)
    raise typer.Exit(0 if found.enough else 3)
