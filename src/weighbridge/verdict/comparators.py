"""A project's four comparators: what its items cost each way, and what an accepted answer costs.

The incumbent and the candidate were measured. The small sibling and the hosts of the same weights
were not: theirs is the price of the same tokens, and says nothing of how good their answers are.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from weighbridge.comparison.before_after import BenchmarkComparison
from weighbridge.planning.cost.comparison import (
    Alternative,
    Priced,
    Role,
    accepted_cost,
    against,
)
from weighbridge.planning.cost.workload import Workload, api_usd_per_request
from weighbridge.records import Price
from weighbridge.records.scale import is_share
from weighbridge.verdict.economics import (
    Economics,
    seconds_per_item,
    tokens_per_item,
    viability,
)


@dataclass(frozen=True)
class Offer:
    """What a comparator that was not measured charges, as it was known when the report was made.

    Attributes:
        role: small sibling or hosted open weights.
        name: Host and model; "" where none is known.
        price: Its price; None where none is known.
        day: The day of which the price is known, ISO 8601; "" without one.
        why: Why there is none, or what else to say.
    """

    role: Role
    name: str
    price: Price | None
    day: str
    why: str = ""


@dataclass(frozen=True)
class ComparedCosts:
    """What an item costs with each of the four.

    Attributes:
        items: Items that incumbent and candidate both answered.
        comparators: The four; `usd` is of one item.
    """

    items: int
    comparators: tuple[Priced, ...]


def compared_costs(
    weighed: Sequence[BenchmarkComparison],
    economics: Economics | None,
    offers: Sequence[Offer],
    incumbent_name: str,
    candidate_name: str,
) -> ComparedCosts | None:
    """Return what an item costs each way; None where a measured side's cost is not known.

    Args:
        weighed: The benchmarks, before with the incumbent, after with the candidate.
        economics: What the machine costs; None where the candidate is paid by the token.
        offers: The comparators that were not measured.
        incumbent_name: What is paid for today.
        candidate_name: What might take its place.
    """
    found = viability(weighed, economics)
    if found is None:
        return None
    own, paid = found.candidate_usd_per_item, found.incumbent_usd_per_item
    hosting = None
    if economics is not None and not all(w.after.provenance.model_is_priced for w in weighed):
        hosting = economics.hosting(seconds_per_item(weighed, found.items))
    someone = None if economics is None else economics.usd_by_someone
    before, after = _shares(weighed, found.items)
    incumbent = against(
        Alternative("incumbent", None), paid, own, hosting, accepted_cost(paid, before, someone)
    )
    rows = [replace(incumbent, name=incumbent_name)]
    for offer in offers:
        whose: Literal["before", "after"] = "before" if offer.role == "small sibling" else "after"
        asked = Workload(*tokens_per_item(weighed, found.items, whose))
        usd = None if offer.price is None else api_usd_per_request(offer.price, asked)
        row = against(Alternative(offer.role, None, offer.why), usd, own, hosting)
        rows.append(replace(row, name=offer.name))
    accepted = accepted_cost(own, after, someone)
    rows.append(Priced("self-hosted", candidate_name, own, accepted=accepted))
    return ComparedCosts(found.items, tuple(rows))


def _shares(
    weighed: Sequence[BenchmarkComparison], items: int
) -> tuple[float | None, float | None]:
    """Return the shares of accepted answers of incumbent and candidate: their scores from 0 to 1.

    None where a benchmark is scored on another scale, or nothing was graded.
    """
    known = all(
        is_share(run.estimate.scale) and run.estimate.known_mean is not None
        for w in weighed
        for run in (w.before, w.after)
    )
    if not known:
        return None, None
    count = [min(w.before.estimate.n, w.after.estimate.n) for w in weighed]
    before, after = (
        sum(n * run.estimate.mean for n, run in zip(count, runs, strict=True)) / items
        for runs in ([w.before for w in weighed], [w.after for w in weighed])
    )
    return before, after
