"""Runs: what `evaluate`, `score`, `import`, `run` and `runs` print."""

from collections.abc import Mapping
from dataclasses import dataclass

from weighbridge.documents.form import ABSENT, OrAbsent, Printed
from weighbridge.documents.overlap import OverlapDocument
from weighbridge.records import (
    EvalRun,
    Figure,
    GroupMeans,
    Json,
    ModelRef,
    Origin,
    Provenance,
    ScoredSample,
    Slice,
    Verdict,
)


@dataclass(frozen=True, kw_only=True)
class StoppedRun:
    """How a run with a stop rule ended.

    Attributes:
        planned_samples: Answers that the whole benchmark would have taken.
        asked_samples: Answers taken.
        verdict: Of the comparison with the reference, at the moment of stopping.
        difference: From the reference, over the items asked.
        interval: 95 % interval of it that holds at any moment of stopping.
        early: Whether the run ended before all of its items were asked.
    """

    planned_samples: int
    asked_samples: int
    verdict: Verdict
    difference: float
    interval: tuple[float, float]
    early: bool


@dataclass(frozen=True, kw_only=True)
class RunDocument:
    """One benchmark measured on one model.

    Attributes:
        run: The run's id, which `runs show`, `compare` and `verify` take.
        model: As a person calls it.
        benchmark: NAME or NAME:SUBSET.
        protocol: How answers were obtained.
        n: Samples in `mean`.
        mean: Over items, on `scale`; answers that could not be read count as its worst value. Null
            where nothing was graded.
        mean_graded: Over graded samples alone; null where there are none.
        stderr: Standard error of `mean`; null where nothing was graded.
        interval: 95 % interval of `mean`.
        ungraded: Samples without a grade, by reason; every reason is there.
        seconds: Wall time, interrupted attempts included.
        samples_digest: Digest of every sample's answer and score, timing left out.
        aggregate: Name of the function that computes `mean` from the samples.
        scale: Worst and best value of a sample; the worst is the larger where less is better.
        bounds: `mean` if every answer lost to infrastructure had scored worst, and best.
        notes: Sentences that a reader must know.
        sandbox: The level at which model-written code ran; null where none ran.
        cost_usd: Paid to endpoints, the judge's part included.
        unasked: Planned samples that a cap on spending left unasked.
        micro_mean: `mean` again, by the name that tells it from `macro_mean`; where items have
            clusters.
        macro_mean: Unweighted mean over clusters; likewise.
        clusters: Mean by cluster; likewise.
        groups: Both means of each group of clusters, such as MMLU's humanities.
        beside: Figures beside the headline, such as pass@10, by name of the aggregate.
        stopped: How it ended, where it was to stop once decided.
        parts: Mean of each named part of an answer.
        slices: Means over parts of the run, by kind ("category", "turn") and name.
        judge: Whose judgements these are, where a model judged.
        judge_tokens: Tokens that the judge read and wrote.
        judge_cost_usd: The judge's part of `cost_usd`; null where older evidence does not tell.
        judge_seconds: The judge's part of `seconds`; likewise.
    """

    run: str
    model: str
    benchmark: str
    protocol: str
    n: int
    mean: float | None
    mean_graded: float | None
    stderr: float | None
    interval: tuple[float, float]
    ungraded: Mapping[str, int]
    seconds: float
    samples_digest: str
    aggregate: str
    scale: tuple[float, float]
    bounds: tuple[float, float]
    notes: tuple[str, ...]
    sandbox: str | None
    cost_usd: float
    unasked: int
    micro_mean: OrAbsent[float] = ABSENT
    macro_mean: OrAbsent[float | None] = ABSENT
    clusters: OrAbsent[Mapping[str, float]] = ABSENT
    groups: OrAbsent[Mapping[str, GroupMeans]] = ABSENT
    beside: OrAbsent[Mapping[str, Figure]] = ABSENT
    stopped: OrAbsent[StoppedRun] = ABSENT
    parts: OrAbsent[Mapping[str, float]] = ABSENT
    slices: OrAbsent[Mapping[str, Mapping[str, Slice]]] = ABSENT
    judge: OrAbsent[str] = ABSENT
    judge_tokens: OrAbsent[int] = ABSENT
    judge_cost_usd: OrAbsent[float | None] = ABSENT
    judge_seconds: OrAbsent[float | None] = ABSENT


@dataclass(frozen=True, kw_only=True)
class RunsDocument:
    """Runs, in the order in which they were asked for.

    Attributes:
        runs: The runs.
    """

    runs: tuple[RunDocument, ...]


@dataclass(frozen=True, kw_only=True)
class EvaluatedRun(RunDocument):
    """A run, and what it scores without the items that stand in a file of tuning data.

    Attributes:
        contamination: With `--tuning-data`: the items that overlap, and the score without them.
    """

    contamination: OrAbsent[OverlapDocument] = ABSENT


@dataclass(frozen=True, kw_only=True)
class EvaluatedRuns:
    """Runs, in the order in which benchmarks were named.

    Attributes:
        runs: One a benchmark.
    """

    runs: tuple[EvaluatedRun, ...]


