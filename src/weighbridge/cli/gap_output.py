"""A gap as the document that scripts rely on, and as text of at most 80 columns."""

import math
from collections.abc import Iterable
from datetime import date

from weighbridge.catalog.published import Catalogue
from weighbridge.cli.output import wrapped
from weighbridge.documents.gap import (
    BenchmarksDocument,
    FactSource,
    GapDocument,
    GapEnds,
    GapLag,
    GapWithinSource,
    ListedBenchmark,
    ScoredModel,
)
from weighbridge.planning.gap import words
from weighbridge.planning.gap.analysis import Ends, Gap, GapPoint, Lag, best_points


def gap_document(gap: Gap, facts: Catalogue) -> GapDocument:
    """Return a gap as the document that scripts rely on."""
    kinds = [point.model.weights for point in gap.points]
    one = gap.one_source
    return GapDocument(
        benchmark=gap.benchmark.name,
        title=gap.benchmark.title,
        unit=gap.benchmark.unit or "share",
        as_of=gap.as_of.isoformat(),
        newest=gap.now.day.isoformat(),
        open_models=kinds.count("open"),
        proprietary_models=kinds.count("proprietary"),
        now=_ends(gap.now, gap),
        year_before=None if gap.before is None else _ends(gap.before, gap),
        lag=_lag(gap.lag),
        lag_year_before=None if gap.lag_before is None else _lag(gap.lag_before),
        change_months=gap.change_months,
        change_interval=gap.change_interval,
        used_share=gap.used_share,
        saturated=gap.saturated,
        trend=gap.trend,
        sentence=words.sentence(gap),
        within_one_source=GapWithinSource(
            source=one.title, models=one.models, lag=None if one.lag is None else _lag(one.lag)
        ),
        method=words.METHOD,
        sources=credited(gap.points, facts),
        models=tuple(map(scored_model, gap.points)),
    )


def scored_model(point: GapPoint) -> ScoredModel:
    """Return a model with its score as the document has it."""
    model, score = point.model, point.score
    return ScoredModel(
        model=model.name,
        title=model.title,
        organization=model.organization,
        weights=model.weights,
        released=model.released.isoformat(),
        retires=None if model.retires is None else model.retires.isoformat(),
        parameters=model.parameters,
        active_parameters=model.active_parameters,
        usd_per_million_tokens=model.usd_per_million_tokens,
        score=score.value,
        stderr=score.stderr,
        variant=score.variant,
        shots=score.shots,
        setting=score.setting,
        protocol=score.source.protocol,
        source=score.source.title,
        url=score.source.url,
        record=point.record,
    )


def credited(points: Iterable[GapPoint], facts: Catalogue) -> tuple[FactSource, ...]:
    """Return the tables that these points were taken from, with their licences."""
    used = {key for point in points for key in (*point.model.sources, point.score.source.credit)}
    return tuple(
        FactSource(title=source.title, url=source.url, licence=source.licence)
        for key, source in facts.sources.items()
        if key in used
    )


def _ends(ends: Ends, gap: Gap) -> GapEnds:
    return GapEnds(
        day=ends.day.isoformat(),
        best_open=scored_model(ends.open_best),
        best_proprietary=scored_model(ends.proprietary_best),
        difference=ends.difference,
        mistakes_ratio=ends.mistakes_ratio(gap.benchmark),
    )


def _lag(lag: Lag) -> GapLag:
    known = all(map(math.isfinite, lag.interval))
    return GapLag(
        months=lag.months,
        interval=lag.interval if known else None,
        at_least_share=lag.at_least,
    )


def gap_text(gap: Gap) -> str:
    """Return a gap as a person reads it."""
    benchmark, now = gap.benchmark, gap.now
    kinds = [point.model.weights for point in gap.points]
    lines = [
        f"{benchmark.title}: {kinds.count('open')} open and {kinds.count('proprietary')} "
        f"proprietary models, the newest of {now.day}",
        _row("best open", now.open_best, gap),
        _row("best proprietary", now.proprietary_best, gap),
        f"  {'difference':<18}{words.difference(now.difference, benchmark)}{_mistakes(now, gap)}",
        f"  {'lag':<18}{words.months(gap.lag)}",
    ]
    if gap.lag.at_least >= 0.05:
        lines += wrapped(
            f"at least, on {gap.lag.at_least:.0%} of the days: proprietary models were past that "
            "score in the first one published of them",
            " " * 20,
        )
    if gap.lag_before is not None and gap.change_interval is not None:
        lines.append(f"  {'a year before':<18}{words.months(gap.lag_before)}")
        lines.append(
            f"  {'change':<18}{gap.change_months:+.1f} months "
            f"({words.interval(gap.change_interval)})"
        )
    if gap.used_share is not None:
        lines.append(f"  {'used':<18}{gap.used_share:.0%} of the range from chance to the ceiling")
    lines.append(f"  {'finding':<18}{gap.trend}")
    one = gap.one_source
    if one.lag is not None and one.models < len(gap.points):
        lines += wrapped(
            f"within one source ({one.title}, {one.models} models) the lag is "
            f"{words.months(one.lag)}",
            "  ",
        )
    return "\n".join([*lines, "", *wrapped(words.sentence(gap))])


def _row(label: str, point: GapPoint, gap: Gap) -> str:
    score = words.figure(point.score.value, gap.benchmark)
    return f"  {label:<18}{score:<9} {point.model.name}, {point.model.released}"


def _mistakes(now: Ends, gap: Gap) -> str:
    ratio = now.mistakes_ratio(gap.benchmark)
    return "" if ratio is None else f"; {ratio:.2f} mistakes for each of the best"


def listed(facts: Catalogue, as_of: date) -> BenchmarksDocument:
    """Return the benchmarks that have scores by a day, those with the most models first."""
    rows = []
    for benchmark in facts.benchmarks.values():
        points = best_points(facts, facts.scores_on(benchmark.name), as_of)
        if not points:
            continue
        by_kind = {
            kind: [point for point in points if point.model.weights == kind]
            for kind in ("open", "proprietary")
        }
        best = {
            kind: max((point.score.value for point in of_kind), default=None)
            for kind, of_kind in by_kind.items()
        }
        counts = {
            kind: len({point.model.title for point in of_kind}) for kind, of_kind in by_kind.items()
        }
        rows.append(
            ListedBenchmark(
                benchmark=benchmark.name,
                title=benchmark.title,
                open_models=counts["open"],
                proprietary_models=counts["proprietary"],
                newest=max(point.model.released for point in points).isoformat(),
                best_open=best["open"],
                best_proprietary=best["proprietary"],
            )
        )
    rows.sort(key=lambda row: (-row.open_models - row.proprietary_models, row.benchmark))
    return BenchmarksDocument(as_of=as_of.isoformat(), benchmarks=tuple(rows))


def list_text(document: BenchmarksDocument, facts: Catalogue) -> str:
    """Return the list as a table."""
    lines = [f"{'benchmark':<22}{'open':>5}{'prop.':>6}  {'newest':<11}{'best open':>14}"
             f"{'best prop.':>16}"]  # fmt: skip
    for row in document.benchmarks:
        benchmark = facts.benchmarks[row.benchmark]
        shown = [
            "-" if value is None else words.figure(value, benchmark)
            for value in (row.best_open, row.best_proprietary)
        ]
        lines.append(
            f"{row.benchmark:<22}{row.open_models:>5}{row.proprietary_models:>6}  "
            f"{row.newest:<11}{shown[0]:>14}{shown[1]:>16}"
        )
    return "\n".join(lines)
