"""Compare two runs item by item, with an interval and a verdict at a margin.

RUN_A is the candidate, RUN_B the reference. Exit 0: superior, equivalent or non-inferior; 1:
inferior; 3: inconclusive. With --groups, groups of subjects are compared too, their verdicts
corrected for being several (Holm).
"""

from typing import Annotated

import typer

from weighbridge.cli import options
from weighbridge.cli.comparing import comparison_text, groups_json, groups_text
from weighbridge.cli.output import as_plain, emit


def command(
    run_a: Annotated[str, typer.Argument(help="The candidate's run.")],
    run_b: Annotated[str, typer.Argument(help="The reference's run.")],
    margin: Annotated[float, typer.Option(help="How much worse is still fine, in [0, 1].")] = 0.02,
    metric: Annotated[str, typer.Option(help="value, or the name of a part.")] = "value",
    groups: Annotated[bool, typer.Option("--groups", help="Compare groups of subjects.")] = False,
    flips: Annotated[int, typer.Option(help="Flips to print.", min=0)] = 3,
    runs: options.Runs = options.DEFAULT_RUNS,
    json: options.Json = False,
) -> None:
    """See the module's docstring, which is the help."""
    from weighbridge.evidence import RunStore
    from weighbridge.pipeline.grouping import compare_groups
    from weighbridge.statistics import compare

    store = RunStore(runs)
    first, second = store.read(run_a), store.read(run_b)
    result = compare(first, second, margin=margin, metric=metric)
    scale = first.estimate.scale if metric == "value" else (0.0, 1.0)
    document, lines = as_plain(result), comparison_text(result, scale, flips)
    if groups:
        found = compare_groups(first, second, margin=margin, metric=metric)
        document["groups"] = groups_json(found)
        lines += groups_text(found, scale)
    emit(document, "\n".join(lines), json)
    code = {"inferior": 1, "inconclusive": 3}.get(result.verdict, 0)
    raise typer.Exit(code)
