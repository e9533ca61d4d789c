"""A project's outcome: what `run` and `demo` print."""

from dataclasses import dataclass
from typing import Literal

from weighbridge.documents.form import ABSENT, OrAbsent, Printed
from weighbridge.documents.overlap import OverlapOfComparison
from weighbridge.documents.runs import RunsDocument
from weighbridge.records import SafetyDelta
from weighbridge.records.attack import AttackDelta


@dataclass(frozen=True, kw_only=True)
class FindingDocument:
    """One of the answers that the verdict rests on.

    Attributes:
        title: What was asked.
        outcome: The answer.
        sentence: What it rests on.
    """

    title: str
    outcome: Literal["yes", "no", "insufficient"]
    sentence: str


@dataclass(frozen=True, kw_only=True)
class ComparedCostDocument:
    """What an item costs with one of the four comparators.

    Attributes:
        role: incumbent, small sibling, hosted open weights or self-hosted.
        name: Its name; "" where none is known.
        usd: Of one item; null where not known.
        cost_ratio: What the candidate costs over what this one does; null for the candidate.
        break_even_items: Items a month from which on the candidate costs no more; null where no
            volume suffices, or the candidate is paid by the token.
        break_even_utilization: Share of its capacity that they use; above 1 none suffices.
        accepted_share: Its score as the share of accepted answers; null where it was not measured.
        usd_asked_again: Of an accepted answer, where what fails is asked again; null likewise.
        usd_by_someone: Of an accepted answer, where someone answers what fails; null where it
            isn't said what that costs.
        day: The day of which the price is known, ISO 8601; "" for what was measured.
        why: Why it is not known, or what else to say.
    """

    role: str
    name: str
    usd: float | None
    cost_ratio: float | None
    break_even_items: float | None
    break_even_utilization: float | None
    accepted_share: float | None
    usd_asked_again: float | None
    usd_by_someone: float | None
    day: str
    why: str


@dataclass(frozen=True, kw_only=True)
class EconomicsDocument:
    """What the same items cost at the incumbent and with the candidate.

    Attributes:
        items: Items that both answered.
        incumbent_usd_per_item: As charged.
        candidate_usd_per_item: At the stated use of the machine, or as charged.
        cost_ratio: Candidate over incumbent; below 1 the candidate is cheaper.
        break_even_utilization: Share of its paid hours that the machine must work for both to cost
            the same; null where the candidate is paid by the token.
        break_even_items_per_month: Items a month at which the incumbent costs what the machine
            does; null likewise.
        conditions: Under which this holds.
        comparators: The incumbent, its small sibling, the same weights at a host, the candidate.
    """

    items: int
    incumbent_usd_per_item: float
    candidate_usd_per_item: float
    cost_ratio: float
    break_even_utilization: float | None
    break_even_items_per_month: float | None
    conditions: tuple[str, ...]
    comparators: tuple[ComparedCostDocument, ...]


@dataclass(frozen=True, kw_only=True)
class SkippedDocument:
    """A benchmark that was not run.

    Attributes:
        benchmark: NAME or NAME:SUBSET.
        why: Why not.
        get_it: The command that makes it run.
    """

    benchmark: str
    why: str
    get_it: str


@dataclass(frozen=True, kw_only=True)
class TriedPromptDocument:
    """A prompt of the base that was tried on validation rows.

    Attributes:
        shots: Worked examples in it; 0 is the base as it is.
        draw: The draw that they come from, counted from 1; 0 without examples.
        run: Id of the run over the validation rows.
        mean: Its score there; null where nothing was graded.
    """

    shots: int
    draw: int
    run: str
    mean: float | None


@dataclass(frozen=True, kw_only=True)
class ArmDocument:
    """One way to get a target's work done.

    Attributes:
        run: Id of its run over the benchmark's items.
        mean: Its score; null where nothing was graded.
        prompt_tokens: Read for one request, on average.
        output_tokens: Written for one request, on average.
        usd: Of one request; null where no price is known.
    """

    run: str
    mean: float | None
    prompt_tokens: float
    output_tokens: float
    usd: float | None


@dataclass(frozen=True, kw_only=True)
class PromptingDocument:
    """Tuning against prompting, on one target.

    Attributes:
        benchmark: NAME or NAME:SUBSET.
        shots: Worked examples in the prompt that was taken.
        rows: The training rows that they are.
        tried: Every prompt that was tried.
        base: The base as it is.
        prompted: The base with these examples.
        tuned: The tuned model, without examples.
        difference: Tuned minus prompted, over the items that the verdict rests on; null where
            there are none.
        interval: 95 % interval of it; null likewise.
    """

    benchmark: str
    shots: int
    rows: tuple[str, ...]
    tried: tuple[TriedPromptDocument, ...]
    base: ArmDocument
    prompted: ArmDocument
    tuned: ArmDocument
    difference: float | None
    interval: tuple[float, float] | None


@dataclass(frozen=True, kw_only=True)
class ProjectDocument:
    """The verdict on a project, and what it rests on.

    Attributes:
        verdict: The answer to the project's question.
        economics: What the items cost on both sides; null without an incumbent, or where either
            side's cost is not known.
        headline: The answer's reason, in one sentence.
        findings: What it rests on.
        report: The page that was written.
        adapter: The tuned adapter's folder; null where nothing was tuned, or every parameter was.
        runs: Ids of the runs, benchmark by benchmark: before, after, and of the base with worked
            examples where it was measured.
        contamination: Benchmarks whose items were looked for in the tuning data.
        skipped: Benchmarks that were not run.
        model: The tuned model's folder, where every parameter was tuned.
        prompting: Targets on which tuning was weighed against prompting.
        safety: What changed in what the model does with harmful requests, and with harmless ones
            that look like them.
        attacks: What changed in how the model stands campaigns of attacks.
    """

    verdict: Literal["paid", "did not pay", "insufficient evidence", "replace", "keep"]
    economics: EconomicsDocument | None
    headline: str
    findings: tuple[FindingDocument, ...]
    report: str
    adapter: str | None
    runs: tuple[str, ...]
    contamination: tuple[OverlapOfComparison, ...]
    skipped: tuple[SkippedDocument, ...]
    model: OrAbsent[str] = ABSENT
    prompting: OrAbsent[tuple[PromptingDocument, ...]] = ABSENT
    safety: OrAbsent[SafetyDelta] = ABSENT
    attacks: OrAbsent[tuple[AttackDelta, ...]] = ABSENT


@dataclass(frozen=True, kw_only=True)
class FullDemo:
    """What the full demo takes.

    Attributes:
        seconds: As the demo took whose evidence this is.
        peak_memory_bytes: Likewise.
        threads: Likewise.
        command: That starts it.
    """

    seconds: float
    peak_memory_bytes: float
    threads: int
    command: str


@dataclass(frozen=True, kw_only=True)
class ReplayDocument(ProjectDocument):
    """The verdict of a finished demo, judged again from the evidence that the package carries.

    Attributes:
        replayed: Folder that the evidence was copied to.
        verified: Ids of the runs that were verified.
        full_demo: What the full demo takes.
    """

    replayed: str
    verified: tuple[str, ...]
    full_demo: FullDemo


PRINTED = (
    Printed("run", ProjectDocument),
    Printed("run", RunsDocument, "for a project that compares nothing"),
    Printed("demo", ProjectDocument),
    Printed("demo --replay", ReplayDocument),
)
