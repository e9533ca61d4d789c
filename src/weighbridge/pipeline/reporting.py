"""The project's report: written from evidence, and checked by making it again from evidence."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from weighbridge.errors import EvidenceError, WeighbridgeError
from weighbridge.evidence import Check, RunStore, Verification, verify
from weighbridge.evidence.files import write_whole
from weighbridge.pipeline.comparing import offsets_among
from weighbridge.pipeline.contamination import overlap_again
from weighbridge.pipeline.judge_audit import readings, told
from weighbridge.pipeline.plan import Left
from weighbridge.pipeline.project import Economics, Role, Tune, Use, Weigh
from weighbridge.pipeline.replacement import judge_replacement, viability
from weighbridge.pipeline.stages import Outcome
from weighbridge.pipeline.verdict import Judged, judge
from weighbridge.pipeline.weighed import Weighed, compare_runs
from weighbridge.records import (
    Contamination,
    EvalRun,
    HumanLabel,
    Json,
    ProtocolOffset,
    canonical_json,
)
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
from weighbridge.sources.digests import file_digest

if TYPE_CHECKING:
    from weighbridge.tuning import TuneResult

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Measured:
    """One benchmark of a report, by the names of its runs."""

    weigh: Weigh
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
    left: tuple[Left, ...]
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


@dataclass(frozen=True)
class Written:
    """A report on disk, and what it concludes."""

    page: Path
    facts: Path
    charts: tuple[Path, ...]
    judged: Judged


_FACTS = TypeAdapter(ReportFacts)


def write_report(
    outcome: Outcome, folder: Path, generated: str, project_argument: str, store: RunStore
) -> Written:
    """Write page, charts and `report.json` into a folder."""
    facts = _facts(outcome, generated, project_argument)
    judged = _judged(outcome.weighed, facts)
    runs = [run for w in outcome.weighed for run in (w.before, w.after)]
    report = _report(facts, outcome.weighed, judged, offsets_among(runs, store))
    written = write(report, folder)
    for name, items in _items_pages(report, store):
        write_whole(folder / name, items)
    document = asdict(facts) | {
        "verdict": judged.verdict,
        "page_digest": _digest(written.html),
    }
    path = folder / "report.json"
    write_whole(path, canonical_json(document))
    return Written(written.html, path, written.charts, judged)


def _items_pages(report: Report, store: RunStore) -> Iterator[tuple[str, bytes]]:
    """Make each benchmark's page of items; two runs' samples are in memory at a time."""
    for section in report.sections:
        candidate, reference = (
            store.read(run.run_id) for run in (section.candidate, section.reference)
        )
        page = render_explorer(candidate, reference, section.comparison)
        yield section.items_page, page.encode("utf-8")


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


def _judged(weighed: Sequence[Weighed], facts: ReportFacts) -> Judged:
    if facts.replacement is None:
        return judge(weighed, facts.left)
    stated = facts.replacement
    return judge_replacement(weighed, facts.left, stated.economics, stated.use)


def _page_checks(facts: ReportFacts, folder: Path, store: RunStore) -> list[Check]:
    try:
        weighed = [_weighed(m, store, facts.labels) for m in facts.measured]
        judged = _judged(weighed, facts)
        offsets = offsets_among([run for w in weighed for run in (w.before, w.after)], store)
        report = _report(facts, weighed, judged, offsets)
        page, stands = render(report).encode(), (folder / "report.html").read_bytes()
        items = [
            Check(f"{name} made again from samples", made == (folder / name).read_bytes(), "")
            for name, made in _items_pages(report, store)
        ]
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
        *items,
        *_overlap_checks(facts, store),
    ]


def _overlap_checks(facts: ReportFacts, store: RunStore) -> list[Check]:
    """Look for the items in the tuning data again, where both are at hand."""
    path, found = Path(facts.tuning_data), []
    for measured in facts.measured:
        stated = measured.contamination
        if stated is None or not path.is_file() or file_digest(path) != stated.tuning_digest:
            continue
        again = overlap_again(store.read(measured.before), path)
        if again is not None:
            name = f"overlap of {measured.weigh.benchmark} with the tuning data"
            found.append(Check(name, again == stated, f"{len(again.found)} of {again.items} items"))
    return found


def _folder_of(path: Path) -> Path:
    return path if path.is_dir() else path.parent


def _digest(path: Path) -> str:
    return "sha256:" + hashlib.sha256(path.read_bytes()).hexdigest()


def _weighed(measured: Measured, store: RunStore, labels: tuple[HumanLabel, ...]) -> Weighed:
    m = measured
    return compare_runs(m.weigh, store, m.before, m.after, labels, m.contamination)


def _report(
    facts: ReportFacts,
    weighed: Sequence[Weighed],
    judged: Judged,
    offsets: tuple[ProtocolOffset, ...],
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
                title=_title(w, weighed),
                candidate=w.after,
                reference=w.before,
                comparison=w.comparison,
                role=w.weigh.role,
                part_comparisons=w.parts,
                items_page=f"items-{number}.html",
                audit=told(w.audit, w.comparison) if w.audit is not None else (),
                readings=readings(w.audit, w.comparison) if w.audit is not None else (),
                contamination=w.contamination,
                clean_scores=w.clean_scores,
                clean_comparison=w.clean,
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
        offsets=offsets,
    )


def _title(weighed: Weighed, every: Sequence[Weighed]) -> str:
    """A benchmark's title, with the protocol where it stands there by two."""
    title = weighed.after.title
    alone = sum(other.after.title == title for other in every) == 1
    return title if alone else f"{title}, {weighed.after.protocol}"


