"""Run the embedded example: tune a small model for a service desk, and see whether it paid.

Ten minutes on two cores. Interrupted anywhere, the same command goes on from there.
"""

import typer

from weighbridge.cli import options
from weighbridge.cli.commands.run import run_project


def command(
    dry_run: bool = typer.Option(False, help="Check everything, say what would run."),
    data: options.Data = None,
    runs: options.Runs = options.DEFAULT_RUNS,
    cache: options.Cache = None,
    device: options.Device = "auto",
    threads: options.Threads = 0,
    offline: options.Offline = False,
    json: options.Json = False,
) -> None:
    """See the module's docstring, which is the help."""
    from weighbridge.project.example import example_project

    code = run_project(
        example_project(), "", require="", dry_run=dry_run, data=data, runs=runs, cache=cache,
        device=device, threads=threads, offline=offline, json=json,
    )  # fmt: skip
    raise typer.Exit(code)
