"""Compare a model's stages step by step: base, adapter, merged, GGUF.

Each stage is measured on the same items (what was measured before is taken from its run), then
compared with the one before it, and the last one with the first. Exit 0: nothing got worse on the
whole way; 1: it did; 3: that can't be told.
"""

from typing import TYPE_CHECKING, Annotated

import typer

from weighbridge.cli import options
from weighbridge.cli.comparing import comparison_json
from weighbridge.cli.output import drawn_on, emit, progress, run_json, wrapped
from weighbridge.errors import InputError
from weighbridge.records import EvalRun, Json
from weighbridge.records.printable import printable_line
from weighbridge.records.scale import figure, gap
from weighbridge.records.scale import margin as margin_in_words

if TYPE_CHECKING:
    from weighbridge.comparison.lineage import Lineage, Step
    from weighbridge.opening.tasks import Task


def command(
    models: Annotated[list[str], typer.Argument(help="Stages, the first one first.")],
    benchmark: Annotated[list[str], typer.Option("--benchmark", "-b", metavar="NAME[:SUBSET]")],
    margin: options.WorseBy = None,
    protocol: Annotated[str, typer.Option(help="How answers are obtained.")] = "",
    shots: Annotated[int | None, typer.Option(help="Worked examples before a question.")] = None,
    limit: Annotated[int | None, typer.Option(help="First so many items of each subset.")] = None,
    max_tokens: Annotated[int | None, typer.Option(help="Longest answer.", min=1)] = None,
    data: options.Data = None,
    runs: options.Runs = options.DEFAULT_RUNS,
    cache: options.Cache = None,
    device: options.Device = "auto",
    threads: options.Threads = 0,
    memory: options.Memory = "",
    seed: options.Seed = 0,
    offline: options.Offline = False,
    allow_weaker_sandbox: options.WeakerSandbox = False,
    json: options.Json = False,
) -> None:
    """See the module's docstring, which is the help."""
    from weighbridge.comparison.lineage import compare_stages
    from weighbridge.evaluation.benchmark import Settings
    from weighbridge.opening.endpoints import address_of
    from weighbridge.opening.models import open_any
    from weighbridge.opening.tasks import find_all, place_for, weigh
    from weighbridge.sources.weights import find_weights

    if len(models) < 2:
        raise InputError("one stage", "two or more models: BASE BASE+ADAPTER MERGED")
    around = options.surroundings(
        runs=runs, cache=cache, data=data, device=device, threads=threads, offline=offline
    )
    settings = Settings(
        protocol=protocol, shots=shots or 0, limit=limit, seed=seed, max_tokens=max_tokens
    )
    # Every name is looked up before the first stage is measured, so that a typo costs nothing.
    stages = [address_of(name) or find_weights(name, offline=around.offline) for name in models]
    tasks = find_all(benchmark, around.places, settings, shots)
    _check(tasks, margin, protocol)
    place = place_for(
        around.store, around.threads, around.started, tasks,
        allow_weaker_sandbox=allow_weaker_sandbox,
    )  # fmt: skip
    reach = options.endpoints(runs, around.offline)
    measured: list[list[EvalRun]] = []
    for stage in stages:
        with open_any(
            stage, reach, around.cache, around.device, around.threads, options.parse_memory(memory)
        ) as opened:
            measured.append([])
            for task in tasks:
                with progress(f"{task.title} {opened.ref.name}") as bar:
                    measured[-1].append(weigh(opened, task, place, drawn_on(bar)))
    found = [
        compare_stages([around.store.read(run.run_id) for run in of_one], margin)
        for of_one in zip(*measured, strict=True)
    ]
    lines = [line for one in found for line in _lines(one)]
    emit({"lineages": [_document(one) for one in found]}, "\n".join(lines), json)
    verdicts = [one.verdict for one in found]
    if "inferior" in verdicts:
        raise typer.Exit(1)
    if "inconclusive" in verdicts:
        raise typer.Exit(3)


def _check(tasks: "list[Task]", margin: float | None, protocol: str) -> None:
    """Refuse a margin off a benchmark's scale, and benchmarks that need a judge."""
    from weighbridge.statistics import check_margin

    if margin is not None:
        for task in tasks:
            check_margin(margin, task.benchmark.scale(protocol))
    if judged := [task.title for task in tasks if task.benchmark.judges]:
        raise InputError(
            f"{judged[0]} in a lineage", "benchmarks that need no judge", "evaluate and compare it"
        )


def _lines(found: "Lineage") -> list[str]:
    first = found.runs[0]
    scale = first.estimate.scale
    lines = [f"{printable_line(first.title)}  ({first.protocol}, n = {first.estimate.n})"]
    for run, step in zip(found.runs, (None, *found.steps), strict=True):
        low, high = (figure(end, scale) for end in run.estimate.interval)
        told = f"{figure(run.estimate.mean, scale):>7}  95% interval {low} to {high}"
        lines.append(f"  {_short(run.model.name):<32} {run.estimate.why_unknown or told}")
        if step is not None:
            lines += wrapped(_told(step), "    ")
    if len(found.steps) > 1:
        lines += wrapped(f"the whole way: {_told(found.whole)}", "  ")
    return lines


def _told(step: "Step") -> str:
    if step.comparison is None or step.joint is None:
        return "the same weights, so the same run"
    c = step.comparison
    if c.why_unknown:
        return f"{c.why_unknown}: {step.joint.verdict.replace('_', '-')}"
    low, high = (gap(end, c.scale) for end in c.interval)
    shift = f", log-probabilities by up to {step.logprob_shift:.2g}" if step.logprob_shift else ""
    return (
        f"{gap(c.difference, c.scale)} [{low}, {high}], "
        f"{step.joint.verdict.replace('_', '-')} at {margin_in_words(c.margin, c.scale)}; "
        f"{step.changed} of {step.answers} answers changed{shift}"
    )


def _short(name: str, width: int = 32) -> str:
    name = printable_line(name)
    return name if len(name) <= width else name[: width - 1] + "…"


def _document(found: "Lineage") -> dict[str, Json]:
    return {
        "benchmark": found.runs[0].title,
        "verdict": found.verdict,
        "stages": [run_json(run) for run in found.runs],
        "steps": [_step(step) for step in found.steps],
        "whole": _step(found.whole),
    }


def _step(step: "Step") -> dict[str, Json]:
    plain = comparison_json(step.comparison) if step.comparison is not None else {}
    return {
        "run_a": step.after.run_id,
        "run_b": step.before.run_id,
        "answers": step.answers,
        "changed": step.changed,
        "logprob_shift": step.logprob_shift,
        "joint_verdict": step.joint.verdict if step.joint is not None else "equivalent",
        **{key: value for key, value in plain.items() if key not in ("flips", "run_a", "run_b")},
    }
