"""`tune --safety-frontier`: tunes with several shares, prints the table and draws the picture."""

from pathlib import Path

from weighbridge.cli.drawing import Drawn
from weighbridge.cli.output import emit, wrapped
from weighbridge.documents.tuning import (
    FrontierDocument,
    FrontierPointDocument,
    MixedDocument,
)
from weighbridge.project.safety_frontier import Frontier, FrontierPlan, draw_frontier
from weighbridge.project.tuning_progress import tuning_bar
from weighbridge.records import SafetyRate
from weighbridge.storage import replace_file, storage_errors


def frontier_document(found: Frontier, chart: Path | None) -> FrontierDocument:
    """Return a frontier as a document."""
    points = tuple(
        FrontierPointDocument(
            share=one.share,
            mixed=MixedDocument(**vars(one.mixed)),
            folder=one.folder,
            runs=one.runs,
            rates=one.delta.rates,
            best=one.best,
        )
        for one in found.points
    )
    return FrontierDocument(
        base=found.base,
        points=points,
        judge=found.points[0].delta.judge,
        notes=found.notes,
        chart=str(chart) if chart else None,
    )


def frontier_text(found: Frontier) -> str:
    """Return a frontier as a table of at most 80 columns."""
    first = found.points[0].delta.rates
    harmful, harmless = first
    lines = [
        *(line for note in found.notes for line in wrapped(note)),
        f"{'share':<10}{'rows':>6}  {'complied, harmful':>26}  {'not answered, harmless':>26}",
        f"{'base':<10}{'':>6}  {_told(harmful, base=True):>26}  {_told(harmless, base=True):>26}",
    ]
    for one in found.points:
        rates = "  ".join(f"{_told(rate):>26}" for rate in one.delta.rates)
        mark = " *" if one.best else ""
        lines.append(f"{f'{one.share:.0%}{mark}':<10}{one.mixed.rows:>6}  {rates}")
    best = " and ".join(f"{one.share:.0%}" for one in found.points if one.best)
    lines += wrapped(
        f"* no other share is better on both sides: {best}. Figures are 95 % intervals over "
        f"{harmful.items} and {harmless.items} requests: where they overlap widely, the shares "
        "can't be told apart"
    )
    lines += wrapped(found.points[0].delta.judge)
    lines.append("take one with --safety-share: it is tuned already")
    return "\n".join(lines)


def _told(rate: SafetyRate, base: bool = False) -> str:
    share, (low, high) = rate.reference if base else rate.candidate
    return f"{share:.0%} [{low:.0%}, {high:.0%}]"


def write_chart(found: Frontier, path: Path) -> Path:
    """Draw both rates of every share.

    Raises:
        StorageError: It can't be written.
    """
    from weighbridge.reports.frontier_chart import Tried, frontier

    harmful, harmless = found.points[0].delta.rates
    base = Tried("base", harmless.reference, harmful.reference)
    tried = [
        Tried(f"{one.share:.0%}", one.delta.rates[1].candidate, one.delta.rates[0].candidate)
        for one in found.points
    ]
    drawing = frontier(base, tried)
    picture = drawing.png() if path.suffix.lower() == ".png" else drawing.svg.encode()
    with storage_errors(path):
        replace_file(path, picture)
    return path


def show_frontier(plan: FrontierPlan, chart: Path | None, wants_json: bool) -> None:
    """Tune with each share, measure, and print what came of it.

    Args:
        plan: What is tuned and measured.
        chart: Where the picture goes; None for nowhere.
        wants_json: Whether as JSON.
    """
    show = Drawn()
    found = draw_frontier(plan, show.bar, lambda title: tuning_bar(show, title))
    drawn = write_chart(found, chart) if chart else None
    emit(frontier_document(found, drawn), frontier_text(found), wants_json)
