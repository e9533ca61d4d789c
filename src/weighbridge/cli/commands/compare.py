"""Compare two runs item by item, with an interval and a verdict at a margin.

RUN_A is the candidate, RUN_B the reference. Runs of judged benchmarks come with an audit of the
judge. Runs by two protocols are compared only where some model was measured by both. With
--groups, groups of subjects are compared too, with Holm's correction for several comparisons.
Runs with different settings (temperature, chat template, length) are refused; --accept names the
settings that differ on purpose, and the result records them.
Exit 0: superior, equivalent or non-inferior; 1: inferior; 3: inconclusive.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

import typer

from weighbridge.cli import options
from weighbridge.cli.comparing import (
    PAIR,
    compared_text,
    comparison_document,
    groups_text,
)
from weighbridge.cli.option_groups import grouped
from weighbridge.cli.output import emit
from weighbridge.errors import InputError
from weighbridge.records import EvalRun, HumanLabel

if TYPE_CHECKING:
    from weighbridge.comparison.groups import GroupComparison
    from weighbridge.comparison.two_runs import AuditedComparison
    from weighbridge.evidence import RunStore
    from weighbridge.statistics.conditions import Accepted


@dataclass(frozen=True, kw_only=True)
class Question:
    """Options that say what is compared.

    Attributes:
        margin: How much worse is acceptable, on the benchmark's scale; None: 2 % of it.
        metric: "value", or the name of a part.
        groups: Whether groups of subjects are compared too.
        accept: Names of settings that differ on purpose, separated by commas.
    """

    panel: ClassVar[str] = "What is compared"

    margin: options.WorseBy = None
    metric: Annotated[
        str, typer.Option(metavar="NAME", help="value (the headline), or the name of a part.")
    ] = "value"
    groups: Annotated[bool, typer.Option("--groups", help="Compare groups of subjects.")] = False
    accept: Annotated[
        str,
        typer.Option(metavar="NAMES", help="Settings that differ on purpose, separated by commas."),
    ] = ""

    @property
    def accepted(self) -> "Accepted":
        """The settings that differ on purpose."""
        from weighbridge.statistics.conditions import Accepted

        return Accepted(tuple(name.strip() for name in self.accept.split(",") if name.strip()))


@dataclass(frozen=True, kw_only=True)
class FurtherEvidence:
    """Options that name further evidence, on the judge or on the protocols.

    Attributes:
        human: A file of people's ratings or preferences.
        other_judge: Two runs in which another judge rated the same answers.
        offset: One model's two runs, by both protocols.
    """

    panel: ClassVar[str] = "Further evidence"

    human: Annotated[
        Path | None, typer.Option(metavar="FILE", help="JSONL of people's ratings or preferences.")
    ] = None
    other_judge: Annotated[
        str,
        typer.Option(metavar=PAIR, help="Two runs in which another judge rated the same answers."),
    ] = ""
    offset: Annotated[
        str,
        typer.Option(metavar=PAIR, help="Two runs of one model, one by each of the two protocols."),
    ] = ""


@grouped
def command(
    run_a: Annotated[str, typer.Argument(metavar="RUN_A", help="The candidate's run.")],
    run_b: Annotated[str, typer.Argument(metavar="RUN_B", help="The reference's run.")],
    question: Question,
    further: FurtherEvidence,
    flips: Annotated[
        int,
        typer.Option(
            metavar="N", help="Print so many items on which only one run is right.", min=0
        ),
    ] = 3,
    html: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Write a page with every item and both answers side by side."
        ),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace FILE if it exists.")
    ] = False,
    runs: options.Runs = options.DEFAULT_RUNS,
    json: options.Json = False,
) -> None:
    """See the module's docstring, which is the help."""
    from weighbridge.comparison.groups import compare_groups
    from weighbridge.comparison.two_runs import compare_with_evidence
    from weighbridge.evidence import RunStore

    if html is not None and html.exists() and not overwrite:
        raise InputError(f"{html} exists", "a new file", "--overwrite, or another --html")
    metric, accepted, store = question.metric, question.accepted, RunStore(runs)
    first, second = store.read(run_a), store.read(run_b)
    found = compare_with_evidence(
        first, second, store,
        margin=question.margin, metric=metric, labels=_labels(further.human, first),
        other_judge=_pair(store, "--other-judge", further.other_judge),
        offset=_pair(store, "--offset", further.offset), accepted=accepted,
    )  # fmt: skip
    lines = compared_text(found, flips, question.margin is None)
    within: tuple[GroupComparison, ...] = ()
    if question.groups:
        within = compare_groups(
            first, second, margin=found.comparison.margin, metric=metric, accepted=accepted
        )
        lines += groups_text(within, found.comparison.scale)
    document = comparison_document(found, within)
    if html is not None:
        _write_items(html, first, second, found)
        document = replace(document, html=str(html))
        lines.append(f"  every item: {html}")
    emit(document, "\n".join(lines), json)
    raise typer.Exit({"inferior": 1, "inconclusive": 3}.get(found.comparison.verdict, 0))


def _labels(human: Path | None, run: EvalRun) -> "tuple[HumanLabel, ...]":
    if human is None:
        return ()
    from weighbridge.evaluation.human_labels import read_human_labels

    if run.asked.judge is None:
        raise InputError(
            f"--human with {run.title}", "a benchmark that a model judges, such as mt_bench"
        )
    return read_human_labels(human, run.estimate.scale)


def _pair(store: "RunStore", option: str, named_runs: str) -> tuple[EvalRun, EvalRun] | None:
    if not named_runs:
        return None
    first, comma, second = named_runs.partition(",")
    if not comma or not first.strip() or not second.strip():
        raise InputError(f"{option} {named_runs}", f"two runs: {option} {PAIR}")
    return store.read(first.strip()), store.read(second.strip())


def _write_items(path: Path, run_a: EvalRun, run_b: EvalRun, found: "AuditedComparison") -> None:
    from weighbridge.reports import render_explorer
    from weighbridge.storage import write_whole

    page = render_explorer(run_a, run_b, found.comparison, found.across)
    write_whole(path, page.encode("utf-8"))
