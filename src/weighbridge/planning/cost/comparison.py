"""The four comparators side by side: one's own GPU against three prices that one could pay instead.

A frontier list price alone flatters a GPU of one's own. So a comparison always has the incumbent,
the incumbent's small sibling, the same open weights hosted by others, and the candidate on one's
own accelerators. A comparator whose price is not known keeps its place, with the reason.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from weighbridge.catalog.api_prices import ApiPrice
from weighbridge.planning.cost.hosting import (
    BreakEven,
    Hosting,
    break_even,
    usd_at_volume,
    usd_per_request,
    utilization_for,
)
from weighbridge.planning.cost.workload import Workload, api_usd_per_request

Role = Literal["incumbent", "small sibling", "hosted open weights", "self-hosted"]
ROLES: tuple[Role, ...] = ("incumbent", "small sibling", "hosted open weights", "self-hosted")


@dataclass(frozen=True)
class Demand:
    """How much of a deployment is used: a share of its capacity, or a volume.

    Attributes:
        utilization: Share of the capacity that is used; not looked at where a volume is stated.
        requests_per_month: Requests a month; None where only the share is known.
        peak: How many times the mean load the busiest hour's is; deployments are as many as that
            hour takes.
    """

    utilization: float = 1.0
    requests_per_month: float | None = None
    peak: float = 1.0


@dataclass(frozen=True)
class Accepted:
    """What an answer costs that is accepted, where some are not.

    Attributes:
        share: Share of the answers that are accepted.
        asked_again_usd: Where what fails is asked again until an answer is accepted.
        by_someone_usd: Where what fails is answered by someone instead; None where it isn't said
            what that costs.
    """

    share: float
    asked_again_usd: float | None
    by_someone_usd: float | None


@dataclass(frozen=True)
class Priced:
    """One comparator.

    Attributes:
        role: Which of the four.
        name: What is paid for; "" where nothing is known.
        usd: What a request costs; None where that is not known.
        why: Why it is not known, or what else to say.
        price: The API's price; None for the candidate.
        cost_ratio: What the candidate costs over what this one does; None for the candidate.
        break_even: Where both cost the same; None for the candidate.
        for_five: Utilization at which the candidate is five times cheaper; above 1 it never is.
        for_ten: The same for ten times.
        accepted: What an accepted answer costs; None without an evaluation.
    """

    role: Role
    name: str
    usd: float | None
    why: str = ""
    price: ApiPrice | None = None
    cost_ratio: float | None = None
    break_even: BreakEven | None = None
    for_five: float | None = None
    for_ten: float | None = None
    accepted: Accepted | None = None


@dataclass(frozen=True)
class Alternative:
    """A comparator that is paid by the token, or why there is none.

    Attributes:
        role: Which of the four.
        price: What it charges; None where that is not known.
        why: Why it is not known, or what else to say.
    """

    role: Role
    price: ApiPrice | None
    why: str = ""


def own_usd(hosting: Hosting, demand: Demand) -> float:
    """Return what a request costs on one's own accelerators."""
    if demand.requests_per_month is None:
        return usd_per_request(hosting, demand.utilization)
    return usd_at_volume(hosting, demand.requests_per_month, demand.peak)


def compare(
    hosting: Hosting,
    demand: Demand,
    asked: Workload,
    alternatives: Sequence[Alternative],
    name: str = "",
    shares: Mapping[Role, float] | None = None,
    usd_by_someone: float | None = None,
) -> tuple[Priced, ...]:
    """Return the four comparators, in the order of `ROLES`.

    Args:
        hosting: The candidate's deployment.
        demand: How much of it is used.
        asked: The requests.
        alternatives: The other comparators; one that is missing keeps its place without a price.
        name: What the candidate is called.
        shares: Share of accepted answers, by comparator.
        usd_by_someone: What an answer costs that someone gives in place of the model.
    """
    own = own_usd(hosting, demand)
    shares = shares or {}
    by_role = {one.role: one for one in alternatives}
    found = []
    for role in ROLES[:-1]:
        one = by_role.get(role, Alternative(role, None, "not stated"))
        usd = None
        if one.price is not None:
            usd = api_usd_per_request(one.price.price, asked, one.price.batch)
        share = shares.get(role)
        found.append(against(one, usd, own, hosting, accepted_cost(usd, share, usd_by_someone)))
    accepted = accepted_cost(own, shares.get("self-hosted"), usd_by_someone)
    return (*found, Priced("self-hosted", name, own, accepted=accepted))


def against(
    one: Alternative,
    usd: float | None,
    own: float,
    hosting: Hosting | None,
    accepted: Accepted | None = None,
) -> Priced:
    """Weigh the candidate against one comparator.

    Args:
        one: The comparator.
        usd: What a request costs with it; None where that is not known.
        own: What a request costs with the candidate.
        hosting: The candidate's deployment; None where it is paid by the token, too.
        accepted: What an accepted answer costs with the comparator.
    """
    name = "" if one.price is None else one.price.name
    if usd is None:
        return Priced(one.role, name, None, one.why, one.price)
    return Priced(
        role=one.role,
        name=name,
        usd=usd,
        why=one.why,
        price=one.price,
        cost_ratio=own / usd if usd else None,
        break_even=None if hosting is None else break_even(hosting, usd),
        for_five=None if hosting is None else utilization_for(hosting, usd, 5),
        for_ten=None if hosting is None else utilization_for(hosting, usd, 10),
        accepted=accepted,
    )


def accepted_cost(
    usd: float | None, share: float | None, by_someone: float | None
) -> Accepted | None:
    """Return what an accepted answer costs; None where cost or share are not known.

    Args:
        usd: What an answer costs.
        share: Share of the answers that are accepted.
        by_someone: What an answer costs that someone gives in place of the model.
    """
    if usd is None or share is None:
        return None
    return Accepted(
        share=share,
        asked_again_usd=usd / share if share else None,
        by_someone_usd=None if by_someone is None else usd + (1 - share) * by_someone,
    )
