"""Recompute every figure of a run from its samples, and check its seal; or check a model's origin.

A merged model's folder, or a GGUF file with its record beside it, is compared byte by byte with
what was written, and the runs that measured just these bytes are named.

Exit code 3 says that a newer version of the program wrote a run, so that it can't be checked here.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from weighbridge.cli import options
from weighbridge.cli.output import emit
from weighbridge.documents.verification import (
    CheckDocument,
    VerificationDocument,
    VerifiedDocument,
)
from weighbridge.records.printable import printable_line

if TYPE_CHECKING:
    from weighbridge.evidence import Verification


def command(
    run: Annotated[
        list[str], typer.Argument(help="Run ids (or their beginnings), folders, reports, models.")
    ],
    runs: options.Runs = options.DEFAULT_RUNS,
    json: options.Json = False,
) -> None:
    """See the module's docstring, which is the help."""
    from weighbridge.evidence import RunStore, verify
    from weighbridge.project.artefact_check import is_artefact, verify_artefact
    from weighbridge.project.report import is_report, verify_report

    store = RunStore(runs)
    found, lines = [], []
    for name in run:
        folder = Path(name)
        if is_artefact(folder):
            results = [verify_artefact(folder, store)]
        elif is_report(folder) and not (folder / "seal.json").exists():
            results = verify_report(folder, store)
        else:
            results = [verify(store.folder_of(name))]
        for result in results:
            found.append(result)
            lines.append(f"{_word(result)} {printable_line(result.run_id)}")
            lines += [
                f"  {'ok' if check.ok else 'NO'}  {check.name}: {printable_line(check.detail)}"
                for check in result.checks
                if not check.ok or not json
            ]
    every = all(result.ok for result in found)
    document = VerificationDocument(ok=every, runs=tuple(map(_verified, found)))
    emit(document, "\n".join(lines), json)
    altered = any(not result.ok and not result.newer for result in found)
    raise typer.Exit(0 if every else 1 if altered else 3)


def _word(result: "Verification") -> str:
    if result.ok:
        return "ok     "
    return "UNKNOWN" if result.newer else "ALTERED"


def _verified(found: "Verification") -> VerifiedDocument:
    checks = tuple(
        CheckDocument(name=one.name, ok=one.ok, detail=one.detail) for one in found.checks
    )
    return VerifiedDocument(run=found.run_id, ok=found.ok, checks=checks)
