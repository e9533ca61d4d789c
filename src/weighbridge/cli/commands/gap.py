"""Show how far open models are behind proprietary ones, in points and in months.

`weighbridge gap` is the article's chart, size against MMLU; `--benchmark NAME` takes any of the
catalogue's, and `--list` lists them. Published facts only, each with its source; a proprietary
model's unknown size stays unknown. Exit 3 where too few models have a score.
"""

from pathlib import Path
from typing import Annotated

import typer

from weighbridge.cli import options
from weighbridge.cli.output import emit


def command(
    benchmark: Annotated[
        str, typer.Option("--benchmark", "-b", metavar="NAME", help="Of the catalogue: see --list.")
    ] = "mmlu",
    list_them: Annotated[bool, typer.Option("--list", help="List the benchmarks.")] = False,
    as_of: Annotated[
        str, typer.Option(metavar="DATE", help="Only models released by then; default: today.")
    ] = "",
    out: Annotated[
        Path | None, typer.Option(metavar="FILE.html", help="Write the page with its charts.")
    ] = None,
    seed: options.Seed = 0,
    json: options.Json = False,
) -> None:
    """See the module's docstring, which is the help."""
    from dataclasses import replace

    from weighbridge.catalog.published import catalogue
    from weighbridge.cli.gap_output import gap_document, gap_text, list_text, listed
    from weighbridge.planning.gap.analysis import measure

    day = options.parse_day("--as-of", as_of)
    options.check_page(out)
    facts = catalogue()
    if list_them:
        every = listed(facts, day)
        emit(every, list_text(every, facts), json)
        return
    found = measure(facts, facts.benchmark(benchmark), day, seed)
    document, text = gap_document(found, facts), gap_text(found)
    if out is not None:
        from weighbridge.cli.gap_page import gap_page
        from weighbridge.storage import write_whole

        write_whole(out, gap_page(found, facts))
        document = replace(document, written=str(out))
        text += f"\n\n{out}"
    emit(document, text, json)
