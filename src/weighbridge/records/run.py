"""A run of one benchmark on one model: its identity, its figures, where they came from."""

from dataclasses import dataclass, field, replace
from typing import Literal

from weighbridge.records.charge import charged_by
from weighbridge.records.comparison import Verdict
from weighbridge.records.model import ModelRef
from weighbridge.records.run_settings import RunSettings
from weighbridge.records.sample import Json, ScoredSample

Protocol = Literal["loglikelihood", "letter", "generative", "pairwise", "bits_per_byte"]

ALARM = "ALARM: "
"""Prefix of notes that cast doubt on a run's figure itself."""


@dataclass(frozen=True)
class Figure:
    """A figure beside the headline, such as pass@10 beside pass@1.

    Attributes:
        mean: Over items.
        stderr: Of `mean`, clustered where samples have clusters.
        interval: 95 % interval of `mean`.
        n: Items in it.
    """

    mean: float
    stderr: float
    interval: tuple[float, float]
    n: int


Slicing = dict[str, dict[str, tuple[str, ...]]]
"""Ids of each slice's samples, by kind and name of the slice."""


@dataclass(frozen=True)
class Slice:
    """A mean over some of a run's items.

    Attributes:
        mean: Over items, by the rules of the headline.
        interval: 95 % interval of it.
        n: Items.
    """

    mean: float
    interval: tuple[float, float]
    n: int


@dataclass(frozen=True)
class Estimate:
    """An aggregate with its uncertainty.

    Attributes:
        aggregate: Name of the function in `weighbridge.statistics.aggregates` that computes it.
        mean: Over items (the micro average). Refused, unparsed and truncated count as the scale's
            lowest value; infrastructure failures are left out.
        mean_graded: Over graded samples alone; None where there are none.
        stderr: Standard error of `mean`, clustered where samples have clusters.
        interval: 95 % interval of `mean`, `[low, high]`.
        n: Samples in `mean`.
        ungraded: Count by reason; every reason is present.
        bounds: `mean` if every infrastructure failure had scored worst, and best.
        macro_mean: Unweighted mean over clusters (the macro average); None without clusters.
        clusters: Mean by cluster.
        cluster_sizes: Items in each cluster's mean.
        parts: Mean of each named part.
        scale: Worst and best value that a sample can have; the worst is the larger where less is
            better.
        slices: Figures of parts of the run that overlap with nothing else of their kind: by kind
            ("category", "turn") and name.
        beside: Figures beside the headline, by name of the aggregate.
    """

    aggregate: str
    mean: float
    mean_graded: float | None
    stderr: float
    interval: tuple[float, float]
    n: int
    ungraded: dict[str, int]
    bounds: tuple[float, float]
    macro_mean: float | None = None
    clusters: dict[str, float] = field(default_factory=dict)
    parts: dict[str, float] = field(default_factory=dict)
    cluster_sizes: dict[str, int] = field(default_factory=dict)
    scale: tuple[float, float] = (0.0, 1.0)
    slices: dict[str, dict[str, Slice]] = field(default_factory=dict)
    beside: dict[str, Figure] = field(default_factory=dict)

    @property
    def known_mean(self) -> float | None:
        """The mean; None where nothing was graded, so that it tells nothing of who answered."""
        return None if self.mean_graded is None else self.mean

    @property
    def why_unknown(self) -> str:
        """Say what became of the answers where none was graded; else nothing."""
        if self.mean_graded is not None:
            return ""
        counts = [f"{count} {reason}" for reason, count in self.ungraded.items() if count]
        return f"nothing was graded: {', '.join(counts) or 'no answers'}"


@dataclass(frozen=True)
class GroupMeans:
    """Both averages of a group of clusters, such as MMLU's humanities.

    Attributes:
        n: Items.
        micro_mean: Mean over items.
        macro_mean: Mean over clusters.
    """

    n: int
    micro_mean: float
    macro_mean: float


@dataclass(frozen=True)
class Origin:
    """Which harness made an imported run, and what its files do not tell.

    Attributes:
        harness: What measured it (`lm-eval`, `inspect`, `helm`).
        version: The harness's version; None where its files don't say.
        files: SHA-256 of each file read, by name.
        unknown: What the files don't tell, one clause each.
        stated: Figures that the harness itself states, by its own names.
        headline: Which of them the run's mean should equal; None where none does.
    """

    harness: str
    version: str | None
    files: dict[str, str]
    unknown: tuple[str, ...] = ()
    stated: dict[str, float] = field(default_factory=dict)
    headline: str | None = None

    @property
    def stated_mean(self) -> float | None:
        """The figure that the harness states for the run's mean; None where it states none."""
        return self.stated.get(self.headline) if self.headline is not None else None


