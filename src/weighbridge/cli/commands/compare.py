"""Compare two runs item by item, with an interval and a verdict at a margin.

RUN_A is the candidate, RUN_B the reference. Runs of judged benchmarks come with an audit of the
judge; runs by two protocols are compared only where some model was measured both ways. Exit 0:
superior, equivalent or non-inferior; 1: inferior; 3: inconclusive.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from weighbridge.cli import options
from weighbridge.cli.output import as_plain, emit, wrapped
from weighbridge.errors import InputError
from weighbridge.records import Comparison, EvalRun, Flip, HumanLabel, Json
from weighbridge.records.scale import figure, gap, is_share, named
from weighbridge.records.scale import margin as margin_in_words

if TYPE_CHECKING:
    from weighbridge.evidence import RunStore
    from weighbridge.pipeline.comparing import Compared

PAIR = "RUN_A,RUN_B"


def command(
    run_a: Annotated[str, typer.Argument(help="The candidate's run.")],
    run_b: Annotated[str, typer.Argument(help="The reference's run.")],
    margin: Annotated[
        float | None,
        typer.Option(help="How much worse is still fine, in the scale's units; else 2 % of it."),
    ] = None,
    metric: Annotated[str, typer.Option(help="value, or the name of a part.")] = "value",
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
    runs: options.Runs = options.DEFAULT_RUNS,
    json: options.Json = False,
) -> None:
    """See the module's docstring, which is the help."""
    from weighbridge.evidence import RunStore
    from weighbridge.pipeline.comparing import compare_with_evidence

    store = RunStore(runs)
    first, second = store.read(run_a), store.read(run_b)
    found = compare_with_evidence(
        first, second, store,
        margin=margin, metric=metric, labels=_labels(human, first),
        other_judge=_pair(store, "--other-judge", other_judge),
        offset=_pair(store, "--offset", offset),
    )  # fmt: skip
    emit(_document(found), "\n".join(_lines(found, flips, margin is None)), json)
    raise typer.Exit({"inferior": 1, "inconclusive": 3}.get(found.comparison.verdict, 0))


def _labels(human: Path | None, run: EvalRun) -> "tuple[HumanLabel, ...]":
    if human is None:
        return ()
    from weighbridge.evaluation.human_labels import read_human_labels

    if "judge" not in run.settings:
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


def _document(found: "Compared") -> dict[str, Json]:
    document = as_plain(found.comparison)
    if found.audit is not None:
        document["judge_audit"] = as_plain(found.audit)
    if found.across is not None:
        across = found.across
        document["across_protocols"] = {
            "raw": {k: v for k, v in as_plain(across.raw).items() if k != "flips"},
            "offset": as_plain(across.offset) if across.offset is not None else None,
            "carried": across.carried,
        }
    return document


def _lines(found: "Compared", flips: int, by_default: bool) -> list[str]:
    result = found.comparison
    if found.across is not None:
        return _across(found, by_default)
    lost = sum(1 for flip in result.flips if flip.difference < 0)
    lines = [
        f"{result.benchmark}: {figure(result.mean_a, result.scale)} against "
        f"{figure(result.mean_b, result.scale)}, n = {result.n}",
        *_gap(result),
        *_verdict(result, by_default),
        f"  {len(result.flips)} items differ: {len(result.flips) - lost} won, {lost} lost",
        *(_flip(flip) for flip in result.flips[:flips]),
    ]
    if found.audit is not None:
        from weighbridge.pipeline.judge_audit import told

        lines.append(f"  Judge audit ({found.audit.judge}):")
        for label, sentence in told(found.audit, result):
            lines += wrapped(f"{label}: {sentence}", "    ")
    return lines


def _gap(result: Comparison, indent: str = "  ") -> list[str]:
    low, high = result.interval
    unit = " points" if is_share(result.scale) else ""
    return [
        f"{indent}difference {gap(result.difference, result.scale)}{unit}, 95% interval "
        f"{gap(low, result.scale)} to {gap(high, result.scale)}"
        + ("" if unit else f", on {named(result.scale)}")
    ]


def _verdict(result: Comparison, by_default: bool, indent: str = "  ") -> list[str]:
    chosen = " (2% of it, as nobody said)" if by_default and not is_share(result.scale) else ""
    at = f"{margin_in_words(result.margin, result.scale)}{chosen}"
    return wrapped(
        f"{result.verdict.replace('_', '-')} at a margin of {at} (p = {result.p_value:.3g})", indent
    )


def _across(found: "Compared", by_default: bool) -> list[str]:
    across = found.across
    assert across is not None
    raw, offset = across.raw, across.offset
    lines = [
        f"{raw.benchmark}: {figure(raw.mean_a, raw.scale)} against "
        f"{figure(raw.mean_b, raw.scale)}, n = {raw.n}, by two protocols",
        *_gap(raw),
    ]
    if offset is None or across.corrected is None:
        return [
            *lines,
            *wrapped(
                "inconclusive: how much of this gap is the protocol's is unknown. Measure one "
                "model by both protocols over the same items (the next comparison finds it), or "
                f"name its runs with --offset {PAIR}.",
                "  ",
            ),
        ]
    low, high = offset.interval
    lines += wrapped(
        f"offset: {offset.model} scores {gap(offset.offset, raw.scale)} by {offset.protocol_a} "
        f"over {offset.protocol_b}, 95% interval {gap(low, raw.scale)} to {gap(high, raw.scale)} "
        f"({offset.n} items)",
        "  ",
    )
    lines.append("  without it:")
    lines += _gap(across.corrected, "    ")
    lines += _verdict(across.corrected, by_default, "    ")
    if across.carried:
        lines += wrapped(
            f"This takes for granted that the protocol is worth to both what it is to "
            f"{offset.model}.",
            "  ",
        )
    return lines


def _flip(flip: Flip) -> str:
    won = "won " if flip.difference > 0 else "lost"
    return f"  {won} {flip.sample_id}: {_short(flip.output_a)} | {_short(flip.output_b)}"


def _short(text: str, width: int = 26) -> str:
    line = " ".join(text.split())
    return line if len(line) <= width else line[: width - 1] + "…"
