"""Recompute every figure of a run from its samples, and check its seal."""

from pathlib import Path
from typing import Annotated

import typer

from weighbridge.cli import options
from weighbridge.cli.output import emit
from weighbridge.records.printable import printable_line


def command(
    run: Annotated[
        list[str], typer.Argument(help="Run ids (or their beginnings), folders, reports.")
    ],
    runs: options.Runs = options.DEFAULT_RUNS,
    json: options.Json = False,
) -> None:
    """See the module's docstring, which is the help."""
    from weighbridge.evidence import RunStore, verify
    from weighbridge.project.report import is_report, verify_report

    store = RunStore(runs)
    found, lines = [], []
    for name in run:
        folder = Path(name)
        if is_report(folder) and not (folder / "seal.json").exists():
            results = verify_report(folder, store)
        else:
            results = [verify(store.folder_of(name))]
        for result in results:
            found.append(result)
            lines.append(f"{'ok     ' if result.ok else 'ALTERED'} {printable_line(result.run_id)}")
            lines += [
                f"  {'ok' if check.ok else 'NO'}  {check.name}: {printable_line(check.detail)}"
                for check in result.checks
                if not check.ok or not json
            ]
    every = all(result.ok for result in found)
    document = {
        "ok": every,
        "runs": [
            {
                "run": r.run_id,
                "ok": r.ok,
                "checks": [{"name": c.name, "ok": c.ok, "detail": c.detail} for c in r.checks],
            }
            for r in found
        ],
    }
    emit(document, "\n".join(lines), json)
    raise typer.Exit(0 if every else 1)
