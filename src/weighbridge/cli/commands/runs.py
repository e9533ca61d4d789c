"""List runs, or show one.

`weighbridge runs list`; `weighbridge runs show RUN [--samples]`.
"""

from typing import Annotated

import typer

from weighbridge.cli import options
from weighbridge.cli.output import as_plain, emit, run_json, run_text

app = typer.Typer(add_completion=False, rich_markup_mode=None, no_args_is_help=True, help=__doc__)


@app.command("list")
def list_runs(runs: options.Runs = options.DEFAULT_RUNS, json: options.Json = False) -> None:
    """List runs, newest first, the unfinished ones with how far they have come."""
    from weighbridge.evidence import RunStore
    from weighbridge.records.scale import figure

    found = RunStore(runs).summaries()
    lines = []
    for run in found:
        far = f"{run.done} of {run.planned}"
        mean = far if run.mean is None else f"{figure(run.mean, run.scale):>6}"
        lines.append(f"{run.run_id:<58} {mean}")
    document = {"runs": [as_plain(run) for run in found]}
    emit(document, "\n".join(lines) or f"no runs in {runs}", json)


@app.command("show")
def show(
    run: Annotated[str, typer.Argument(help="Run id, its beginning, or a folder.")],
    samples: Annotated[bool, typer.Option(help="Every sample, one a line.")] = False,
    runs: options.Runs = options.DEFAULT_RUNS,
    json: options.Json = False,
) -> None:
    """Show a run's figures and where they come from."""
    from weighbridge.evidence import RunStore

    found = RunStore(runs).read(run, samples=samples)
    document = run_json(found) | {
        "identity": found.identity,
        "settings": found.settings,
        "model_ref": as_plain(found.model),
        "provenance": as_plain(found.provenance),
    }
    lines = [run_text(found), f"  weights {found.model.weights_digest}"]
    lines += [f"  samples {found.samples_digest}", f"  started {found.provenance.started}"]
    if samples:
        document["samples"] = [as_plain(sample) for sample in found.samples]
        lines += [
            f"{s.sample_id:<26} {_score(s.score):<14} {' '.join(s.output.split())[:36]}"
            for s in found.samples
        ]
    emit(document, "\n".join(lines), json)


def _score(score: object) -> str:
    value = getattr(score, "value", None)
    return f"{value:g}" if value is not None else str(getattr(score, "reason", ""))
