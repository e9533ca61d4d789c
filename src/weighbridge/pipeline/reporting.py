"""The project's report: written from evidence, and checked by making it again from evidence."""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from weighbridge.errors import EvidenceError, WeighbridgeError
from weighbridge.evidence import Check, RunStore, Verification, verify
from weighbridge.evidence.files import write_whole
from weighbridge.pipeline.project import Role, Tune, Weigh
from weighbridge.pipeline.stages import Left, Outcome, Weighed, compare_runs
from weighbridge.pipeline.verdict import Judged, judge
from weighbridge.records import EvalRun, Json, canonical_json
from weighbridge.reports import (
    BenchmarkSection,
    Forecast,
    Report,
    Skipped,
    TrainingPoint,
    render,
    render_explorer,
    write,
)

if TYPE_CHECKING:
    from weighbridge.tuning import TuneResult

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Measured:
    """One benchmark of a report, by the names of its runs."""

    weigh: Weigh
    before: str
    after: str


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
        verdict: As judged.
        page_digest: SHA-256 of `report.html`.
        schema_version: Of this file.
    """

    title: str
    question: str
    generated: str
    measured: tuple[Measured, ...]
    left: tuple[Left, ...]
    training: tuple[TrainingPoint, ...]
    training_facts: tuple[tuple[str, str], ...]
    forecasts: tuple[Forecast, ...]
    provenance: tuple[tuple[str, str], ...]
    reproduce: tuple[str, ...]
    verdict: str = ""
    page_digest: str = ""
    schema_version: int = SCHEMA_VERSION


@dataclass(frozen=True)
class Written:
    """A report on disk, and what it concludes."""

    page: Path
    facts: Path
    charts: tuple[Path, ...]
    judged: Judged


_FACTS = TypeAdapter(ReportFacts)


def write_report(outcome: Outcome, folder: Path, generated: str, project_argument: str) -> Written:
    """Write page, charts and `report.json` into a folder."""
    facts = _facts(outcome, generated, project_argument)
    judged = judge(outcome.weighed, outcome.plan.left)
    report = _report(facts, outcome.weighed, judged)
    written = write(report, folder)
    _write_items(report, folder, outcome.plan.place.store)
    document = asdict(facts) | {
        "verdict": judged.verdict,
        "page_digest": _digest(written.html),
    }
    path = folder / "report.json"
    write_whole(path, canonical_json(document))
    return Written(written.html, path, written.charts, judged)


def _write_items(report: Report, folder: Path, store: RunStore) -> None:
    """Write each benchmark's items side by side; two runs' samples are in memory at a time."""
    for section in report.sections:
        candidate, reference = (
            store.read(run.run_id) for run in (section.candidate, section.reference)
        )
        page = render_explorer(candidate, reference, section.comparison)
        write_whole(folder / section.items_page, page.encode("utf-8"))


def is_report(path: Path) -> bool:
    """Whether a path is a report's folder, page or `report.json`."""
    return (_folder_of(path) / "report.json").is_file()


def verify_report(path: Path, store: RunStore) -> list[Verification]:
    """Check every run of a report, then make the page again and compare it byte for byte."""
    folder = _folder_of(path)
    try:
        facts = _FACTS.validate_python(json.loads((folder / "report.json").read_bytes()))
    except (OSError, ValueError, ValidationError) as error:
        raise EvidenceError(f"{folder}/report.json can't be read", "as it was written") from error
    names = dict.fromkeys(run for m in facts.measured for run in (m.before, m.after))
    found = [verify(store.folder_of(name)) for name in names]
    found.append(
        Verification(str(folder / "report.html"), tuple(_page_checks(facts, folder, store)))
    )
    return found


def _page_checks(facts: ReportFacts, folder: Path, store: RunStore) -> list[Check]:
    try:
        weighed = [_weighed(m, store) for m in facts.measured]
        judged = judge(weighed, facts.left)
        page = render(_report(facts, weighed, judged)).encode()
        stands = (folder / "report.html").read_bytes()
    except (OSError, WeighbridgeError) as error:
        return [Check("page", False, str(error))]
    again = "sha256:" + hashlib.sha256(page).hexdigest()
    return [
        Check(
            "verdict", judged.verdict == facts.verdict, f"{facts.verdict}, again {judged.verdict}"
        ),
        Check(
            "page digest", _digest(folder / "report.html") == facts.page_digest, facts.page_digest
        ),
        Check("page made again from samples", page == stands, again),
    ]


