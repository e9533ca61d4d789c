"""The gap on one benchmark: who is best, by how much, how many months behind, and since when.

Of a model's several published scores the best one counts, so a group is as good as its maker or any
other publisher could show. Sources and protocols differ; the same lag within the one source that
measured most models is given beside. The interval is from a bootstrap over models: it says how much
the figure depends on which models happened to be measured. As a resample without the best model has
a lower record, the interval is wide, and it is not centred on the figure.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

import numpy as np

from weighbridge.catalog.published import Benchmark, Catalogue, PublishedModel, Score
from weighbridge.errors import WeighbridgeError
from weighbridge.planning.gap.frontier import Array, Frontier, every_day, frontier, lags

WINDOW_DAYS = 365
"""The lag is a mean over a year, since on a single day it depends on who released last."""
DAYS_A_MONTH = 365.25 / 12
SATURATED_FROM = 0.9
"""Share of the range from chance to ceiling from which on a benchmark counts as saturated."""
FEWEST = 3
"""Models that each group must have."""
STEP_DAYS = 3
RESAMPLES = 500

Interval = tuple[float, float]
Trend = Literal["narrowing", "widening", "no clear change", "saturated"]


@dataclass(frozen=True)
class GapPoint:
    """A model version with its best published score.

    Attributes:
        model: The model.
        score: The score, with variant, shots and source.
        record: Whether it was the best of its group on its day.
    """

    model: PublishedModel
    score: Score
    record: bool = False


@dataclass(frozen=True)
class Lag:
    """How far open models are behind.

    Attributes:
        months: Mean over the year; negative where they lead.
        interval: 95 % interval over resamples of models.
        at_least: Share of the days on which the true lag is longer, because proprietary models were
            past that score in the first one that was published of them.
    """

    months: float
    interval: Interval
    at_least: float


@dataclass(frozen=True)
class Ends:
    """The two frontiers on one day.

    Attributes:
        day: The day.
        open_best: Best score of an open model.
        proprietary_best: Best score of a proprietary one.
    """

    day: date
    open_best: GapPoint
    proprietary_best: GapPoint

    @property
    def difference(self) -> float:
        """Proprietary less open, in the benchmark's unit."""
        return self.proprietary_best.score.value - self.open_best.score.value

    def mistakes_ratio(self, benchmark: Benchmark) -> float | None:
        """How many mistakes the best open model makes for one of the best proprietary one.

        Mistakes are counted from the ceiling. At a ceiling any two models are close in points, not
        in this ratio. None for a scale without an end, or where the ceiling is reached.
        """
        if benchmark.ceiling is None:
            return None
        left = benchmark.ceiling - self.proprietary_best.score.value
        others = benchmark.ceiling - self.open_best.score.value
        return others / left if left > 0 and others > 0 else None


@dataclass(frozen=True)
class OneSource:
    """The lag among the scores of the source that measured most models.

    Attributes:
        title: The source.
        models: Model versions that it measured.
        lag: The lag, None where a group has too few models.
    """

    title: str
    models: int
    lag: Lag | None


@dataclass(frozen=True)
class Gap:
    """The gap on one benchmark.

    Attributes:
        benchmark: The benchmark.
        as_of: Models that were released by this day count.
        points: All model versions, in the order of release.
        now: The frontiers on the day of the newest model that was measured.
        before: The same a year earlier; None where a group had no score yet.
        lag: Over the year that ends with `now`.
        lag_before: Over the year before; None where a group had no score yet.
        change_months: `lag` less `lag_before`, with its interval; None without `lag_before`.
        change_interval: Interval of that.
        used_share: How much of the range from chance to ceiling the best model has used; None for
            a scale without an end.
        one_source: The lag within one source.
    """

    benchmark: Benchmark
    as_of: date
    points: tuple[GapPoint, ...]
    now: Ends
    before: Ends | None
    lag: Lag
    lag_before: Lag | None
    change_months: float | None
    change_interval: Interval | None
    used_share: float | None
    one_source: OneSource

    @property
    def saturated(self) -> bool:
        """Whether the benchmark is at its ceiling, so that a closing gap says nothing."""
        return self.used_share is not None and self.used_share >= SATURATED_FROM

    @property
    def trend(self) -> Trend:
        """Whether the lag became shorter or longer within a year.

        Whoever is at the ceiling can't get ahead any more: on a benchmark that is saturated a lag
        that grows is real, and one that shrinks says nothing.
        """
        if self.change_interval is not None and self.change_interval[0] > 0:
            return "widening"
        if self.saturated:
            return "saturated"
        if self.change_interval is not None and self.change_interval[1] < 0:
            return "narrowing"
        return "no clear change"


