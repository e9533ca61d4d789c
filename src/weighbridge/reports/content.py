"""What a report is made of: frozen records, gathered by the caller."""

from dataclasses import dataclass
from typing import Literal

from weighbridge.records import (
    CleanSubset,
    Comparison,
    Contamination,
    EvalRun,
    ProtocolOffset,
    SafetyDelta,
)
from weighbridge.records.attack import AttackDelta

ProjectVerdict = Literal["paid", "did not pay", "insufficient evidence", "replace", "keep"]
Outcome = Literal["yes", "no", "insufficient"]
Role = Literal["target", "guard"]


@dataclass(frozen=True)
class TrainingPoint:
    """One logged step of a tuning run.

    Attributes:
        step: Optimiser steps taken so far.
        loss: Training loss of this step, nats per target token.
        validation_loss: The same over the validation set, where it was measured at this step.
        tokens: Target tokens trained on so far.
        seconds: Wall time so far.
        learning_rate: As used in this step.
        trained_tokens_per_second: Target tokens a second in this step; None before the first, and
            in reports from before it was kept.
    """

    step: int
    loss: float
    validation_loss: float | None
    tokens: int
    seconds: float
    learning_rate: float
    trained_tokens_per_second: float | None = None


@dataclass(frozen=True)
class Forecast:
    """A figure that was predicted before the work began, and its measured value.

    Attributes:
        name: What was predicted ("tuning peak memory").
        unit: Of both figures.
        predicted: The forecast.
        measured: The measured value; None if it was not measured.
    """

    name: str
    unit: Literal["bytes", "seconds"]
    predicted: float
    measured: float | None


@dataclass(frozen=True)
class Skipped:
    """Something that the project asked for and this machine could not do.

    Attributes:
        what: Its name.
        why: One clause.
        get_it: The command that gets it.
    """

    what: str
    why: str
    get_it: str


@dataclass(frozen=True)
class BenchmarkSection:
    """One benchmark, answered by both models.

    Attributes:
        title: For people.
        candidate: The run that is weighed; `comparison.run_a`.
        reference: What it is weighed against; `comparison.run_b`.
        comparison: Candidate minus reference, over the same items.
        role: A target should improve; a guard must not get worse.
        part_comparisons: The same for each named part (the fields of an extracted object).
        items_page: File beside the report that shows every item; "" where there is none.
        audit: Of the judge, where a model judged: labels, each with a sentence.
        readings: The same difference read in other ways, each with its name: without the judge's
            noise, as people see it.
        contamination: Items that overlap with the tuning data; None where that was not looked for.
        clean_scores: Headline beside the score without them: of the reference, of the candidate.
        clean_comparison: Candidate minus reference without them.
    """

    title: str
    candidate: EvalRun
    reference: EvalRun
    comparison: Comparison
    role: Role
    part_comparisons: tuple[Comparison, ...] = ()
    items_page: str = ""
    audit: tuple[tuple[str, str], ...] = ()
    readings: tuple[tuple[str, Comparison], ...] = ()
    contamination: Contamination | None = None
    clean_scores: tuple[CleanSubset, ...] = ()
    clean_comparison: Comparison | None = None

    @property
    def learnt(self) -> bool:
        """Whether every item overlaps with the tuning data."""
        found = self.contamination
        return found is not None and bool(found.found) and self.clean_comparison is None

    @property
    def shown(self) -> Comparison:
        """What the page puts first: the items that the verdict rests on.

        Those that were not learnt; all, where there are no others, and then nothing is decided.
        """
        return self.clean_comparison or self.comparison


@dataclass(frozen=True)
class Arm:
    """One way to get the work done: the base as it is, the base with a better prompt, or tuning.

    Attributes:
        name: For people.
        run: Over the benchmark's items.
        prompt_tokens: Read for one request, on average.
        output_tokens: Written for one request.
        usd: Of one request; None where no price is known.
        gain: The tuned model minus this arm, with its 95 % interval, over the items that the
            verdict rests on; None for the tuned model itself, and where nothing is known.
        colour: Of its mark in the chart: the tuned model is the candidate.
    """

    name: str
    run: EvalRun
    prompt_tokens: float
    output_tokens: float
    usd: float | None
    gain: tuple[float, tuple[float, float]] | None
    colour: Literal["candidate", "reference"]


@dataclass(frozen=True)
class ArmsSection:
    """The three arms on one target.

    Attributes:
        title: Of the benchmark.
        arms: The base as it is, the base with worked examples, the tuned model.
        tried: Each prompt that was tried on validation rows, with its run there.
        chosen: The place of the one that was taken.
        rows: The training rows that it shows.
    """

    title: str
    arms: tuple[Arm, ...]
    tried: tuple[tuple[str, EvalRun], ...]
    chosen: int
    rows: tuple[str, ...]


@dataclass(frozen=True)
class CostRow:
    """What an item costs with one of the four comparators.

    Attributes:
        role: incumbent, small sibling, hosted open weights or self-hosted.
        name: Its name; "" where none is known.
        usd: Of one item; None where that is not known.
        cost_ratio: What the candidate costs over what this one does; None for the candidate.
        break_even_items: Items a month from which on the candidate costs no more; None where no
            volume suffices, or the candidate is paid by the token.
        break_even_utilization: Share of its capacity that they use; above 1 none suffices.
        accepted_share: Its score as the share of accepted answers; None where it was not measured.
        usd_asked_again: Of an accepted answer, where what fails is asked again.
        usd_by_someone: Of an accepted answer, where someone answers what fails.
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


@dataclass(frozen=True)
class VerdictFinding:
    """One of the answers that the verdict rests on."""

    title: str
    outcome: Outcome
    sentence: str


@dataclass(frozen=True)
class Report:
    """All facts of a report page.

    Attributes:
        title: Of the project.
        question: What was asked.
        verdict: The answer.
        headline: The answer's reason, in one sentence.
        findings: What the verdict rests on.
        sections: Benchmarks, targets first.
        training: Logged steps; empty where nothing was tuned.
        training_facts: Label to value: method, rank, rows, epochs.
        forecasts: Predicted against measured.
        skipped: What was left out, with the command that gets it.
        provenance: Label to value: digests, versions, seeds.
        generated: When, ISO 8601 in UTC.
        reproduce: Commands that make and verify these figures.
        offsets: What asking in another way is worth, where a model was asked in two.
        arms: Targets on which tuning was weighed against prompting, too.
        safety: What tuning changed of the model's safety; None where that was not measured.
        costs: What an item costs with each of the four comparators; empty without an incumbent.
        attacks: What tuning changed of how the model stands campaigns of attacks.
    """

    title: str
    question: str
    verdict: ProjectVerdict
    headline: str
    findings: tuple[VerdictFinding, ...]
    sections: tuple[BenchmarkSection, ...]
    training: tuple[TrainingPoint, ...]
    training_facts: dict[str, str]
    forecasts: tuple[Forecast, ...]
    skipped: tuple[Skipped, ...]
    provenance: dict[str, str]
    generated: str
    reproduce: tuple[str, ...]
    offsets: tuple[ProtocolOffset, ...] = ()
    arms: tuple[ArmsSection, ...] = ()
    safety: SafetyDelta | None = None
    costs: tuple[CostRow, ...] = ()
    attacks: tuple[AttackDelta, ...] = ()
