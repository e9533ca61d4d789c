"""The facts of a report that are not in its runs, from the results of the stages."""

from dataclasses import dataclass

from weighbridge.project.running import ProjectOutcome
from weighbridge.project.stage import Measured
from weighbridge.records import HumanLabel, SkippedBenchmark
from weighbridge.reports import Forecast, TrainingPoint
from weighbridge.verdict.economics import Economics
from weighbridge.verdict.replacement import Use

SCHEMA_VERSION = 1


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


def facts_of(outcome: ProjectOutcome, generated: str, project_argument: str) -> ReportFacts:
    """Gather what a report says beyond its runs."""
    project, facts = outcome.plan.project, outcome.facts()
    return ReportFacts(
        title=project.project.name,
        question=project.project.question,
        generated=generated,
        measured=facts.measured,
        tuning_data=facts.tuning_data,
        left=outcome.plan.left,
        training=facts.training,
        training_facts=facts.training_facts,
        forecasts=facts.forecasts,
        provenance=facts.provenance,
        labels=outcome.plan.labels,
        replacement=Replacement(project.project.use, project.economics)
        if project.incumbent
        else None,
        reproduce=(
            f"weighbridge run {project_argument}".strip(),
            "weighbridge verify .weighbridge/reports/" + slug(project.project.name),
        ),
    )


def slug(name: str) -> str:
    """Return a project's name as a name for a folder."""
    return "".join(c if c.isalnum() else "-" for c in name.lower()).strip("-") or "report"