@dataclass(frozen=True, kw_only=True)
class ImportedRun(RunDocument):
    """A run with where it comes from, and the harness's own figure beside ours.

    Attributes:
        origin: Which harness made it, and what its files don't tell.
        stated_mean: The figure that the harness states for `mean`; null where it states none.
        agrees_with_stated: Whether ours agrees with it; null likewise.
    """

    origin: Origin
    stated_mean: float | None
    agrees_with_stated: bool | None


@dataclass(frozen=True, kw_only=True)
class ImportedRuns:
    """What was imported from another harness.

    Attributes:
        runs: One a model and benchmark.
        left_out: What could not be imported, a sentence each; the exit code is then 3.
    """

    runs: tuple[ImportedRun, ...]
    left_out: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class ListedRun:
    """One run of a list; of an altered one nothing but its id and what is wrong is told.

    Attributes:
        run_id: The run's id.
        model: As a person calls it.
        benchmark: NAME or NAME:SUBSET.
        started: When, ISO 8601, UTC.
        done: Samples so far.
        planned: Samples in all.
        mean: Null while the run is unfinished, and where nothing was graded.
        scale: Worst and best value of a sample; the worst is the larger where less is better.
        interval: 95 % interval of `mean`; null where there is no mean.
        altered: Why nothing else is told: what is wrong with the run's files, or that a newer
            version of the program wrote them; else "".
    """

    run_id: str
    model: str
    benchmark: str
    started: str
    done: int
    planned: int
    mean: float | None
    scale: tuple[float, float]
    interval: tuple[float, float] | None
    altered: str


@dataclass(frozen=True, kw_only=True)
class RunList:
    """All runs of a folder, newest first.

    Attributes:
        runs: Finished and unfinished ones.
    """

    runs: tuple[ListedRun, ...]


@dataclass(frozen=True, kw_only=True)
class ShownRun(RunDocument):
    """A run with everything that is known of it.

    Attributes:
        identity: The digest that says what it was: equal identities are never computed twice.
        settings: Shots, limit, repeats, sampling.
        model_ref: The model, down to the last weight.
        provenance: Where and how it was made.
        samples: With `--samples`: those that were asked for.
        matching: With `--samples`: how many match, shown or not.
    """

    identity: str
    settings: Mapping[str, Json]
    model_ref: ModelRef
    provenance: Provenance
    samples: OrAbsent[tuple[ScoredSample, ...]] = ABSENT
    matching: OrAbsent[int] = ABSENT


PRINTED = (
    Printed("evaluate", EvaluatedRuns),
    Printed("score", RunsDocument),
    Printed("import", ImportedRuns),
    Printed("runs list", RunList),
    Printed("runs show", ShownRun),
)


def run_document(run: EvalRun, groups: Mapping[str, GroupMeans]) -> RunDocument:
    """Return a run as a document; `EvaluatedRun(**vars(found), …)` says more of it.

    Args:
        run: The run; its samples are not needed.
        groups: Means of its benchmark's groups of clusters; empty where it has none.
    """
    estimate, where, clustered = run.estimate, run.provenance, bool(run.estimate.clusters)
    judged = where.judge is not None
    return RunDocument(
        run=run.run_id,
        model=run.model.name,
        benchmark=run.title,
        protocol=run.protocol,
        n=estimate.n,
        mean=estimate.known_mean,
        mean_graded=estimate.mean_graded,
        stderr=None if estimate.why_unknown else estimate.stderr,
        interval=estimate.interval,
        ungraded=estimate.ungraded,
        seconds=where.wall_seconds,
        samples_digest=run.samples_digest,
        aggregate=estimate.aggregate,
        scale=estimate.scale,
        bounds=estimate.bounds,
        notes=where.notes,
        sandbox=where.sandbox,
        cost_usd=where.cost_usd,
        unasked=run.unasked_samples,
        micro_mean=estimate.mean if clustered else ABSENT,
        macro_mean=estimate.macro_mean if clustered else ABSENT,
        clusters=estimate.clusters or ABSENT,
        groups=groups if clustered and groups else ABSENT,
        beside=estimate.beside or ABSENT,
        stopped=_stopped(run),
        parts=estimate.parts or ABSENT,
        slices=estimate.slices or ABSENT,
        judge=ABSENT if where.judge is None else where.judge,
        judge_tokens=where.judge_tokens if judged else ABSENT,
        judge_cost_usd=where.judge_cost_usd if judged else ABSENT,
        judge_seconds=where.judge_seconds if judged else ABSENT,
    )


def _stopped(run: EvalRun) -> OrAbsent[StoppedRun]:
    found = run.stopped
    if found is None:
        return ABSENT
    return StoppedRun(
        planned_samples=found.planned_samples, asked_samples=found.asked_samples,
        verdict=found.verdict, difference=found.difference, interval=found.interval,
        early=found.early,
    )  # fmt: skip