def _facts(outcome: Outcome, generated: str, project_argument: str) -> ReportFacts:
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
    if outcome.plan.incumbent is not None:
        return _replacement_provenance(before, after, runs)
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


def _replacement_provenance(
    incumbent: EvalRun, candidate: EvalRun, runs: list[EvalRun]
) -> dict[str, str]:
    price = incumbent.provenance.prices.get("model")
    facts: dict[str, Json] = {
        "Incumbent": f"{incumbent.model.name} ({incumbent.model.source})",
        "Incumbent, as it names itself": incumbent.model.revision,
        "Incumbent's price": price,
        "Charged": f"{sum(r.provenance.cost_usd for r in runs):.6f} USD",
        "Candidate": f"{candidate.model.name} ({candidate.model.source})",
        "Candidate's weights": candidate.model.weights_digest,
        "Adapter weights": candidate.model.adapter_digest,
        "Tokenizer": candidate.model.tokenizer_digest,
        "Chat template": candidate.model.chat_template_digest,
        "Stored as": candidate.model.quantization,
        "Computed in": candidate.model.dtype,
        "Machine": candidate.provenance.platform,
        "Device": f"{candidate.provenance.device}, {candidate.provenance.threads} threads",
        "Python": candidate.provenance.python,
        "Packages": ", ".join(f"{k} {v}" for k, v in candidate.provenance.packages.items()),
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
    project = outcome.plan.project
    found = viability(outcome.weighed, project.economics) if project.incumbent else None
    return {
        "verdict": written.judged.verdict,
        "economics": asdict(found) if found else None,
        "headline": written.judged.headline,
        "findings": [asdict(finding) for finding in written.judged.findings],
        "report": str(written.page),
        "adapter": str(outcome.tuned.adapter) if outcome.tuned else None,
        "runs": [r.run_id for w in outcome.weighed for r in (w.before, w.after)],
        "contamination": [contamination_json(w) for w in outcome.weighed if w.contamination],
        "skipped": [
            {"benchmark": x.weigh.benchmark, "why": x.why, "get_it": x.get_it}
            for x in outcome.plan.left
        ],
    }


def contamination_json(weighed: Weighed) -> dict[str, Json]:
    """Return which items overlap with the tuning data, and what is scored without them."""
    clean = weighed.clean
    return {
        "benchmark": weighed.comparison.benchmark,
        **(asdict(weighed.contamination) if weighed.contamination else {}),
        "scores": [asdict(score) for score in weighed.clean_scores],
        "difference": weighed.comparison.difference,
        "clean_difference": clean.difference if clean else None,
        "clean_interval": list(clean.interval) if clean else None,
        "clean_verdict": clean.verdict if clean else None,
    }
