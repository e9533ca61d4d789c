"""Results go to stdout, as text or one JSON document; progress to stderr, if a terminal."""

import json
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Protocol

import typer

from weighbridge.records import EvalRun, GroupMeans, Json


def emit(document: dict[str, Json], text: str, as_json: bool) -> None:
    """Print a result once, in the form asked for."""
    typer.echo(json.dumps(document, ensure_ascii=False, indent=1) if as_json else text)


def run_json(run: EvalRun) -> dict[str, Json]:
    """Return a run in the form that scripts rely on (`evaluate`, `score`)."""
    estimate = run.estimate
    document: dict[str, Json] = {
        "run": run.run_id,
        "model": run.model.name,
        "benchmark": run.title,
        "protocol": run.protocol,
        "n": estimate.n,
        "mean": estimate.mean,
        "mean_graded": estimate.mean_graded,
        "stderr": estimate.stderr,
        "interval": list(estimate.interval),
        "ungraded": estimate.ungraded,
        "seconds": run.provenance.wall_seconds,
        "samples_digest": run.samples_digest,
        "aggregate": estimate.aggregate,
        "scale": list(estimate.scale),
        "bounds": list(estimate.bounds),
        "notes": list(run.provenance.notes),
        "sandbox": run.provenance.sandbox,
    }
    if estimate.clusters:
        document |= {
            "micro_mean": estimate.mean,
            "macro_mean": estimate.macro_mean,
            "clusters": estimate.clusters,
        }
        if groups := _groups(run):
            document["groups"] = {name: asdict(means) for name, means in groups.items()}
    if estimate.parts:
        document["parts"] = estimate.parts
    return document


def figure(value: float, scale: tuple[float, float]) -> str:
    """Return a figure for a person: in percent on the scale from 0 to 1, else as it is.

    >>> figure(0.5, (0, 1)), figure(7.165625, (1, 10))
    ('50.0%', '7.166')
    """
    return f"{value:.1%}" if tuple(scale) == (0, 1) else f"{value:.3f}"


def run_text(run: EvalRun) -> str:
    """Return a run as a few lines of at most 80 columns."""
    estimate = run.estimate
    low, high = (figure(end, estimate.scale) for end in estimate.interval)
    mean = figure(estimate.mean, estimate.scale)
    lines = [
        f"{run.title}  {run.model.name}  ({run.protocol})",
        f"  {mean}  95% interval {low} to {high}  n = {estimate.n}",
    ]
    ungraded = {reason: count for reason, count in estimate.ungraded.items() if count}
    if ungraded:
        listed = ", ".join(f"{count} {reason}" for reason, count in ungraded.items())
        graded = (
            f"; graded alone {figure(estimate.mean_graded, estimate.scale)}"
            if estimate.mean_graded is not None
            else ""
        )
        lines.append(f"  ungraded: {listed}{graded}")
    if estimate.macro_mean is not None and len(estimate.clusters) > 1:
        lines.append(
            f"  micro mean {figure(estimate.mean, estimate.scale)} (over items), macro mean "
            f"{figure(estimate.macro_mean, estimate.scale)} (over {len(estimate.clusters)} "
            "clusters)"
        )
    lines += [
        f"    {name:<16} micro {group.micro_mean:.1%}  macro {group.macro_mean:.1%}  n = {group.n}"
        for name, group in _groups(run).items()
    ]
    lines += [f"    {name:<12} {value:.1%}" for name, value in estimate.parts.items()]
    lines += [wrapped(f"note: {note}") for note in run.provenance.notes]
    lines.append(f"  run {run.run_id}")
    return "\n".join(lines)


def wrapped(text: str) -> str:
    """Return a sentence as indented lines of at most 80 columns."""
    return textwrap.fill(
        text, 80, initial_indent="  ", subsequent_indent="    ", break_long_words=False
    )


def _groups(run: EvalRun) -> dict[str, GroupMeans]:
    from weighbridge.evaluation.registry import benchmark_names, find_benchmark
    from weighbridge.statistics import group_means

    if run.benchmark not in benchmark_names():
        return {}
    return group_means(run.estimate, find_benchmark(run.benchmark).groups)


if TYPE_CHECKING:
    from weighbridge.evaluation.runner import Progressed


class Bar(Protocol):
    """A progress bar's handle."""

    def __call__(self, done: float, total: float, rate: str = "") -> None:
        """Show how far it has come."""


@contextmanager
def progress(title: str) -> Iterator[Bar]:
    """Draw a bar with rate and time left on stderr; nothing where stderr is not a terminal."""
    if not sys.stderr.isatty():
        yield _silent
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description:<28}"),
        BarColumn(bar_width=18),
        TextColumn("{task.percentage:>3.0f}%"),
        TextColumn("{task.fields[rate]:>14}"),
        TimeRemainingColumn(compact=True),
    )
    # Time left from the last ten minutes' speed: checkpoints and validation come in bursts.
    console = Console(stderr=True)
    with Progress(*columns, console=console, speed_estimate_period=600) as bars:
        task = bars.add_task(title[:28], total=None, rate="")

        def show(done: float, total: float, rate: str = "") -> None:
            bars.update(task, completed=done, total=total, rate=rate)

        yield show


def _silent(done: float, total: float, rate: str = "") -> None:
    return None


class Rate:
    """Tokens per second since the first call."""

    def __init__(self) -> None:
        self._start: tuple[float, int] | None = None

    def __call__(self, tokens: int) -> str:
        """Return the rate as text; empty until it is known."""
        now = time.perf_counter()
        if self._start is None:
            self._start = (now, tokens)
            return ""
        seconds = now - self._start[0]
        return f"{(tokens - self._start[1]) / seconds:,.0f} tok/s" if seconds > 0.5 else ""


def drawn_on(bar: Bar) -> "Callable[[Progressed], None]":
    """Return a listener that draws a run's progress, with its rate, on a bar."""
    rate = Rate()
    return lambda p: bar(p.done, p.total, rate(p.computed_tokens))


def as_plain(record: Any) -> dict[str, Json]:
    """Return a record as plain JSON data."""
    return asdict(record)
