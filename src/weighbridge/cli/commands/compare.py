"""Compare two runs item by item, with an interval and a verdict at a margin.

RUN_A is the candidate, RUN_B the reference. Runs of judged benchmarks come with an audit of the
judge; runs by two protocols are compared only where some model was measured both ways; with
--groups, groups of subjects are compared too, their verdicts corrected for being several (Holm).
Runs that were not asked alike (another temperature, chat template, length) are refused; --accept
names what is meant to differ, and the result records it.
Exit 0: superior, equivalent or non-inferior; 1: inferior; 3: inconclusive.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from weighbridge.cli import options
from weighbridge.cli.comparing import (
    PAIR,
    compared_text,
    comparison_json,
    groups_json,
    groups_text,
)
from weighbridge.cli.output import as_plain, emit
from weighbridge.errors import InputError
from weighbridge.records import EvalRun, HumanLabel, Json

if TYPE_CHECKING:
    from weighbridge.comparison.two_runs import Compared
    from weighbridge.evidence import RunStore


def command(
    run_a: Annotated[str, typer.Argument(help="The candidate's run.")],
    run_b: Annotated[str, typer.Argument(help="The reference's run.")],
    margin: options.WorseBy = None,
    metric: Annotated[str, typer.Option(help="value, or the name of a part.")] = "value",
    groups: Annotated[bool, typer.Option("--groups", help="Compare groups of subjects.")] = False,
    flips: Annotated[int, typer.Option(help="Flips to print.", min=0)] = 3,
    human: Annotated[
        Path | None, typer.Option(metavar="FILE", help="JSONL of people's ratings or preferences.")
    ] = None,
    other_judge: Annotated[
        str, typer.Option(metavar=PAIR, help="The same answers read by another judge.")
    ] = "",
    offset: Annotated[
        str, typer.Option(metavar=PAIR, help="One model's runs by both protocols.")
    ] = "",
    accept: Annotated[
        str,
        typer.Option(metavar="NAMES", help="Differences beside the model that are meant: a,b."),
    ] = "",
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write every item, side by side, as a page.")
    ] = None,
    overwrite: Annotated[bool, typer.Option(help="Replace FILE if it is there.")] = False,
    runs: options.Runs = options.DEFAULT_RUNS,
    json: options.Json = False,
) -> None:
    """See the module's docstring, which is the help."""
    from weighbridge.comparison.groups import compare_groups
    from weighbridge.comparison.two_runs import compare_with_evidence
    from weighbridge.evidence import RunStore
    from weighbridge.statistics.conditions import Accepted

    if html is not None and html.exists() and not overwrite:
        raise InputError(f"{html} is there", "a new file", "--overwrite, or another --html")
    accepted = Accepted(tuple(name.strip() for name in accept.split(",") if name.strip()))
    store = RunStore(runs)
    first, second = store.read(run_a), store.read(run_b)
    found = compare_with_evidence(
        first, second, store,
        margin=margin, metric=metric, labels=_labels(human, first),
        other_judge=_pair(store, "--other-judge", other_judge),
        offset=_pair(store, "--offset", offset), accepted=accepted,
    )  # fmt: skip
    document, lines = _document(found), compared_text(found, flips, margin is None)
    if groups:
        within = compare_groups(
            first, second, margin=found.comparison.margin, metric=metric, accepted=accepted
        )
        document["groups"] = groups_json(within)
        lines += groups_text(within, found.comparison.scale)
    if html is not None:
        _write_items(html, first, second, found)
        document["html"] = str(html)
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


def _write_items(path: Path, run_a: EvalRun, run_b: EvalRun, found: "Compared") -> None:
    from weighbridge.reports import render_explorer
    from weighbridge.storage import write_whole

    page = render_explorer(run_a, run_b, found.comparison, found.across)
    write_whole(path, page.encode("utf-8"))


def _document(found: "Compared") -> dict[str, Json]:
    document = comparison_json(found.comparison)
    if found.audit is not None:
        document["judge_audit"] = as_plain(found.audit)
    if found.across is not None:
        across = found.across
        document["across_protocols"] = {
            "raw": {k: v for k, v in comparison_json(across.raw).items() if k != "flips"},
            "offset": as_plain(across.offset) if across.offset is not None else None,
            "carried": across.carried,
        }
    return document
