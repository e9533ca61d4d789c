"""Finds a project's comparators that are not measured: the small sibling, and hosts of the weights.

Their prices are written down with the report, because the list of prices changes.
"""

from datetime import date

from weighbridge.catalog.api_prices import ApiPrice, find_api_price, find_price_at
from weighbridge.catalog.models import find_model_by_repository
from weighbridge.planning.cost.alternatives import hosted_of, known, sibling_of
from weighbridge.planning.cost.comparison import Alternative
from weighbridge.planning.cost.workload import Workload
from weighbridge.project.project_file import Project
from weighbridge.verdict.comparators import Offer
from weighbridge.verdict.economics import Economics

_EVEN = Workload(1000, 1000)


def offers_of(project: Project, day: date) -> tuple[Offer, ...]:
    """Return the small sibling and a host of the same weights, as their prices are on a day.

    Raises:
        InputError: `[economics]` names a model that the list of prices does not have.
    """
    if project.incumbent is None:
        return ()
    stated = project.economics or Economics(machine_usd_per_hour=1.0)
    address = project.incumbent.address
    incumbent = find_price_at(address.base_url, address.model, day)
    return (
        _offer(_sibling(stated.small_sibling, incumbent, address.model, day)),
        _offer(_hosted(stated.hosted, project, day)),
    )


def _sibling(named: str, incumbent: ApiPrice | None, model: str, day: date) -> Alternative:
    do = "[economics] small_sibling"
    if named:
        return known("small sibling", find_api_price(named, day), day)
    if incumbent is None:
        return Alternative(
            "small sibling", None, f"no list has {model} at its address: name one with {do}"
        )
    return sibling_of(incumbent, day, do)


def _hosted(named: str, project: Project, day: date) -> Alternative:
    if named:
        return Alternative("hosted open weights", find_api_price(named, day))
    base = project.model.base
    listed = find_model_by_repository(base)
    names = (base, *listed.hub) if listed is not None else (base,)
    found = hosted_of(names, _EVEN, day, "[economics] hosted")
    if found.price is None or project.tune is None:
        return found
    why = f"{found.why}; without the tuning, for which hosts may charge more"
    return Alternative(found.role, found.price, why)


def _offer(found: Alternative) -> Offer:
    if found.price is None:
        return Offer(found.role, "", None, "", found.why)
    price = found.price
    return Offer(found.role, price.name, price.price, price.day.isoformat(), found.why)