def _folder_of(path: Path) -> Path:
    return path if path.is_dir() else path.parent


def _digest(path: Path) -> str:
    return "sha256:" + hashlib.sha256(path.read_bytes()).hexdigest()


def _weighed(measured: Measured, store: RunStore) -> Weighed:
    return compare_runs(measured.weigh, store, measured.before, measured.after)


def _report(
    facts: ReportFacts, weighed: "list[Weighed] | tuple[Weighed, ...]", judged: Judged
) -> Report:
    order: dict[Role, int] = {"target": 0, "guard": 1}
    return Report(
        title=facts.title,
        question=facts.question,
        verdict=judged.verdict,
        headline=judged.headline,
        findings=judged.findings,
        sections=tuple(
            BenchmarkSection(
                title=w.after.title,
                candidate=w.after,
                reference=w.before,
                comparison=w.comparison,
                role=w.weigh.role,
                part_comparisons=w.parts,
                items_page=f"items-{number}.html",
            )
            for number, w in enumerate(sorted(weighed, key=lambda w: order[w.weigh.role]), start=1)
        ),
        training=facts.training,
        training_facts=dict(facts.training_facts),
        forecasts=facts.forecasts,
        skipped=tuple(Skipped(x.weigh.benchmark, x.why, x.get_it) for x in facts.left),
        provenance=dict(facts.provenance),
        generated=facts.generated,
        reproduce=facts.reproduce,
    )


def _facts(outcome: Outcome, generated: str, project_argument: str) -> ReportFacts:
    plan, tuned = outcome.plan, outcome.tuned
    project = plan.project
    return ReportFacts(
        title=project.project.name,
        question=project.project.question,
        generated=generated,
        measured=tuple(Measured(w.weigh, w.before.run_id, w.after.run_id) for w in outcome.weighed),
        left=plan.left,
        training=_curve(tuned) if tuned else (),
        training_facts=tuple(_training_facts(project.tune, tuned).items())
        if tuned and project.tune
        else (),
        forecasts=_forecasts(tuned) if tuned else (),
        provenance=tuple(_provenance(outcome).items()),
        reproduce=(
            f"weighbridge run {project_argument}".strip(),
            "weighbridge verify .weighbridge/reports/" + _slug(project.project.name),
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
    facts: dict[str, Json] = {
        "Base": f"{before.model.name} ({before.model.source})",
        "Base weights": before.model.weights_digest,
        "Adapter weights": after.model.adapter_digest,
        "Tokenizer": before.model.tokenizer_digest,
        "Chat template": before.model.chat_template_digest,
        "Stored as": before.model.quantization,
        "Computed in": before.model.dtype,
        "Machine": before.provenance.platform,
        "Device": f"{before.provenance.device}, {before.provenance.threads} threads",
        "Python": before.provenance.python,
        "Packages": ", ".join(f"{k} {v}" for k, v in before.provenance.packages.items()),
        "Peak memory": f"{max(r.provenance.peak_memory_bytes or 0 for r in runs) / 1e9:.2f} GB",
        "Time in evaluation": f"{sum(r.provenance.wall_seconds for r in runs):,.0f} s",
    }
    facts |= {f"Samples of {run.run_id}": run.samples_digest for run in runs}
    return {key: str(value) for key, value in facts.items() if value is not None}


def report_folder(state: Path, name: str) -> Path:
    """Return where a project's report goes."""
    return state / "reports" / _slug(name)


def _slug(name: str) -> str:
    return "".join(c if c.isalnum() else "-" for c in name.lower()).strip("-") or "report"


def as_json(written: Written, outcome: Outcome) -> dict[str, Any]:
    """Return what `run` and `demo` print with --json."""
    return {
        "verdict": written.judged.verdict,
        "headline": written.judged.headline,
        "findings": [asdict(finding) for finding in written.judged.findings],
        "report": str(written.page),
        "adapter": str(outcome.tuned.adapter) if outcome.tuned else None,
        "runs": [r.run_id for w in outcome.weighed for r in (w.before, w.after)],
        "skipped": [
            {"benchmark": x.weigh.benchmark, "why": x.why, "get_it": x.get_it}
            for x in outcome.plan.left
        ],
    }
