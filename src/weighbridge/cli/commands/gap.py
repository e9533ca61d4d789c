"""Show how far open models are behind proprietary ones, in points and in months.

`weighbridge gap` is the article's chart, size against MMLU; `--benchmark NAME` takes any of the
catalogue's, and `--list` lists them. Published facts only, each with its source; a proprietary
model's unknown size stays unknown. Exit 3 where too few models have a score.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from weighbridge.cli import options
from weighbridge.cli.output import emit

if TYPE_CHECKING:
    from weighbridge.planning.gap.analysis import Gap

AXES = ("size", "date", "price")


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
    image: Annotated[
        Path | None, typer.Option(metavar="FILE.svg|png", help="Draw one chart, as --axis says.")
    ] = None,
    axis: Annotated[
        str, typer.Option(metavar="NAME", help="Of --image: size, date or price.")
    ] = "size",
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
    check_picture(image, axis)
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
    if image is not None:
        draw(found, axis, image)
        document = replace(document, image=str(image))
        text += f"\n\n{image}"
    emit(document, text, json)


def check_picture(image: Path | None, axis: str) -> None:
    """See, before anything is computed, that a chart can be drawn and written.

    Raises:
        InputError: The file's ending, its folder, or the axis is wrong.
    """
    from weighbridge.errors import InputError, UnknownName

    if axis not in AXES:
        raise UnknownName("--axis", axis, AXES)
    if image is None:
        return
    if image.suffix.lower() not in (".svg", ".png"):
        raise InputError(f"--image {image}", "a file that ends in .svg or .png")
    if not image.parent.is_dir():
        raise InputError(f"--image {image}: no folder {image.parent}", "a folder that exists")


def draw(found: "Gap", axis: str, image: Path) -> None:
    """Write one chart.

    Raises:
        InputError: Too few models have a place on the axis.
    """
    from weighbridge.cli.gap_page import gap_drawing
    from weighbridge.errors import InputError
    from weighbridge.reports.charts import WIDE_PX
    from weighbridge.storage import write_whole

    drawn = gap_drawing(found, axis, f"gap-{axis}", WIDE_PX)  # type: ignore[arg-type]  # checked
    if drawn is None:
        raise InputError(
            f"--axis {axis} on {found.benchmark.title}: no model has a published {axis}",
            "another axis or benchmark",
        )
    write_whole(image, drawn.png() if image.suffix.lower() == ".png" else drawn.svg)
