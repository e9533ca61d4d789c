"""The project's report: written from sealed runs, and verified by making it again from them."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from weighbridge.comparison.before_after import BenchmarkComparison, compare_runs
from weighbridge.comparison.contamination import overlap_again
from weighbridge.comparison.judge_evidence import audit_sentences, readings
from weighbridge.comparison.safety_delta import safety_delta
from weighbridge.comparison.two_runs import offsets_among
from weighbridge.documents import ABSENT
from weighbridge.documents.overlap import OverlapOfComparison
from weighbridge.documents.project import (
    EconomicsDocument,
    FindingDocument,
    ProjectDocument,
    SkippedDocument,
)
from weighbridge.errors import EvidenceError, InputError, WeighbridgeError
from weighbridge.evidence import Check, RunStore, Verification, verify
from weighbridge.evidence.plain_json import strict_json
from weighbridge.project.report_arms import arms_of, prompting_documents, sections_of
from weighbridge.project.report_attacks import attack_deltas
from weighbridge.project.report_costs import cost_documents, costs_of
from weighbridge.project.report_facts import ReportFacts, facts_of, slug
from weighbridge.project.running import ProjectOutcome
from weighbridge.records import (
    BenchmarkRole,
    Contamination,
    ProtocolOffset,
    SkippedBenchmark,
    canonical_json,
)
from weighbridge.records.attack import AttackDelta
from weighbridge.reports import BenchmarkSection, Report, Skipped, render, render_explorer, write
from weighbridge.sources.digests import file_digest
from weighbridge.sources.regular_files import DOCUMENT_BYTES, read_regular
from weighbridge.storage import write_whole
from weighbridge.verdict.economics import Economics, viability
from weighbridge.verdict.findings import ProjectVerdict
from weighbridge.verdict.paid import judge
from weighbridge.verdict.replacement import judge_replacement


@dataclass(frozen=True)
class Written:
    """A report's files, and its verdict.

    Attributes:
        page: The page.
        facts_file: `report.json`.
        charts: Its charts.
        judged: The verdict.
        facts: What is in `facts_file`, without the verdict and the page's digest.
        attacks: What tuning changed of how the model stands attacks.
    """

    page: Path
    facts_file: Path
    charts: tuple[Path, ...]
    judged: ProjectVerdict
    facts: ReportFacts
    attacks: tuple[AttackDelta, ...] = ()


_FACTS = TypeAdapter(ReportFacts)


def write_report(
    outcome: ProjectOutcome, folder: Path, generated: str, project_argument: str, store: RunStore
) -> Written:
    """Write page, charts and `report.json` into a folder."""
    facts = facts_of(outcome, generated, project_argument)
    return write_from_facts(facts, outcome.weighed, folder, store)


def write_from_facts(
    facts: ReportFacts, weighed: Sequence[BenchmarkComparison], folder: Path, store: RunStore
) -> Written:
    """Judge what was compared, and write page, charts and `report.json` into a folder."""
    judged = _judged(weighed, facts)
    runs = [run for w in weighed for run in w.runs]
    attacks = attack_deltas(facts, store)
    report = _report(facts, weighed, judged, offsets_among(runs, store), attacks)
    written = write(report, folder)
    for name, items in _items_pages(report, store):
        write_whole(folder / name, items)
    document = facts.as_json() | {
        "verdict": judged.verdict,
        "page_digest": _digest(written.html),
    }
    path = folder / "report.json"
    write_whole(path, canonical_json(document))
    return Written(written.html, path, written.charts, judged, facts, attacks)


def _items_pages(report: Report, store: RunStore) -> Iterator[tuple[str, bytes]]:
    """Make each benchmark's page of items, with the samples of only two runs in memory at once."""
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
    facts = read_facts(folder)
    found = [verify(store.folder_of(name)) for name in facts.runs]
    found.append(
        Verification(str(folder / "report.html"), tuple(_page_checks(facts, folder, store)))
    )
    return found


def read_facts(folder: Path) -> ReportFacts:
    """Read the facts of a report that are not in its runs.

    Raises:
        EvidenceError: Its `report.json` can't be read.
    """
    try:
        return _FACTS.validate_python(strict_json(_part(folder, "report.json")))
    except (OSError, ValueError, RecursionError, ValidationError, InputError) as error:
        raise EvidenceError(f"{folder}/report.json can't be read", "as it was written") from error


def compare_again(facts: ReportFacts, store: RunStore) -> list[BenchmarkComparison]:
    """Compare a report's runs, which are read from the store and verified there."""
    return [
        compare_runs(
            m.weigh, store, m.before, m.after, facts.labels, m.contamination, facts.arm_of(m.weigh)
        )
        for m in facts.measured
    ]


def _judged(weighed: Sequence[BenchmarkComparison], facts: ReportFacts) -> ProjectVerdict:
    if facts.replacement is None:
        economics = facts.prompted.economics if facts.prompted else None
        return judge(weighed, facts.left, economics)
    stated = facts.replacement
    return judge_replacement(weighed, facts.left, stated.economics, stated.use)


