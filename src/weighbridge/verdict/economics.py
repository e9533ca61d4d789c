"""Compares what the same items cost with the incumbent and with the candidate."""

from collections.abc import Sequence
from dataclasses import dataclass

from weighbridge.comparison.before_after import BenchmarkComparison
from weighbridge.comparison.prompted import RequestCost
from weighbridge.records import EvalRun

HOURS_A_MONTH = 730


@dataclass(frozen=True)
class Economics:
    """`[economics]`: what the candidate costs where it would run.

    Attributes:
        machine_usd_per_hour: Price of the machine that the candidate was measured on.
        utilization: Share of the hours paid for in which the machine works.
        max_cost_ratio: The candidate may cost this many times what the incumbent does.
    """

    machine_usd_per_hour: float
    utilization: float = 1.0
    max_cost_ratio: float = 1.0


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
    busy = cost.seconds * economics.machine_usd_per_hour / 3600
    return busy / economics.utilization


def viability(
    weighed: Sequence[BenchmarkComparison], economics: Economics | None
) -> Viability | None:
    """Compare what the items cost; None if either side's cost is unknown.

    A judge's charges and time count for neither side, since neither model is judged in
    production.
    """
    items = sum(min(w.before.estimate.n, w.after.estimate.n) for w in weighed)
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
    seconds = sum(_per_item(w, w.after, w.after.provenance.model_seconds) for w in weighed) / items
    busy = seconds * economics.machine_usd_per_hour / 3600
    own = busy / economics.utilization
    ratio = own / incumbent if incumbent else float("inf")
    monthly = economics.machine_usd_per_hour * HOURS_A_MONTH
    return Viability(
        items=items,
        incumbent_usd_per_item=incumbent,
        candidate_usd_per_item=own,
        cost_ratio=ratio,
        break_even_utilization=busy / incumbent if incumbent else None,
        break_even_items_per_month=monthly / incumbent if incumbent else None,
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
        "nobody's working time is counted",
    )


def _per_item(weighed: BenchmarkComparison, run: EvalRun, total: float) -> float:
    """Return a run's total, scaled to the items that both answered."""
    shared = min(weighed.before.estimate.n, weighed.after.estimate.n)
    return shared * total / run.estimate.n if run.estimate.n else 0.0
