"""The facts of a report that are not in its runs, from the results of the stages."""

from dataclasses import asdict, dataclass

from weighbridge.project.running import ProjectOutcome
from weighbridge.project.stage import Attacked, Measured
from weighbridge.records import BenchmarkSpec, HumanLabel, Json, PromptArm, SkippedBenchmark
from weighbridge.reports import Forecast, TrainingPoint
from weighbridge.verdict.comparators import Offer
from weighbridge.verdict.economics import Economics
from weighbridge.verdict.replacement import Use

SCHEMA_VERSION = 1
_MAY_LACK = ("prompted", "attacked")
"""Keys that reports from before them don't have."""


@dataclass(frozen=True)
class Replacement:
    """The project file's criteria for replacing the incumbent.

    Attributes:
        use: What becomes of the candidate.
        economics: What it costs; None where the project file doesn't say.
        offers: Comparators that were not measured; None in reports from before they were kept, and
            then the file has no such key.
    """

    use: Use
    economics: Economics | None
    offers: tuple[Offer, ...] | None = None


@dataclass(frozen=True)
class Prompted:
    """What tuning was weighed against beside the base as it is.

    Attributes:
        arms: The base with worked examples, by target.
        economics: What the machine costs; None where the project file doesn't say.
    """

    arms: tuple[PromptArm, ...]
    economics: Economics | None = None


@dataclass(frozen=True)
class ReportFacts:
    """Facts of a report that are not in its runs (`report.json`); both together make the page.

    Attributes:
        title: The project's name.
        question: What it asks.
        generated: When the project was run, ISO 8601.
        measured: The benchmarks, with the ids of their runs.
        left: Benchmarks that were skipped.
        training: The loss curve.
        training_facts: Labels and values.
        forecasts: Predicted and measured time and memory.
        provenance: Labels and values.
        reproduce: Commands that make the report again.
        tuning_data: Path of the file that was searched for benchmarks' items.
        replacement: Criteria for replacing the incumbent; None without an incumbent.
        verdict: The verdict of the run that wrote the report.
        page_digest: SHA-256 of `report.html`.
        labels: People's ratings of the answers, with which the judge is audited.
        schema_version: Of this file.
        prompted: The prompts that tuning was weighed against; None where there were none, and then
            the file has no such key.
        attacked: The campaigns of attacks on base and tuned model; None likewise.
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
    prompted: Prompted | None = None
    attacked: tuple[Attacked, ...] | None = None

    @property
    def runs(self) -> tuple[str, ...]:
        """Ids of its runs, each once."""
        measured = [run for m in self.measured for run in (m.before, m.after)]
        arms = self.prompted.arms if self.prompted else ()
        prompted = [run for arm in arms for run in arm.runs]
        attacks = [run for a in self.attacked or () for run in (a.before, a.again, a.after)]
        return tuple(dict.fromkeys([*measured, *prompted, *attacks]))

    def arm_of(self, weigh: BenchmarkSpec) -> PromptArm | None:
        """Return the prompted base on a benchmark; None where it was not measured there."""
        arms = self.prompted.arms if self.prompted else ()
        return next((arm for arm in arms if arm.weigh == weigh), None)

    def as_json(self) -> dict[str, Json]:
        """Return what `report.json` holds."""
        document = asdict(self)
        if self.replacement is not None and self.replacement.offers is None:
            del document["replacement"]["offers"]
        return {k: v for k, v in document.items() if k not in _MAY_LACK or v is not None}


def facts_of(outcome: ProjectOutcome, generated: str, project_argument: str) -> ReportFacts:
    """Gather the facts of a report that are not in its runs.

    Args:
        outcome: Of the stages.
        generated: When, ISO 8601.
        project_argument: The project as named on the command line; "" for the embedded example.
    """
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
        prompted=Prompted(facts.prompted, project.economics) if facts.prompted else None,
        attacked=facts.attacked or None,
        replacement=Replacement(project.project.use, project.economics, outcome.plan.offers)
        if project.incumbent
        else None,
        reproduce=(
            f"weighbridge run {project_argument}" if project_argument else "weighbridge demo",
            "weighbridge verify .weighbridge/reports/" + slug(project.project.name),
        ),
    )


def slug(name: str) -> str:
    """Return a project's name as a name for a folder."""
    return "".join(c if c.isalnum() else "-" for c in name.lower()).strip("-") or "report"
