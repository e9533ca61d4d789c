"""How far open models are behind proprietary ones: what `gap` prints."""

from dataclasses import dataclass
from typing import Literal

from weighbridge.documents.form import ABSENT, OrAbsent, Printed


@dataclass(frozen=True, kw_only=True)
class ScoredModel:
    """A model with its best published score on the benchmark.

    Attributes:
        model: Its name in the catalogue.
        title: The model whose version it is.
        organization: Its maker.
        weights: open, or proprietary.
        released: The day, ISO 8601.
        retires: The day on which it leaves its maker's API; null where none was announced.
        parameters: All of them; null where they are not published.
        active_parameters: Those a token uses, of a mixture; null for others.
        usd_per_million_tokens: Its maker's list price, in and out; null where not known.
        score: A share of items, or in the benchmark's unit.
        stderr: Its standard error; null where not published.
        variant: base, instruct, as served, or unstated.
        shots: Worked examples in the prompt; null where not stated.
        setting: Effort, agent or version of the benchmark, where one was told.
        protocol: How it was asked.
        source: Who published the score.
        url: Where.
        record: Whether it was the best of its group on its day.
    """

    model: str
    title: str
    organization: str
    weights: Literal["open", "proprietary"]
    released: str
    retires: str | None
    parameters: float | None
    active_parameters: float | None
    usd_per_million_tokens: tuple[float, float] | None
    score: float
    stderr: float | None
    variant: str
    shots: int | None
    setting: str | None
    protocol: str
    source: str
    url: str
    record: bool


@dataclass(frozen=True, kw_only=True)
class GapLag:
    """How many months open models are behind, on the mean of a year.

    Attributes:
        months: Negative where they lead.
        interval: 95 % interval over resamples of models; null where there are too few.
        at_least_share: Share of the year on which the true lag is longer, because proprietary
            models were past that score in the first one that was published of them.
    """

    months: float
    interval: tuple[float, float] | None
    at_least_share: float


@dataclass(frozen=True, kw_only=True)
class GapEnds:
    """The best of each group on one day.

    Attributes:
        day: The day, ISO 8601.
        best_open: The best open model.
        best_proprietary: The best proprietary one.
        difference: Proprietary less open.
        mistakes_ratio: Mistakes of the best open model for one of the best proprietary one, counted
            from the ceiling; null for a scale without an end.
    """

    day: str
    best_open: ScoredModel
    best_proprietary: ScoredModel
    difference: float
    mistakes_ratio: float | None


@dataclass(frozen=True, kw_only=True)
class GapWithinSource:
    """The lag among the scores of the one source that measured most models.

    Attributes:
        source: Its title.
        models: How many versions of models it measured.
        lag: Null where a group has too few of them.
    """

    source: str
    models: int
    lag: GapLag | None


@dataclass(frozen=True, kw_only=True)
class FactSource:
    """A table that facts were taken from.

    Attributes:
        title: Who made it, and what it is.
        url: Its address.
        licence: Of its facts.
    """

    title: str
    url: str
    licence: str


@dataclass(frozen=True, kw_only=True)
class GapDocument:
    """Open against proprietary models on one benchmark.

    Attributes:
        benchmark: Its name.
        title: As people write it.
        unit: "share" of items, else what scores are counted in.
        as_of: Models released by this day count, ISO 8601.
        newest: Release day of the newest one that has a score, ISO 8601.
        open_models: Versions of open models with a score.
        proprietary_models: The same of proprietary ones.
        now: The best on the day of `newest`.
        year_before: The best a year earlier; null where a group had no score yet.
        lag: In the year that ends with `newest`.
        lag_year_before: In the year before; null where a group had no score yet.
        change_months: The one less the other; null likewise.
        change_interval: 95 % interval of that.
        used_share: Share of the range from chance to ceiling that the best model has used; null for
            a scale without an end.
        saturated: Whether that is so much that a closing gap says nothing.
        trend: narrowing, widening, no clear change, or saturated.
        sentence: The finding, to be quoted.
        within_one_source: The lag where no two protocols mix.
        method: How the lag was measured, in sentences.
        sources: Tables behind it, with their licences.
        models: Every version of a model with its best score, in the order of release.
        written: The page, with --out.
        image: The chart, with --image.
    """

    benchmark: str
    title: str
    unit: str
    as_of: str
    newest: str
    open_models: int
    proprietary_models: int
    now: GapEnds
    year_before: GapEnds | None
    lag: GapLag
    lag_year_before: GapLag | None
    change_months: float | None
    change_interval: tuple[float, float] | None
    used_share: float | None
    saturated: bool
    trend: Literal["narrowing", "widening", "no clear change", "saturated"]
    sentence: str
    within_one_source: GapWithinSource
    method: tuple[str, ...]
    sources: tuple[FactSource, ...]
    models: tuple[ScoredModel, ...]
    written: OrAbsent[str] = ABSENT
    image: OrAbsent[str] = ABSENT


@dataclass(frozen=True, kw_only=True)
class ListedBenchmark:
    """A benchmark of the catalogue.

    Attributes:
        benchmark: Its name.
        title: As people write it.
        open_models: Open models with a score, versions of one counted once.
        proprietary_models: The same of proprietary ones.
        newest: Release day of the newest model with a score, ISO 8601.
        best_open: Best score of an open model; null without one.
        best_proprietary: The same of a proprietary one.
    """

    benchmark: str
    title: str
    open_models: int
    proprietary_models: int
    newest: str
    best_open: float | None
    best_proprietary: float | None


@dataclass(frozen=True, kw_only=True)
class BenchmarksDocument:
    """The benchmarks of the catalogue.

    Attributes:
        as_of: Models released by this day count, ISO 8601.
        benchmarks: Those with the most models first.
    """

    as_of: str
    benchmarks: tuple[ListedBenchmark, ...]


PRINTED = (Printed("gap", GapDocument), Printed("gap --list", BenchmarksDocument))
