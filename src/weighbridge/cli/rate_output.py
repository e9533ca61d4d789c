"""`tune --find-lr`: sweeps learning rates, prints the table and draws the curve."""

from pathlib import Path
from typing import TYPE_CHECKING

from weighbridge.cli.drawing import Drawn
from weighbridge.cli.output import emit, wrapped
from weighbridge.documents.tuning import RateSweepDocument, TriedRateDocument
from weighbridge.storage import replace_file, scratch_folder, storage_errors

if TYPE_CHECKING:
    from weighbridge.models.open_weights import OpenWeights
    from weighbridge.project.tuning import TuningFiles
    from weighbridge.tuning import TuneSettings
    from weighbridge.tuning.rate_sweep import RateSweep

_BARS = "▁▂▃▄▅▆▇█"


def sweep_document(sweep: "RateSweep", chart: Path | None) -> RateSweepDocument:
    """Return a sweep as a document."""
    tried = tuple(TriedRateDocument(**vars(one)) for one in sweep.tried)
    values = {**vars(sweep), "tried": tried}
    return RateSweepDocument(**values, chart=str(chart) if chart else None)


def sweep_text(sweep: "RateSweep") -> str:
    """Return a sweep as a table of at most 80 columns, with its curve."""
    rows = "rows that no run learns" if sweep.unseen else "rows that the runs learn, too"
    lines = wrapped(
        f"{len(sweep.tried)} runs of {sweep.steps} steps of {sweep.rows_per_step} rows from one "
        f"start; loss on {sweep.measured_rows} {rows}, before {sweep.loss_start:.4f}"
    )
    lines.append(f"{'rate':>9}  {'loss':>8}  {'change':>18}")
    heights = sparkline([one.loss for one in sweep.tried])
    for one, bar in zip(sweep.tried, heights, strict=True):
        mark = "  <- recommended" if one.learning_rate == sweep.recommended else ""
        if one.loss is None:
            lines.append(f"{one.learning_rate:>9.2g}  diverged at step {one.diverged_at}")
            continue
        change = f"{one.change:+.4f} +/- {one.standard_error:.4f}"
        lines.append(f"{one.learning_rate:>9.2g}  {one.loss:>8.4f}  {change:>18}  {bar}{mark}")
    lines += wrapped(f"take --learning-rate {sweep.recommended:.2g}: {sweep.why}")
    return "\n".join(lines)


def sparkline(values: list[float | None]) -> list[str]:
    """Return a bar for each value, of a height between the lowest and the highest."""
    there = [value for value in values if value is not None]
    low, high = min(there, default=0.0), max(there, default=0.0)
    if high == low:
        return ["" if value is None else _BARS[0] for value in values]
    top = len(_BARS) - 1
    return [
        "" if value is None else _BARS[round(top * (value - low) / (high - low))]
        for value in values
    ]


def write_chart(sweep: "RateSweep", path: Path) -> Path | None:
    """Draw the curve; nothing where every rate diverged.

    Raises:
        StorageError: It can't be written.
    """
    from weighbridge.reports.rate_chart import rates

    points = [
        (one.learning_rate, one.loss, one.standard_error)
        for one in sweep.tried
        if one.loss is not None and one.standard_error is not None
    ]
    if not points:
        return None
    drawing = rates(points, sweep.loss_start, sweep.recommended)
    picture = drawing.png() if path.suffix.lower() == ".png" else drawing.svg.encode()
    with storage_errors(path):
        replace_file(path, picture)
    return path


def find_rate(
    model: "OpenWeights",
    files: "TuningFiles",
    settings: "TuneSettings",
    root: Path,
    chart: Path | None,
    wants_json: bool,
) -> None:
    """Sweep learning rates and print what came of it; nothing but the chart stays.

    Args:
        model: The base.
        files: What is learnt from and measured on.
        settings: Of the run to come.
        root: Where tuning runs lie.
        chart: Where the curve goes; None for nowhere.
        wants_json: Whether as JSON.
    """
    from weighbridge.tuning.rate_sweep import sweep_rates

    with (
        scratch_folder("find-lr", root) as scratch,
        Drawn().bar("find-lr") as bar,
        model.network.as_built() as module,
    ):
        sweep = sweep_rates(
            module, model.tokenizer, files.rows, files.held_out, settings, scratch,
            lambda done, total: bar(done, total, None),
        )  # fmt: skip
    drawn = write_chart(sweep, chart) if chart else None
    emit(sweep_document(sweep, drawn), sweep_text(sweep), wants_json)
