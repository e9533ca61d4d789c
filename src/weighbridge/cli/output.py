"""Results go to stdout, as text or one JSON document; progress to stderr, if a terminal.

Every command prints through here, so that no foreign text reaches a terminal as it is: what that
would obey or hide is spelt out, in JSON by JSON's own escapes. Nothing else calls `typer.echo`.
"""

import json
import os
import sys
import textwrap
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

import typer

from weighbridge.documents import as_json
from weighbridge.documents.runs import RunDocument, run_document
from weighbridge.documents.tuning import MasksDocument
from weighbridge.errors import CapReached
from weighbridge.records import ALARM, Estimate, EvalRun, GroupMeans
from weighbridge.records.printable import printable, printable_json, printable_line
from weighbridge.records.scale import figure

LEFT_OUT = 3
"""Exit code where a part of what was asked for could not be read, and the rest is there."""
_BRACKETS = ("⟦", "⟧")
_COLOURS = ("\x1b[30;42m", "\x1b[0m")  # black on green: a learnt blank is seen, too


LONG_DOCUMENT = 200_000
"""Characters of JSON from which on it is not indented."""


def emit(document: Any, text: str, wants_json: bool) -> None:
    """Print a result once, in the form asked for.

    Args:
        document: One of `weighbridge.documents`.
        text: The same for a person.
        wants_json: Whether `--json` was given.
    """
    if wants_json:
        say_json(document, indent=1)
    else:
        say(text)


def say(text: str, *, err: bool = False, end: bool = True) -> None:
    """Print a text; what a terminal would obey, or not show, is spelt out.

    Args:
        text: Of any number of lines.
        err: Whether to stderr.
        end: Whether its line ends.
    """
    typer.echo(printable(text), err=err, nl=end)  # noqa: TID251


def say_json(document: Any, indent: int | None = None) -> None:
    """Print one document of `weighbridge.documents` as JSON.

    A long one stands on one line: nobody reads it, and Python indents ten times slower.
    """
    plain = as_json(document)
    text = json.dumps(plain, ensure_ascii=False)
    if indent is not None and len(text) <= LONG_DOCUMENT:
        text = json.dumps(plain, ensure_ascii=False, indent=indent)
    typer.echo(printable_json(text))  # noqa: TID251


def emit_masks(rows: Sequence[tuple[str, Sequence[tuple[str, bool]]]], wants_json: bool) -> None:
    """Print rows of training data with what is learnt: in colour, else between brackets.

    Args:
        rows: Of each a header, and its text in stretches with whether each is learnt.
        wants_json: Whether as JSON, which has brackets.
    """
    bare = [f"{header}\n{_marked(parts, _BRACKETS)}" for header, parts in rows]
    if wants_json or not _in_colour():
        emit(MasksDocument(masks=tuple(bare)), "\n\n".join(bare), wants_json)
        return
    for number, (header, parts) in enumerate(rows):
        escaped = [(printable(text), learnt) for text, learnt in parts]
        blank = "\n" * (number > 0)
        shown = f"{blank}{printable(header)}\n{_marked(escaped, _COLOURS)}"
        typer.echo(shown, color=True)  # noqa: TID251


def _marked(parts: Sequence[tuple[str, bool]], marks: tuple[str, str]) -> str:
    before, after = marks
    return "".join(f"{before}{text}{after}" if learnt else text for text, learnt in parts)


