"""Check the article's quantitative sentences against what is measured, as of a day.

Each holds, fails, or holds only under conditions, with the figures and where they come from.
`weighbridge claims` checks all; `weighbridge claims NAME …` some. Prices and models are those of
the day. `--out` writes the page: each claim with its chart and a sentence that can be quoted.
"""

from pathlib import Path
from typing import Annotated

import typer

from weighbridge.cli import options
from weighbridge.cli.output import emit


def command(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="NAME", help="Claims, such as lora_10000x; default: all."),
    ] = None,
    as_of: Annotated[
        str, typer.Option(metavar="DATE", help="Prices and models of that day; default: today.")
    ] = "",
    out: Annotated[
        Path | None, typer.Option(metavar="FILE.html", help="Write the page with its charts.")
    ] = None,
    json: options.Json = False,
) -> None:
    """See the module's docstring, which is the help."""
    from dataclasses import replace

    from weighbridge.cli.claims_output import claims_text
    from weighbridge.planning.claims import check_claims

    day = options.parse_day("--as-of", as_of)
    options.check_page(out)
    document = check_claims(names or (), day)
    text = claims_text(document)
    if out is not None:
        from weighbridge.reports.claims_page import render_claims
        from weighbridge.storage import write_whole

        write_whole(out, render_claims(document))
        document = replace(document, written=str(out))
        text += f"\n\n{out}"
    emit(document, text, json)
