"""A run's figure for the Hub: `.eval_results/NAME.yaml`, and metadata for a model card.

The Hub reads `.eval_results/*.yaml` of a model's repository and shows them on the model's page and
on the benchmark's leaderboard; `model-card.yaml` is the front matter that goes into `README.md`.
Both are written through huggingface_hub's own classes. The figure is the run's mean, in which an
answer that the model refused, or that could not be read, counts as the scale's lowest value. The
interval, the counts of ungraded answers and the samples digest are in `notes`, so that a reader can
check the figure with `weighbridge verify`.
"""

from pathlib import Path

from weighbridge.errors import InputError
from weighbridge.evidence.exporting import Exporter, ExportRequest
from weighbridge.records import EvalRun, StoppedEarly
from weighbridge.records.scale import is_share, named


def _files(request: ExportRequest) -> dict[Path, bytes]:
    if not request.dataset:
        raise InputError(
            "no data set is named for the Hub",
            "its id there, such as cais/mmlu",
            "--dataset ORG/NAME",
        )
    off = next((run for run in request.runs if not is_share(run.estimate.scale)), None)
    if request.percent and off is not None:
        raise InputError(
            f"--percent with {off.title}, on {named(off.estimate.scale)}",
            "figures that are shares",
            "leave it out",
        )
    if request.to.is_file():
        raise InputError(f"--to {request.to} is a file", "the folder of the model's repository")
    names = {run.run_id: _stem(run) for run in request.runs}
    if len(set(names.values())) < len(names):
        raise InputError("two runs of one benchmark", "one a model", "export them in turn")
    files = {
        request.to / ".eval_results" / f"{names[run.run_id]}.yaml": _eval_results(run, request)
        for run in request.runs
    }
    return files | {request.to / "model-card.yaml": _model_card(request)}


def _stem(run: EvalRun) -> str:
    return "".join(c if c.isalnum() else "-" for c in run.title.lower()).strip("-")


def _eval_results(run: EvalRun, request: ExportRequest) -> bytes:
    import yaml
    from huggingface_hub import EvalResultEntry, eval_result_entries_to_yaml

    entry = EvalResultEntry(
        dataset_id=request.dataset,
        task_id=request.task or run.title,
        value=_value(run, request),
        date=run.provenance.started,
        source_url=request.source_url or None,
        source_name="Weighbridge" if request.source_url else None,
        notes=_notes(run),
    )
    document = eval_result_entries_to_yaml([entry])
    text: str = yaml.safe_dump(document, sort_keys=False, allow_unicode=True)
    return text.encode("utf-8")


def _model_card(request: ExportRequest) -> bytes:
    from huggingface_hub import EvalResult, ModelCardData

    results = [
        EvalResult(
            task_type="text-generation",
            dataset_type=request.dataset,
            dataset_name=run.title,
            metric_type=_metric(run),
            metric_name=f"{run.title}, mean ({run.protocol})",
            metric_value=_value(run, request),
            dataset_args=_settings(run),
            source_url=request.source_url or None,
            source_name="Weighbridge" if request.source_url else None,
        )
        for run in request.runs
    ]
    models = dict.fromkeys(run.model.name for run in request.runs)
    if len(models) > 1:
        raise InputError(f"runs of {len(models)} models", "runs of one", "export them in turn")
    card = ModelCardData(model_name=next(iter(models)), eval_results=results)
    return f"---\n{card.to_yaml()}\n---\n".encode()


def _metric(run: EvalRun) -> str:
    """Return the Hub's metric name; a mean is an accuracy only on a scale from 0 to 1."""
    shares = is_share(run.estimate.scale)
    return "accuracy" if run.estimate.aggregate == "mean" and shares else run.estimate.aggregate


def _settings(run: EvalRun) -> dict[str, object]:
    return {name: value for name, value in run.settings.items() if value not in (None, "", {})}


def _value(run: EvalRun, request: ExportRequest) -> float:
    if why := run.estimate.why_unknown:
        raise InputError(f"{run.run_id}: {why}", "a run with a figure to publish")
    return round(run.estimate.mean * (100 if request.percent else 1), 6)


def _notes(run: EvalRun) -> str:
    estimate = run.estimate
    low, high = estimate.interval
    ungraded = [f"{count} {reason}" for reason, count in estimate.ungraded.items() if count]
    origin = run.provenance.origin
    return "; ".join(
        [
            f"mean of {estimate.n} items, 95% interval {low:.4f} to {high:.4f}",
            *(f"{name} {one.mean:.4f}" for name, one in estimate.beside.items()),
            *([] if is_share(estimate.scale) else [f"on {named(estimate.scale)}"]),
            *([f"judged by {run.provenance.judge}"] if run.provenance.judge else []),
            *([_stopped(run.stopped)] if run.stopped is not None and run.stopped.early else []),
            f"protocol {run.protocol}",
            f"ungraded: {', '.join(ungraded) or 'none'}",
            *([f"imported from {origin.harness}, not measured here"] if origin else []),
            f"benchmark version {run.benchmark_version}",
            f"samples {run.samples_digest}",
        ]
    )


def _stopped(stopped: StoppedEarly) -> str:
    return (
        f"stopped early, after {stopped.asked_samples} of {stopped.planned_samples} answers, when "
        "decided against another run: the figure is of the items asked"
    )


EXPORTER = Exporter(
    name="hugging-face",
    writes="the folder of a model's repository: .eval_results/NAME.yaml and model-card.yaml",
    files=_files,
)