def _in_colour() -> bool:
    """Whether stdout is a terminal, and nobody asked for no colours (https://no-color.org)."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")


def wrapped(text: str, indent: str = "") -> list[str]:
    """Break a sentence into lines of at most 80 columns, the later ones indented further."""
    return textwrap.wrap(
        text, 80, initial_indent=indent, subsequent_indent=indent + "  ", break_on_hyphens=False
    )


def document_of(run: EvalRun) -> RunDocument:
    """Return a run as the document that scripts rely on."""
    return run_document(run, _groups(run) if run.estimate.clusters else {})


def run_text(run: EvalRun) -> str:
    """Return a run as a few lines of at most 80 columns."""
    estimate = run.estimate
    low, high = (figure(end, estimate.scale) for end in estimate.interval)
    mean = figure(estimate.mean, estimate.scale)
    who = printable_line(run.model.name)
    lines = [f"{printable_line(run.title)}  {who}  ({run.protocol})"]
    if estimate.why_unknown:
        return "\n".join([*lines, f"  {estimate.why_unknown}", *_told_of(run)])
    lines += [f"  {_headline(estimate)}{mean}  95% interval {low} to {high}  n = {estimate.n}"]
    lines += [
        f"  {_called(name)} {figure(one.mean, estimate.scale)}  95% interval "
        f"{figure(one.interval[0], estimate.scale)} to {figure(one.interval[1], estimate.scale)}  "
        f"n = {one.n}"
        for name, one in estimate.beside.items()
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
    lines += _slices(run)
    lines += [f"    {name:<12} {value:.1%}" for name, value in estimate.parts.items()]
    return "\n".join([*lines, *_told_of(run)])


def _told_of(run: EvalRun) -> list[str]:
    """Return what a run took and what a reader must know of it; its id last."""
    lines = []
    if run.provenance.judge_tokens:
        tokens = run.provenance.input_tokens + run.provenance.output_tokens
        lines.append(f"  tokens {tokens:,}, and {run.provenance.judge_tokens:,} of the judge")
    if run.provenance.sandbox is not None:
        lines.append(f"  code was judged at level {run.provenance.sandbox}")
    if run.provenance.model_is_priced:
        lines.append(
            f"  cost {run.provenance.model_cost_usd:.6f} USD "
            f"({run.provenance.input_tokens:,} tokens in, {run.provenance.output_tokens:,} out)"
        )
    if run.provenance.judge_cost_usd:
        lines.append(f"  cost of the judge {run.provenance.judge_cost_usd:.6f} USD")
    for note in run.provenance.notes:
        # An alarm stands by itself.
        lines += wrapped(note if note.startswith(ALARM) else f"note: {note}", "  ")
    return [*lines, f"  run {run.run_id}"]


def have_figures(runs: Sequence[EvalRun]) -> bool:
    """Whether every run is whole, and at least one answer of each was graded."""
    return not any(run.unasked_samples or run.estimate.why_unknown for run in runs)


def require_figures(runs: Sequence[EvalRun]) -> None:
    """End the command with 3 where a run is not whole, or nothing in it was graded.

    Raises:
        Exit: One of them is so; its text and notes have said why.
    """
    if not have_figures(runs):
        raise typer.Exit(CapReached.exit_code)


def _slices(run: EvalRun) -> list[str]:
    lines = []
    for kind, slices in run.estimate.slices.items():
        lines.append(f"  by {kind}:")
        for name, one in slices.items():
            mean, low, high = (
                figure(value, run.estimate.scale) for value in (one.mean, *one.interval)
            )
            lines.append(f"    {name:<16} {mean:>6}  95% interval {low} to {high}  n = {one.n}")
    return lines


def _headline(estimate: Estimate) -> str:
    return f"{_called(estimate.aggregate)} " if estimate.beside else ""


def _called(aggregate: str) -> str:
    """Return an aggregate's name for a person: pass@10."""
    return aggregate.replace("pass_at_", "pass@")


def _groups(run: EvalRun) -> dict[str, GroupMeans]:
    from weighbridge.evaluation.registry import benchmark_names, find_benchmark
    from weighbridge.statistics import group_means

    if run.benchmark not in benchmark_names():
        return {}
    return group_means(run.estimate, find_benchmark(run.benchmark).asking.groups)


if TYPE_CHECKING:
    from weighbridge.evaluation.run_context import Progressed


class ProgressBar(Protocol):
    """A progress bar's handle."""

    def __call__(self, done: float, total: float, rate: str = "") -> None:
        """Show how far it has come."""


@contextmanager
def progress(title: str, more_beside: bool = False) -> Iterator[ProgressBar]:
    """Draw a bar with rate and time left on stderr; nothing where stderr is not a terminal.

    Args:
        title: What stands before it.
        more_beside: Whether the bar is short, so that a line of 80 columns has room for more than a
            rate.
    """
    if not sys.stderr.isatty():
        yield _silent
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}" if more_beside else "{task.description:<28}", markup=False),
        BarColumn(bar_width=8 if more_beside else 18),
        TextColumn("{task.percentage:>3.0f}%"),
        TextColumn("{task.fields[rate]:>14}", markup=False),
        TimeRemainingColumn(compact=True),
    )
    # Time left from the last ten minutes' speed: checkpoints and validation come in bursts.
    console = Console(stderr=True)
    with Progress(*columns, console=console, speed_estimate_period=600) as bars:
        task = bars.add_task(printable_line(title)[:28], total=None, rate="")

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


def drawn_on(bar: ProgressBar) -> "Callable[[Progressed], None]":
    """Return a listener that draws a run's progress, with its rate, on a bar."""
    rate = Rate()
    return lambda p: bar(p.done, p.total, rate(p.computed_tokens))
