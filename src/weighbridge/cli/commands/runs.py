"""List runs, or show one.

`weighbridge runs list`; `weighbridge runs show RUN [--samples]`.
"""

import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Annotated

import typer

from weighbridge.cli import options
from weighbridge.cli.option_groups import SectionedCommand
from weighbridge.cli.output import (
    LEFT_OUT,
    ProgressBar,
    document_of,
    emit,
    progress,
    run_text,
)
from weighbridge.documents.runs import ListedRun, RunList, ShownRun
from weighbridge.errors import UnknownName
from weighbridge.records import OUTCOMES, Json, ScoredSample, canonical_json, outcome
from weighbridge.records.printable import cut_middle, printable_line

if TYPE_CHECKING:
    from weighbridge.evidence import RunSummary

app = typer.Typer(add_completion=False, rich_markup_mode=None, no_args_is_help=True, help=__doc__)

SHOWN_AT_ONCE = 20
_COLUMNS, _LABEL = 80, 13
_QUICK_SECONDS = 1.0


@app.command("list", cls=SectionedCommand)
def list_runs(runs: options.Runs = options.DEFAULT_RUNS, json: options.Json = False) -> None:
    """List runs, newest first; of unfinished ones, how many answers they have.

    Exit code 3: some run's files were altered, and its figures are not shown.
    """
    from weighbridge.evidence import summaries

    with ExitStack() as shown:
        found = summaries(runs, _SlowBar(shown))
    now = datetime.now(UTC)
    lines = [] if json else [line for run in found for line in _listed(run, now)]
    document = RunList(runs=tuple(ListedRun(**vars(run)) for run in found) if json else ())
    emit(document, "\n".join(lines) or f"no runs in {runs}", json)
    if any(run.altered for run in found):
        raise typer.Exit(LEFT_OUT)


class _SlowBar:
    """A bar that is drawn only once checking takes long: the first listing of a large store."""

    def __init__(self, shown: ExitStack) -> None:
        self._shown, self._begun = shown, time.monotonic()
        self._bar: ProgressBar | None = None

    def __call__(self, done: int, total: int) -> None:
        if self._bar is None and time.monotonic() - self._begun > _QUICK_SECONDS:
            self._bar = self._shown.enter_context(progress("checking runs"))
        if self._bar is not None:
            self._bar(done, total)


def _listed(run: "RunSummary", now: datetime) -> list[str]:
    """Return a run's two lines: what the other commands call it, and what came out."""
    from weighbridge.records.scale import figure

    run_id = printable_line(run.run_id)
    if run.newer:
        return [run_id, f"    {printable_line(run.altered)}"]
    if run.altered:
        return [run_id, "    ALTERED: see weighbridge verify"]
    if run.mean is None or run.interval is None:
        found = _how_far(run)
    else:
        mean, low, high = (figure(value, run.scale) for value in (run.mean, *run.interval))
        found = f"{mean} [{low}, {high}] n={run.done}"
    facts = f"{printable_line(run.benchmark)}  {found}  {_age(run.started, now)}".rstrip()
    room = max(_COLUMNS - 6 - len(facts), 12)
    return [run_id, f"    {cut_middle(printable_line(run.model), room)}  {facts}"]


def _how_far(run: "RunSummary") -> str:
    """Say how many answers there are; of a campaign of attacks, how many trials."""
    if not run.benchmark.startswith("redteam:"):
        return f"{run.done} of {run.planned} answers"
    whole = f"{run.planned} trials"
    return whole if run.done == run.planned else f"{run.done} of {whole}"


def _age(started: str, now: datetime) -> str:
    """Say how long ago a run was started; "" where it can't be told."""
    try:
        seconds = (now - datetime.fromisoformat(started)).total_seconds()
    except (ValueError, TypeError):
        return ""
    for length, unit in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit} ago"
    return "just now"