@dataclass(frozen=True)
class Provenance:
    """Where and how a run was made; none of it is part of the run's identity.

    Attributes:
        packages: Version by distribution name.
        python: Python's version.
        platform: Operating system and processor.
        device: What it computed on.
        threads: Threads used for arithmetic.
        started: ISO 8601, UTC.
        wall_seconds: Time spent, summed over interrupted attempts.
        input_tokens: Tokens read.
        output_tokens: Tokens written.
        computed_tokens: Tokens put through the model; fewer than read where prefixes are shared.
        cost_usd: Paid to endpoints, the sum over the samples' charges, the model's and its judge's.
        prices: Where the prices come from that those charges rest on, by who answered.
        peak_memory_bytes: Peak resident memory of the process, where known.
        notes: Sentences that a reader must know (fallbacks, near ties).
        sandbox: The level at which model-written code ran; None where none ran.
        origin: Where it was imported from; None for a run that was made here.
        judge: Whose judgements these are; None where no model judged.
        judge_tokens: Tokens that the judge read and wrote; none of them is in the counts above.
        judge_cost_usd: The judge's part of `cost_usd`; None where older evidence does not tell it
            apart (`told_apart` then does, from the samples).
        judge_seconds: The judge's part of `wall_seconds`; None likewise, and then not to be had.
    """

    packages: dict[str, str]
    python: str
    platform: str
    device: str
    threads: int
    started: str
    wall_seconds: float = 0.0
    input_tokens: int = 0
    output_tokens: int = 0
    computed_tokens: int = 0
    cost_usd: float = 0.0
    prices: dict[str, str] = field(default_factory=dict)
    peak_memory_bytes: int | None = None
    notes: tuple[str, ...] = ()
    sandbox: str | None = None
    origin: Origin | None = None
    judge: str | None = None
    judge_tokens: int = 0
    judge_cost_usd: float | None = None
    judge_seconds: float | None = None

    @property
    def model_is_priced(self) -> bool:
        """Whether the measured model is paid by the token; its judge's price does not count."""
        return "model" in self.prices

    @property
    def model_cost_usd(self) -> float:
        """USD that the measured model charged, without its judge."""
        return self.cost_usd - (self.judge_cost_usd or 0.0)

    @property
    def model_seconds(self) -> float:
        """Seconds that the measured model took, without its judge where that is known."""
        return self.wall_seconds - (self.judge_seconds or 0.0)


@dataclass(frozen=True)
class StoppedEarly:
    """How a run with a stop rule ended; see `evaluation.stopping`.

    Attributes:
        planned_samples: Answers that the whole benchmark would have taken.
        asked_samples: Answers taken; all of them if nothing was decided before.
        verdict: Of the comparison with the reference, at the moment of stopping.
        difference: From the reference, over the items asked.
        interval: 95 % interval of it that holds at any moment of stopping.
    """

    planned_samples: int
    asked_samples: int
    verdict: Verdict
    difference: float
    interval: tuple[float, float]

    @property
    def early(self) -> bool:
        """Whether the run ended before all of its items were asked."""
        return self.asked_samples < self.planned_samples


@dataclass(frozen=True)
class EvalRun:
    """A finished run. `identity` says what it was: equal identities are never computed twice.

    Attributes:
        run_id: Folder name under `.weighbridge/runs`.
        model: The model measured.
        benchmark: Benchmark's name.
        benchmark_version: Its version.
        subset: Part of the benchmark (`astronomy`), or None for the whole.
        protocol: How answers were obtained.
        settings: Shots, limit, repeats, sampling, as plain JSON; `asked` gives them names.
        identity: The digest described in the design; the run's true name.
        samples_digest: Over the samples sorted by (id, repeat), timing left out.
        estimate: The headline figure.
        provenance: Where and how.
        samples: The scored samples, in order of (id, repeat); empty where only the header was read.
        slicing: Which samples make which slice of `estimate.slices`.
        stopped: How it ended, if it was to stop once it was decided; `asked.stop` says against
            which run and at which margin.
        unasked_samples: Planned and not asked, because a cap on spending stopped the run: its
            figures are over the others.
        conditions: What of its identity says how it was asked, beside the settings: how text was
            drawn by default, the sandbox, how thoughts are read. From the sealed
            `identity_fields`, so it is no field of `run.json` itself.
    """

    run_id: str
    model: ModelRef
    benchmark: str
    benchmark_version: str
    subset: str | None
    protocol: str
    settings: dict[str, Json]
    identity: str
    samples_digest: str
    estimate: Estimate
    provenance: Provenance
    samples: tuple[ScoredSample, ...] = ()
    slicing: Slicing = field(default_factory=dict)
    stopped: StoppedEarly | None = None
    unasked_samples: int = 0
    conditions: dict[str, Json] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """Benchmark and subset as typed on the command line."""
        return f"{self.benchmark}:{self.subset}" if self.subset else self.benchmark

    @property
    def asked(self) -> RunSettings:
        """The settings, by name."""
        return RunSettings.from_json(self.settings)


def told_apart(run: EvalRun) -> EvalRun:
    """Fill in what the judge charged, from the samples, where older evidence has only the total."""
    if run.provenance.judge_cost_usd is not None or not run.samples:
        return run
    judged = charged_by("judge", (c for sample in run.samples for c in sample.charges))
    return replace(run, provenance=replace(run.provenance, judge_cost_usd=judged))
