"""`README.md`: the model card, with metadata that the Hub reads, every figure from evidence."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from weighbridge.evaluation import benchmarks
from weighbridge.evaluation.registry import find_benchmark
from weighbridge.folder_registry import names_in
from weighbridge.records import EvalRun
from weighbridge.records.printable import printable_line
from weighbridge.records.scale import is_share
from weighbridge.release.case import Case
from weighbridge.release.decision import Decision
from weighbridge.release.paper import Paper

_SPDX = frozenset({
    "apache-2.0", "mit", "bsd-2-clause", "bsd-3-clause", "cc0-1.0", "cc-by-4.0", "unlicense",
    "llama2", "llama3", "llama3.1", "llama3.2", "llama3.3", "llama4", "gemma",
})  # fmt: skip
"""Licences that the Hub knows by name; another one is `other` with a name and a link."""


def _files(case: Case, decision: Decision) -> dict[str, bytes]:
    text = f"---\n{_metadata(case)}\n---\n\n{_body(case, decision)}"
    return {"README.md": text.encode()}


def hub_dataset(run: EvalRun) -> str:
    """Return the Hub's id of a benchmark's data set; "" where it has none, or is not one of ours.

    Another's benchmark may not be installed where a bundle is verified.
    """
    return _hub(run.benchmark)


@cache
def _hub(benchmark: str) -> str:
    if benchmark not in names_in(Path(benchmarks.__file__).parent):
        return ""
    need = find_benchmark(benchmark).asking.data
    return (need.hub or "") if need is not None else ""


def published(case: Case) -> list[EvalRun]:
    """Return the model's runs that have a figure, in one order."""
    known = [run for run in case.measured if not run.estimate.why_unknown]
    return sorted(known, key=lambda run: (run.title, run.protocol, run.run_id))


def _metadata(case: Case) -> str:
    from huggingface_hub import EvalResult, ModelCardData

    stated = case.statement
    results = [
        EvalResult(
            task_type="text-generation",
            dataset_type=hub_dataset(run) or run.benchmark,
            dataset_name=run.title,
            metric_type="accuracy" if is_share(run.estimate.scale) else run.estimate.aggregate,
            metric_name=f"{run.title}, {run.estimate.aggregate} ({run.protocol})",
            metric_value=round(run.estimate.mean, 6),
            source_url=stated.url or None,
            source_name="Weighbridge" if stated.url else None,
        )
        for run in published(case)
    ]
    licence = stated.licence.lower()
    terms: dict[str, Any] = {"license": licence}
    if licence not in _SPDX:
        terms = {"license": "other", "license_name": licence, "license_link": "LICENSE"}
    card = ModelCardData(
        model_name=stated.name,
        base_model=stated.base.name,
        base_model_relation="finetune",
        library_name="transformers",
        pipeline_tag="text-generation",
        tags=["weighbridge"],
        eval_results=results or None,
        **terms,
    )
    return str(card.to_yaml())


def _body(case: Case, decision: Decision) -> str:
    return "\n".join((*_head(case, decision), *_gates(decision), *_figures(case), *_end(case)))


def _head(case: Case, decision: Decision) -> Iterator[str]:
    stated = case.statement
    yield f"# {_text(stated.name)} {_text(stated.version)}\n"
    if stated.built_with:
        yield f"{_text(stated.built_with)}\n"
    steps = " → ".join(f"{one.stage} `{one.digest[:19]}`" for one in case.lineage)
    yield f"Tuned from {_text(stated.base.name)} ({_text(stated.base.licence)}): {steps}\n"
    yield f"- Model: `{decision.model}`, the files in `model/`"
    yield f"- Licence: {_text(stated.licence)}; flaws are reported as SECURITY.md says"
    yield "- This page is made from the evidence beside it: `weighbridge release verify`\n"


def _gates(decision: Decision) -> Iterator[str]:
    yield f"## Release decision: {decision.outcome}\n"
    yield f"By the policy {_text(decision.policy)} on {decision.decided}.\n"
    yield "| gate | answer | why |\n|---|---|---|"
    for one in decision.gates:
        said = f"{one.outcome}, waived by {one.waiver}" if one.waiver else one.outcome
        yield f"| `{one.gate}` | {_text(said)} | {_text(one.why)} |"
    yield ""


def _figures(case: Case) -> Iterator[str]:
    runs = published(case)
    if not runs:
        return
    yield "## Measured\n\n| benchmark | protocol | mean | 95 % interval | n | evidence |"
    yield "|---|---|---|---|---|---|"
    for run in runs:
        low, high = run.estimate.interval
        yield (
            f"| {_text(run.title)} | {run.protocol} | {run.estimate.mean:.4f} | {low:.4f} to "
            f"{high:.4f} | {run.estimate.n} | `{run.run_id}` |"
        )
    yield ""


def _end(case: Case) -> Iterator[str]:
    yield "## What is not known here\n"
    yield "Nothing was measured but what stands above. Uses that it does not cover are not covered."
    if case.data is not None:
        yield "The training data are not published; what was found in them is as stated.\n"


def _text(text: str) -> str:
    """Return a text from outside so that it can't end a table's cell, or be read as HTML."""
    line = printable_line(text)
    for sign in "\\`*_[]<>|":
        line = line.replace(sign, "\\" + sign)
    return line


PAPER = Paper("model_card", "the model card", _files)
