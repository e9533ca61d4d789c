"""Compare two runs item by item, with an interval and a verdict at a margin.

RUN_A is the candidate, RUN_B the reference. Exit 0: superior, equivalent or non-inferior; 1:
inferior; 3: inconclusive.
"""

from pathlib import Path
from typing import Annotated

import typer

from weighbridge.cli import options
from weighbridge.cli.output import as_plain, emit, figure
from weighbridge.errors import InputError


def command(
    run_a: Annotated[str, typer.Argument(help="The candidate's run.")],
    run_b: Annotated[str, typer.Argument(help="The reference's run.")],
    margin: Annotated[float, typer.Option(help="How much worse is still fine, in [0, 1].")] = 0.02,
    metric: Annotated[str, typer.Option(help="value, or the name of a part.")] = "value",
    flips: Annotated[int, typer.Option(help="Flips to print.", min=0)] = 3,
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write every item, side by side, as a page.")
    ] = None,
    overwrite: Annotated[bool, typer.Option(help="Replace FILE if it is there.")] = False,
    runs: options.Runs = options.DEFAULT_RUNS,
    json: options.Json = False,
) -> None:
    """See the module's docstring, which is the help."""
    from weighbridge.evidence import RunStore
    from weighbridge.statistics import compare

    if html is not None and html.exists() and not overwrite:
        raise InputError(f"{html} is there", "a new file", "--overwrite, or another --html")
    store = RunStore(runs)
    first, second = store.read(run_a), store.read(run_b)
    result = compare(first, second, margin=margin, metric=metric)
    scale = first.estimate.scale if metric == "value" else (0.0, 1.0)
    # On the scale from 0 to 1 people speak of percent and points, elsewhere of the values.
    per_unit = 100 if scale == (0, 1) else 1
    low, high = result.interval
    lost = sum(1 for flip in result.flips if flip.difference < 0)
    lines = [
        f"{result.benchmark}: {figure(result.mean_a, scale)} against "
        f"{figure(result.mean_b, scale)}, n = {result.n}",
        f"  difference {per_unit * result.difference:+.1f} points, 95% interval "
        f"{per_unit * low:+.1f} to {per_unit * high:+.1f}",
        f"  {result.verdict.replace('_', '-')} at a margin of {per_unit * margin:g} points "
        f"(p = {result.p_value:.3g})",
        f"  {len(result.flips)} items differ: {len(result.flips) - lost} won, {lost} lost",
    ]
    for flip in result.flips[:flips]:
        won = "won " if flip.difference > 0 else "lost"
        lines.append(f"  {won} {flip.sample_id}: {_short(flip.output_a)} | {_short(flip.output_b)}")
    if html is not None:
        from weighbridge.evidence.files import write_whole
        from weighbridge.reports import render_explorer

        write_whole(html, render_explorer(first, second, result).encode("utf-8"))
        lines.append(f"  every item: {html}")
    written = {"html": str(html)} if html is not None else {}
    emit(as_plain(result) | written, "\n".join(lines), json)
    code = {"inferior": 1, "inconclusive": 3}.get(result.verdict, 0)
    raise typer.Exit(code)


def _short(text: str, width: int = 26) -> str:
    line = " ".join(text.split())
    return line if len(line) <= width else line[: width - 1] + "…"
