"""Write a commented project file for your own data."""

from pathlib import Path
from typing import Annotated

import typer

from weighbridge.cli import options
from weighbridge.cli.output import emit
from weighbridge.documents.files import FilesDocument


def command(
    folder: Annotated[Path, typer.Argument(help="Folder to write it to.")] = Path(),
    json: options.Json = False,
) -> None:
    """See the module's docstring, which is the help."""
    from weighbridge.project.example import write_template

    written = write_template(folder)
    lines = [f"wrote {path}" for path in written]
    lines.append("put train.jsonl, validation.jsonl and test.jsonl beside them, then:")
    lines.append(f"  weighbridge run {folder}")
    emit(FilesDocument(files=tuple(map(str, written))), "\n".join(lines), json)
