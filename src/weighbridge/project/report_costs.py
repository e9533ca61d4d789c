"""What a project's items cost with each of the four comparators, for its report and for scripts."""

from collections.abc import Sequence

from weighbridge.comparison.before_after import BenchmarkComparison
from weighbridge.documents.project import ComparedCostDocument
from weighbridge.planning.cost.comparison import Priced
from weighbridge.project.report_facts import Replacement
from weighbridge.reports import CostRow
from weighbridge.verdict.comparators import compared_costs


def costs_of(
    weighed: Sequence[BenchmarkComparison], stated: Replacement | None
) -> tuple[CostRow, ...]:
    """Return a row for each comparator; none without an incumbent, or where a cost is not known."""
    return tuple(_row(one, day) for one, day in _compared(weighed, stated))


def cost_documents(
    weighed: Sequence[BenchmarkComparison], stated: Replacement | None
) -> tuple[ComparedCostDocument, ...]:
    """Return what `run` prints of the comparators."""
    return tuple(_document(one, day) for one, day in _compared(weighed, stated))


def _compared(
    weighed: Sequence[BenchmarkComparison], stated: Replacement | None
) -> list[tuple[Priced, str]]:
    if stated is None or stated.offers is None or not weighed:
        return []
    names = weighed[0].before.model.name, weighed[0].after.model.name
    found = compared_costs(weighed, stated.economics, stated.offers, *names)
    if found is None:
        return []
    days = {offer.role: offer.day for offer in stated.offers}
    return [(one, days.get(one.role, "")) for one in found.comparators]


def _row(one: Priced, day: str) -> CostRow:
    at, accepted = one.break_even, one.accepted
    return CostRow(
        role=one.role,
        name=one.name,
        usd=one.usd,
        cost_ratio=one.cost_ratio,
        break_even_items=None if at is None else at.requests_per_month,
        break_even_utilization=None if at is None else at.utilization,
        accepted_share=None if accepted is None else accepted.share,
        usd_asked_again=None if accepted is None else accepted.asked_again_usd,
        usd_by_someone=None if accepted is None else accepted.by_someone_usd,
        day=day,
        why=one.why,
    )


def _document(one: Priced, day: str) -> ComparedCostDocument:
    return ComparedCostDocument(**vars(_row(one, day)))
