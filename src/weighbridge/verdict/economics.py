"""Compares what the same items cost with the incumbent and with the candidate."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from weighbridge.comparison.before_after import BenchmarkComparison
from weighbridge.comparison.prompted import RequestCost
from weighbridge.planning.cost import hosting as hosted
from weighbridge.planning.cost.hosting import MONTHS_IN_USE, Hosting
from weighbridge.records import EvalRun


@dataclass(frozen=True)
class Economics:
    """`[economics]`: what the candidate costs where it would run.

    Attributes:
        machine_usd_per_hour: Price of the machine that the candidate was measured on.
        utilization: Share of the hours paid for in which the machine works.
        max_cost_ratio: The candidate may cost this many times what the incumbent does.
        operations_usd_per_month: People and services that keep the machine running.
        spent_once_usd: Spent once: tuning, evaluation, red-teaming.
        months_in_use: Months that the candidate is in use, over which that is spread.
        small_sibling: The incumbent's small sibling, as the list of prices calls it; "" for the one
            that the incumbent's name tells.
        hosted: The same open weights at a host; "" for the host of median price.
        usd_by_someone: What an answer costs that someone gives where the model's is not accepted.
    """

    machine_usd_per_hour: float
    utilization: float = 1.0
    max_cost_ratio: float = 1.0
    operations_usd_per_month: float = 0.0
    spent_once_usd: float = 0.0
    months_in_use: float = MONTHS_IN_USE
    small_sibling: str = ""
    hosted: str = ""
    usd_by_someone: float | None = None

    def hosting(self, seconds: float) -> Hosting:
        """Return the machine, which takes so long for a request."""
        return Hosting(
            self.machine_usd_per_hour, seconds, self.operations_usd_per_month,
            self.spent_once_usd, self.months_in_use,
        )  # fmt: skip


@dataclass(frozen=True)
class Viability:
    """What the same items cost with the incumbent and with the candidate.

    Attributes:
        items: Number of items that both answered.
        incumbent_usd_per_item: Cost with the incumbent, as charged by its provider.
        candidate_usd_per_item: Cost with the candidate, from the machine's price and utilization,
            or as charged.
        cost_ratio: Candidate over incumbent; below 1 the candidate is cheaper.
        break_even_utilization: Share of its paid hours that the machine must work for both to cost
            the same; None where the candidate is paid by the token, or the incumbent costs nothing.
        break_even_items_per_month: Items a month at which the incumbent costs what the machine
            does; None in the same cases.
        conditions: Conditions under which these figures hold.
    """

    items: int
    incumbent_usd_per_item: float
    candidate_usd_per_item: float
    cost_ratio: float
    break_even_utilization: float | None
    break_even_items_per_month: float | None
    conditions: tuple[str, ...]


def usd_per_request(cost: RequestCost, economics: Economics | None) -> float | None:
    """Return what a request costs: as charged, else the machine's time; None where unknown."""
    if cost.charged_usd is not None or economics is None:
        return cost.charged_usd
    return hosted.usd_per_request(economics.hosting(cost.seconds), economics.utilization)


def viability(
    weighed: Sequence[BenchmarkComparison], economics: Economics | None
) -> Viability | None:
    """Compare what the items cost; None if either side's cost is unknown.

    A judge's charges and time count for neither side, since neither model is judged in
    production.
    """
    items = shared_items(weighed)
    if not items or not all(w.before.provenance.model_is_priced for w in weighed):
        return None
    by_token = all(w.after.provenance.model_is_priced for w in weighed)
    if not by_token and economics is None:
        return None
    incumbent = (
        sum(_per_item(w, w.before, w.before.provenance.model_cost_usd) for w in weighed) / items
    )
    if by_token:
        own = sum(_per_item(w, w.after, w.after.provenance.model_cost_usd) for w in weighed) / items
        ratio = own / incumbent if incumbent else float("inf")
        return Viability(items, incumbent, own, ratio, None, None, _BY_TOKEN)
    assert economics is not None
    seconds = seconds_per_item(weighed, items)
    hosting = economics.hosting(seconds)
    own = hosted.usd_per_request(hosting, economics.utilization)
    ratio = own / incumbent if incumbent else float("inf")
    return Viability(
        items=items,
        incumbent_usd_per_item=incumbent,
        candidate_usd_per_item=own,
        cost_ratio=ratio,
        break_even_utilization=hosted.utilization_for(hosting, incumbent),
        break_even_items_per_month=hosted.monthly_usd(hosting) / incumbent if incumbent else None,
        conditions=_conditions(economics, seconds, weighed),
    )


_BY_TOKEN = ("both are paid by the token, at the prices that the runs record",)


def _conditions(
    economics: Economics, seconds: float, weighed: Sequence[BenchmarkComparison]
) -> tuple[str, ...]:
    after = [w.after.provenance for w in weighed]
    judged_too = any(where.judge and where.judge_seconds is None for where in after)
    what = ", its judge's time included" if judged_too else ""
    return (
        f"the machine costs {economics.machine_usd_per_hour:g} USD an hour and works in "
        f"{economics.utilization:.0%} of the hours paid for",
        f"an item takes it {seconds:.3g} s{what}, as measured in these runs, one run at a time",
        "items are as long as these, and the incumbent's prices stay",
        _fixed(economics),
    )


def _fixed(economics: Economics) -> str:
    staff, once = economics.operations_usd_per_month, economics.spent_once_usd
    if not staff and not once:
        return "nobody's working time is counted"
    return (
        f"{staff:g} USD a month of operations are counted, and {once:g} USD spent once over "
        f"{economics.months_in_use:g} months in use"
    )


def shared_items(weighed: Sequence[BenchmarkComparison]) -> int:
    """Return how many items both models answered."""
    return sum(min(w.before.estimate.n, w.after.estimate.n) for w in weighed)


def seconds_per_item(weighed: Sequence[BenchmarkComparison], items: int) -> float:
    """Return how long the candidate takes for an item, on the average over those of both."""
    return sum(_per_item(w, w.after, w.after.provenance.model_seconds) for w in weighed) / items


def tokens_per_item(
    weighed: Sequence[BenchmarkComparison], items: int, of: Literal["before", "after"]
) -> tuple[float, float]:
    """Return the tokens that a model reads and writes for an item, on the average."""
    runs = [(w, w.before if of == "before" else w.after) for w in weighed]
    read = sum(_per_item(w, run, run.provenance.input_tokens) for w, run in runs)
    written = sum(_per_item(w, run, run.provenance.output_tokens) for w, run in runs)
    return read / items, written / items


def _per_item(weighed: BenchmarkComparison, run: EvalRun, total: float) -> float:
    """Return a run's total, scaled to the items that both answered."""
    shared = min(weighed.before.estimate.n, weighed.after.estimate.n)
    return shared * total / run.estimate.n if run.estimate.n else 0.0
