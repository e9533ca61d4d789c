"""The facts of a report that are not in its runs, from the results of the stages."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from weighbridge.project.project_file import Tune
from weighbridge.project.stages import Outcome
from weighbridge.records import (
    BenchmarkSpec,
    Contamination,
    EvalRun,
    HumanLabel,
    Json,
    SkippedBenchmark,
)
from weighbridge.reports import Forecast, TrainingPoint
from weighbridge.verdict.economics import Economics
from weighbridge.verdict.replacement import Use

if TYPE_CHECKING:
    from weighbridge.tuning import TuneResult

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Measured:
    """One benchmark of a report, by the names of its runs."""

    weigh: BenchmarkSpec
    before: str
    after: str
    contamination: Contamination | None = None


@dataclass(frozen=True)
class Replacement:
    """What a project file states that a replacement is judged by."""

    use: Use
    economics: Economics | None


@dataclass(frozen=True)
class ReportFacts:
    """What a report says beyond its runs: `report.json`. The page is a function of this and them.

    Attributes:
        title: The project's name.
        question: What it asks.
        generated: When, ISO 8601.
        measured: Benchmarks, by run.
        left: What was skipped.
        training: The loss curve.
        training_facts: Label to value.
        forecasts: Predicted and measured.
        provenance: Label to value.
        reproduce: Commands.
        tuning_data: Where the file lay that benchmarks' items were looked for in.
        replacement: What decides whether the incumbent is replaced, where there is one.
        verdict: As judged.
        page_digest: SHA-256 of `report.html`.
        labels: What people said of the answers; the judge is audited with them.
        schema_version: Of this file.
    """

    title: str
    question: str
    generated: str
    measured: tuple[Measured, ...]
    left: tuple[SkippedBenchmark, ...]
    training: tuple[TrainingPoint, ...]
    training_facts: tuple[tuple[str, str], ...]
    forecasts: tuple[Forecast, ...]
    provenance: tuple[tuple[str, str], ...]
    reproduce: tuple[str, ...]
    tuning_data: str = ""
    replacement: "Replacement | None" = None
    verdict: str = ""
    page_digest: str = ""
    labels: tuple[HumanLabel, ...] = ()
    schema_version: int = SCHEMA_VERSION


def facts_of(outcome: Outcome, generated: str, project_argument: str) -> ReportFacts:
    """Gather what a report says beyond its runs."""
    plan, tuned = outcome.plan, outcome.tuned
    project = plan.project
    return ReportFacts(
        title=project.project.name,
        question=project.project.question,
        generated=generated,
        measured=tuple(
            Measured(w.weigh, w.before.run_id, w.after.run_id, w.contamination)
            for w in outcome.weighed
        ),
        tuning_data=str(plan.files.train) if plan.files else "",
        left=plan.left,
        training=_curve(tuned) if tuned else (),
        training_facts=tuple(_training_facts(project.tune, tuned).items())
        if tuned and project.tune
        else (),
        forecasts=_forecasts(tuned) if tuned else (),
        provenance=tuple(_provenance(outcome).items()),
        labels=plan.labels,
        replacement=Replacement(project.project.use, project.economics)
        if project.incumbent
        else None,
        reproduce=(
            f"weighbridge run {project_argument}".strip(),
            "weighbridge verify .weighbridge/reports/" + slug(project.project.name),
        ),
    )


def _curve(tuned: "TuneResult") -> tuple[TrainingPoint, ...]:
    points: list[TrainingPoint] = []
    tokens, seconds = 0, 0.0
    for m in tuned.metrics:
        tokens, seconds = tokens + m.trained_tokens, seconds + m.seconds
        loss = m.loss if m.loss is not None else m.validation_loss
        if loss is not None:
            rate = m.learning_rate
            points.append(TrainingPoint(m.step, loss, m.validation_loss, tokens, seconds, rate))
    return tuple(points)


def _forecasts(tuned: "TuneResult") -> tuple[Forecast, ...]:
    predicted, peak = tuned.predicted_memory_bytes, tuned.peak_memory_bytes
    return (
        Forecast("Peak memory while tuning", "bytes", predicted, peak),
        Forecast("Time in training steps", "seconds", tuned.predicted_seconds, tuned.seconds),
    )


def _training_facts(tune: Tune, tuned: "TuneResult") -> dict[str, str]:
    target = tune.target if isinstance(tune.target, str) else ", ".join(tune.target)
    rows = tune.batch_size * tune.accumulation
    return {
        "Method": f"LoRA, rank {tune.rank}, alpha {tune.alpha:g}, on {target}",
        "Trainable parameters": f"{tuned.trainable_parameters:,}",
        "Rows": f"{tuned.lengths.rows:,} of {tuned.lengths.total_tokens:,} tokens, "
        f"{tuned.lengths.trained_share:.0%} of them learnt",
        "Steps": f"{tuned.steps} of {rows} rows, {tune.epochs} epochs, "
        f"learning rate {tune.learning_rate:g}",
        "Speed": f"{tuned.tokens_per_second:,.0f} tokens per second",
        "Adapter": tuned.adapter_file_digest,
    }


def _provenance(outcome: Outcome) -> dict[str, str]:
    runs: list[EvalRun] = [run for w in outcome.weighed for run in (w.before, w.after)]
    if not runs:
        return {}
    before, after = runs[0], runs[1]
    if outcome.plan.incumbent is not None:
        return _replacement_provenance(before, after, runs)
    facts: dict[str, Json] = {
        "Base": f"{before.model.name} ({before.model.source})",
        "Base weights": before.model.weights_digest,
        "Adapter weights": after.model.adapter_digest,
        **_computed_by(before),
        "Peak memory": f"{max(r.provenance.peak_memory_bytes or 0 for r in runs) / 1e9:.2f} GB",
        "Time in evaluation": f"{sum(r.provenance.wall_seconds for r in runs):,.0f} s",
    }
    facts |= {f"Samples of {run.run_id}": run.samples_digest for run in runs}
    return {key: str(value) for key, value in facts.items() if value is not None}


def _replacement_provenance(
    incumbent: EvalRun, candidate: EvalRun, runs: list[EvalRun]
) -> dict[str, str]:
    price = incumbent.provenance.prices.get("model")
    facts: dict[str, Json] = {
        "Incumbent": f"{incumbent.model.name} ({incumbent.model.source})",
        "Incumbent, as it names itself": incumbent.model.revision,
        "Incumbent's price": price,
        "Charged": _charged(runs),
        "Candidate": f"{candidate.model.name} ({candidate.model.source})",
        "Candidate's weights": candidate.model.weights_digest,
        "Adapter weights": candidate.model.adapter_digest,
        **_computed_by(candidate),
        "Time in evaluation": f"{sum(r.provenance.wall_seconds for r in runs):,.0f} s",
    }
    facts |= {f"Samples of {run.run_id}": run.samples_digest for run in runs}
    return {key: str(value) for key, value in facts.items() if value is not None}


def _charged(runs: list[EvalRun]) -> str:
    """Say what both models charged, and apart from it what their judge did."""
    models = sum(run.provenance.model_cost_usd for run in runs)
    judge = sum(run.provenance.judge_cost_usd or 0.0 for run in runs)
    return f"{models:.6f} USD" + (f", and {judge:.6f} USD by the judge" if judge else "")


def _computed_by(run: EvalRun) -> dict[str, Json]:
    """What computed a run of open weights."""
    model, where = run.model, run.provenance
    return {
        "Tokenizer": model.tokenizer_digest,
        "Chat template": model.chat_template_digest,
        "Stored as": model.quantization,
        "Computed in": model.dtype,
        "Machine": where.platform,
        "Device": f"{where.device}, {where.threads} threads",
        "Python": where.python,
        "Packages": ", ".join(f"{k} {v}" for k, v in where.packages.items()),
    }


def slug(name: str) -> str:
    """Return a project's name as a name for a folder."""
    return "".join(c if c.isalnum() else "-" for c in name.lower()).strip("-") or "report"