@app.command("show", cls=SectionedCommand)
def show(
    run: Annotated[str, typer.Argument(help="Run id, its beginning, or a folder.")],
    samples: Annotated[bool, typer.Option("--samples", help="Show its samples, too.")] = False,
    only: Annotated[
        str,
        typer.Option(
            "--outcome",
            metavar="OUTCOME",
            help="right, partly, wrong, graded; ungraded or its reason: refused, unparsed, "
            "truncated, infrastructure; of attacks: harmful, safe and so on.",
        ),
    ] = "",
    cluster: Annotated[
        str, typer.Option(help="Only samples of this cluster; of attacks: category.")
    ] = "",
    search: Annotated[str, typer.Option(help="Only samples that contain this text.")] = "",
    limit: Annotated[
        int | None, typer.Option(help="Show at most so many; default: 20, with --json all.", min=1)
    ] = None,
    skip: Annotated[int, typer.Option(help="Skip the first so many.", min=0)] = 0,
    runs: options.Runs = options.DEFAULT_RUNS,
    json: options.Json = False,
) -> None:
    """Show a run's figures and where they come from; with --samples, what the model answered."""
    from weighbridge.cli.campaign_shown import TrialChoice, show_campaign
    from weighbridge.evidence import RunStore, read_samples
    from weighbridge.evidence.document import of_kind
    from weighbridge.evidence.payloads import attacks, evaluation

    store = RunStore(runs)
    sealed = store.sealed(run)
    if sealed.payload.name == attacks.PAYLOAD.name:
        choice = TrialChoice(samples, only, cluster, search, limit, skip)
        emit(*show_campaign(of_kind(sealed, attacks.PAYLOAD), choice, json), json)
        return
    if only and only not in (*OUTCOMES, "ungraded"):
        raise UnknownName("outcome", only, (*OUTCOMES, "ungraded"))
    found = of_kind(sealed, evaluation.PAYLOAD).content
    document = ShownRun(
        **vars(document_of(found)),
        identity=found.identity,
        settings=found.settings,
        model_ref=found.model,
        provenance=found.provenance,
    )
    lines = [run_text(found), f"  weights {found.model.weights_digest}"]
    lines += [f"  samples {found.samples_digest}", f"  started {found.provenance.started}"]
    if samples:
        scale = found.estimate.scale
        every = read_samples(store.folder_of(run) / "samples.jsonl")
        wanted = _Page(_wanted(every, scale, only, cluster, search), skip, limit, json)
        document = replace(document, samples=tuple(wanted.shown), matching=wanted.matching)
        lines += ["", wanted.title, *(_told(sample, scale) for sample in wanted.shown)]
    emit(document, "\n".join(lines), json)


class _Page:
    """The samples that are shown, and the number of all that match."""

    def __init__(
        self, samples: Iterator[ScoredSample], skip: int, limit: int | None, whole: bool
    ) -> None:
        if limit is None and not whole:
            limit = SHOWN_AT_ONCE
        self._skip, self._skipped = skip, sum(1 for _ in islice(samples, skip))
        self.shown = list(islice(samples, limit))
        self.matching = self._skipped + len(self.shown) + sum(1 for _ in samples)

    @property
    def title(self) -> str:
        """Which of how many, and how to see the next."""
        if not self.shown:
            return f"  no sample to show; {self.matching} match"
        last = self._skipped + len(self.shown)
        more = f"; next: --skip {last}" if last < self.matching else ""
        return f"  samples {self._skipped + 1} to {last} of {self.matching}{more}"


def _wanted(
    samples: Iterable[ScoredSample],
    scale: tuple[float, float],
    only: str,
    cluster: str,
    search: str,
) -> Iterator[ScoredSample]:
    words = search.casefold().split()
    for sample in samples:
        found = outcome(sample.score, scale)
        ungraded = sample.score.kind == "ungraded"
        if only and only != found and not (only == "ungraded" and ungraded):
            continue
        if cluster and sample.cluster != cluster:
            continue
        texts = (sample.sample_id, sample.question, sample.output, _as_text(sample.target))
        everything = "\n".join(filter(None, texts)).casefold()
        if all(word in everything for word in words):
            yield sample


def _told(sample: ScoredSample, scale: tuple[float, float]) -> str:
    """A sample in at most four lines of 80 columns; texts that are withheld stay withheld."""
    again = f" (repeat {sample.repeat})" if sample.repeat else ""
    value = getattr(sample.score, "value", None)
    became = outcome(sample.score, scale)
    # What is right or wrong needs no figure; what lies between, or on another scale, does.
    figure = f" {value:g}" if became in ("partly", "graded") else ""
    head = f"{became}{figure}"
    lines = [f"  {head:<14} {sample.sample_id}{again}"]
    if sample.question is None:
        lines.append("    texts of this benchmark are not published")
    else:
        lines.append(f"    asked    {sample.question}")
        if sample.target is not None:
            lines.append(f"    target   {_as_text(sample.target)}")
    lines.append(f"    answered {sample.output or '(nothing)'}")
    if sample.score.why:
        lines.append(f"    because  {sample.score.why}")
    return "\n".join(_one_line(line) for line in lines)


def _as_text(value: Json) -> str:
    return value if isinstance(value, str) else canonical_json(value).decode()


def _one_line(text: str) -> str:
    """Cut a line to the terminal's width, its label in place."""
    label, rest = text[:_LABEL], " ".join(text[_LABEL:].split())
    line = label + printable_line(rest)
    if label.split() == ["because"]:  # a reason's numbers stand at its end
        return cut_middle(line, _COLUMNS)
    return line if len(line) <= _COLUMNS else line[: _COLUMNS - 1] + "…"