class TooFewScores(WeighbridgeError):
    """A benchmark on which too few models of a group have been measured by the day asked about."""

    exit_code = 3


def measure(
    facts: Catalogue,
    benchmark: Benchmark,
    as_of: date,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> Gap:
    """Measure the gap on a benchmark among the models that were released by a day.

    Raises:
        TooFewScores: A group has fewer than three models with a score.
    """
    points = best_points(facts, facts.scores_on(benchmark.name), as_of)
    _check(points, benchmark, as_of)
    end = max(point.model.released for point in points)
    start = end - timedelta(days=WINDOW_DAYS)
    groups = _Groups(points)
    draws = groups.resampled(seed, resamples)
    now, before = groups.ends(end), groups.ends(start)
    lag, lag_draws = _lag(groups, draws, start, end)
    earlier = _lag(groups, draws, start - timedelta(days=WINDOW_DAYS), start)
    change = change_interval = lag_before = None
    if before is not None and math.isfinite(earlier[0].months):
        lag_before = earlier[0]
        change = lag.months - lag_before.months
        change_interval = _interval(lag_draws - earlier[1])
    assert now is not None
    return Gap(
        benchmark=benchmark,
        as_of=as_of,
        points=groups.marked(),
        now=now,
        before=before,
        lag=lag,
        lag_before=lag_before,
        change_months=change,
        change_interval=change_interval,
        used_share=_used(benchmark, now),
        one_source=_within_one_source(facts, benchmark, as_of, points, lag, (seed, resamples)),
    )


def best_points(facts: Catalogue, scores: Sequence[Score], as_of: date) -> tuple[GapPoint, ...]:
    """Return each model version's best score, in the order of release."""
    best: dict[str, Score] = {}
    for score in scores:
        held = best.get(score.model)
        if facts.models[score.model].released <= as_of and (
            held is None or score.value > held.value
        ):
            best[score.model] = score
    points = (GapPoint(facts.models[name], score) for name, score in best.items())
    return tuple(sorted(points, key=lambda point: (point.model.released, point.model.name)))


class _Groups:
    """Open and proprietary points as arrays, and resamples of their models."""

    def __init__(self, points: Sequence[GapPoint]) -> None:
        self._points = tuple(points)
        self._days = np.asarray([p.model.released.toordinal() for p in points], dtype=np.float64)
        self._values = np.asarray([p.score.value for p in points])
        self._is_open = np.asarray([p.model.weights == "open" for p in points])
        titles: dict[tuple[str, str], int] = {}
        self._titles = np.asarray(
            [titles.setdefault((p.model.weights, p.model.title), len(titles)) for p in points]
        )

    def frontiers(self, chosen: "np.ndarray | None" = None) -> tuple[Frontier, Frontier]:
        """Return proprietary and open frontiers, of all models or of some titles."""
        within = np.ones(len(self._days), dtype=bool) if chosen is None else chosen[self._titles]
        return tuple(  # type: ignore[return-value]
            frontier(self._days[rows], self._values[rows])
            for rows in (within & ~self._is_open, within & self._is_open)
        )

    def resampled(self, seed: int, resamples: int) -> "list[tuple[Frontier, Frontier]]":
        """Return the frontiers of resamples of models, each group drawn by itself."""
        rng = np.random.default_rng(seed)
        by_group = [np.unique(self._titles[self._is_open == is_open]) for is_open in (False, True)]
        found = []
        for _ in range(resamples):
            chosen = np.zeros(self._titles.max() + 1, dtype=bool)
            for titles in by_group:
                chosen[rng.choice(titles, titles.size)] = True
            found.append(self.frontiers(chosen))
        return found

    def ends(self, day: date) -> Ends | None:
        """Return the best of each group on a day; None where one has no score yet."""
        found = []
        for is_open in (True, False):
            rows = np.flatnonzero((self._is_open == is_open) & (self._days <= day.toordinal()))
            if not rows.size:
                return None
            found.append(self._points[int(rows[np.argmax(self._values[rows])])])
        return Ends(day, *found)

    def marked(self) -> tuple[GapPoint, ...]:
        """Return the points, those that were records marked."""
        records: set[int] = set()
        for is_open in (True, False):
            rows = np.flatnonzero(self._is_open == is_open)
            records |= set(rows[frontier(self._days[rows], self._values[rows]).rows].tolist())
        return tuple(
            GapPoint(point.model, point.score, index in records)
            for index, point in enumerate(self._points)
        )


def _lag(
    groups: _Groups, draws: Sequence[tuple[Frontier, Frontier]], start: date, end: date
) -> tuple[Lag, Array]:
    days = every_day(start.toordinal() + 1, end.toordinal(), STEP_DAYS)
    found = lags(*groups.frontiers(), days)
    drawn = np.asarray([lags(*pair, days).mean_days for pair in draws]) / DAYS_A_MONTH
    known = np.isfinite(found.days)
    at_least = float(found.at_least[known].mean()) if known.any() else 0.0
    return Lag(found.mean_days / DAYS_A_MONTH, _interval(drawn), at_least), drawn


def _interval(draws: Array) -> Interval:
    known = draws[np.isfinite(draws)]
    if not known.size:
        return (math.nan, math.nan)
    low, high = np.percentile(known, (2.5, 97.5))
    return float(low), float(high)


def _used(benchmark: Benchmark, now: Ends) -> float | None:
    if benchmark.ceiling is None:
        return None
    best = max(now.open_best.score.value, now.proprietary_best.score.value)
    return (best - benchmark.chance) / (benchmark.ceiling - benchmark.chance)


def _within_one_source(
    facts: Catalogue,
    benchmark: Benchmark,
    as_of: date,
    every: tuple[GapPoint, ...],
    lag: Lag,
    draws: tuple[int, int],
) -> OneSource:
    scores = facts.scores_on(benchmark.name)
    measured = Counter(
        title for title, _ in {(score.source.title, score.model) for score in scores}
    )
    title = max(sorted(measured), key=lambda name: measured[name])
    within = [score for score in scores if score.source.title == title]
    points = best_points(facts, within, as_of)
    if points == every:
        return OneSource(title, len(points), lag)
    if min(_counts(points).values()) < FEWEST:
        return OneSource(title, len(points), None)
    groups = _Groups(points)
    end = max(point.model.released for point in points)
    start = end - timedelta(days=WINDOW_DAYS)
    within_it, _ = _lag(groups, groups.resampled(*draws), start, end)
    return OneSource(title, len(points), within_it if math.isfinite(within_it.months) else None)


def _counts(points: Sequence[GapPoint]) -> dict[str, int]:
    titles = {(point.model.weights, point.model.title) for point in points}
    return {kind: sum(of == kind for of, _ in titles) for kind in ("open", "proprietary")}


def _check(points: Sequence[GapPoint], benchmark: Benchmark, as_of: date) -> None:
    for kind, count in _counts(points).items():
        if count < FEWEST:
            raise TooFewScores(
                f"{benchmark.title} has scores of {count} {kind} models that were out by {as_of}",
                f"at least {FEWEST} of each kind",
                "ask about another benchmark or a later day",
            )