def _page_checks(facts: ReportFacts, folder: Path, store: RunStore) -> list[Check]:
    try:
        weighed = compare_again(facts, store)
        judged = _judged(weighed, facts)
        offsets = offsets_among([run for w in weighed for run in w.runs], store)
        report = _report(facts, weighed, judged, offsets, attack_deltas(facts, store))
        page, stands = render(report).encode(), _part(folder, "report.html")
        items = [
            Check(f"{name} made again from samples", made == _part(folder, name), "")
            for name, made in _items_pages(report, store)
        ]
    except (OSError, ValueError, WeighbridgeError) as error:  # such as half a character in a text
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
        *_choice_checks(weighed),
        *items,
        *_overlap_checks(facts, store),
    ]


def _choice_checks(weighed: Sequence[BenchmarkComparison]) -> list[Check]:
    """Choose each prompt again from the validation runs."""
    return [
        Check(
            f"prompt of {w.weigh.benchmark} chosen on validation",
            w.prompted.was_best,
            f"{w.prompted.arm.shots} examples, draw {w.prompted.arm.draw}",
        )
        for w in weighed
        if w.prompted is not None
    ]


def _overlap_checks(facts: ReportFacts, store: RunStore) -> list[Check]:
    """Search the tuning data for the benchmarks' items again, if its file is still there."""
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
    return "sha256:" + hashlib.sha256(_part(path.parent, path.name)).hexdigest()


def _part(folder: Path, name: str) -> bytes:
    """Read one of a report's files."""
    return read_regular(folder / name, DOCUMENT_BYTES, "a part of a report", within=folder)


def _report(
    facts: ReportFacts,
    weighed: Sequence[BenchmarkComparison],
    judged: ProjectVerdict,
    offsets: tuple[ProtocolOffset, ...],
    attacks: tuple[AttackDelta, ...],
) -> Report:
    order: dict[BenchmarkRole, int] = {"target": 0, "guard": 1}
    full = sorted(sections_of(weighed), key=lambda w: order[w.weigh.role])
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
                audit=audit_sentences(w.audit, w.comparison) if w.audit is not None else (),
                readings=readings(w.audit, w.comparison) if w.audit is not None else (),
                contamination=w.contamination,
                clean_scores=w.clean_scores,
                clean_comparison=w.clean,
            )
            for number, w in enumerate(full, start=1)
        ),
        training=facts.training,
        training_facts=dict(facts.training_facts),
        forecasts=facts.forecasts,
        skipped=tuple(Skipped(x.weigh.benchmark, x.why, x.get_it) for x in facts.left),
        provenance=dict(facts.provenance),
        generated=facts.generated,
        reproduce=facts.reproduce,
        offsets=offsets,
        arms=arms_of(weighed, facts.prompted.economics if facts.prompted else None),
        safety=safety_delta(weighed),
        costs=costs_of(weighed, facts.replacement),
        attacks=attacks,
    )


def _title(weighed: BenchmarkComparison, every: Sequence[BenchmarkComparison]) -> str:
    """Return a benchmark's title, with its protocol if the report has it by several."""
    title = weighed.after.title
    alone = sum(other.after.title == title for other in every) == 1
    return title if alone else f"{title}, {weighed.after.protocol}"


def report_folder(state: Path, name: str) -> Path:
    """Return where a project's report goes."""
    return state / "reports" / slug(name)


def document_of(written: Written, outcome: ProjectOutcome) -> ProjectDocument:
    """Return what `run` and `demo` print with --json."""
    project, tuned = outcome.plan.project, outcome.tuned
    found = viability(outcome.weighed, project.economics) if project.incumbent else None
    document = judged_document(written, outcome.weighed, outcome.plan.left, project.economics)
    return replace(
        document,
        economics=EconomicsDocument(
            **vars(found),
            comparators=cost_documents(outcome.weighed, written.facts.replacement),
        )
        if found
        else None,
        adapter=str(tuned.adapter) if tuned and tuned.adapter else None,
        model=str(tuned.artefact) if tuned and not tuned.adapter else ABSENT,
    )


def judged_document(
    written: Written,
    weighed: Sequence[BenchmarkComparison],
    skipped: Sequence[SkippedBenchmark],
    machine: Economics | None = None,
) -> ProjectDocument:
    """Return a verdict with what it rests on, without what it cost and what was tuned."""
    judged = written.judged
    return ProjectDocument(
        verdict=judged.verdict,
        economics=None,
        headline=judged.headline,
        findings=tuple(FindingDocument(**vars(finding)) for finding in judged.findings),
        report=str(written.page),
        adapter=None,
        runs=tuple(r.run_id for w in weighed for r in w.runs),
        contamination=tuple(_overlap(w, w.contamination) for w in weighed if w.contamination),
        skipped=tuple(
            SkippedDocument(benchmark=x.weigh.benchmark, why=x.why, get_it=x.get_it)
            for x in skipped
        ),
        prompting=prompting_documents(weighed, machine) or ABSENT,
        safety=safety_delta(weighed) or ABSENT,
        attacks=written.attacks or ABSENT,
    )


def _overlap(weighed: BenchmarkComparison, found: Contamination) -> OverlapOfComparison:
    """Return which items overlap with the tuning data, and what is scored without them."""
    clean = weighed.clean
    return OverlapOfComparison(
        benchmark=weighed.comparison.benchmark,
        overlap=found,
        scores=weighed.clean_scores,
        difference=weighed.comparison.difference,
        clean_difference=clean.difference if clean else None,
        clean_interval=clean.interval if clean else None,
        clean_verdict=clean.verdict if clean else None,
    )
