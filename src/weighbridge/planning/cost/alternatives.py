"""Finds what could be paid instead: an incumbent's small sibling, and hosts of the same weights."""

from collections.abc import Iterable
from datetime import date

from weighbridge.catalog.api_families import small_sibling
from weighbridge.catalog.api_prices import ApiPrice, find_api_price, hosted_offers
from weighbridge.catalog.retirements import leaves_api_on
from weighbridge.planning.cost.comparison import Alternative, Role
from weighbridge.planning.cost.workload import Workload, api_usd_per_request

MAKERS = ("anthropic", "openai")
"""Providers that announce when their own models leave their API."""


def known(role: Role, price: ApiPrice, day: date) -> Alternative:
    """Return a comparator whose price is known, and when it leaves its API if that is announced."""
    leaves = leaves_api_on(price.model) if price.provider in MAKERS else None
    why = ""
    if leaves is not None:
        why = f"{'leaves' if leaves > day else 'left'} its API on {leaves.isoformat()}"
    return Alternative(role, price, why)


def sibling_of(incumbent: ApiPrice, day: date, do: str) -> Alternative:
    """Return an incumbent's small sibling, or why there is none.

    Args:
        incumbent: What is paid for today.
        day: The day of the prices.
        do: How a person names one.
    """
    name = small_sibling(incumbent.provider, incumbent.model)
    if name is None:
        why = f"no smaller one of {incumbent.name}'s family is known: name one with {do}"
        return Alternative("small sibling", None, why)
    return known("small sibling", find_api_price(f"{incumbent.provider}/{name}", day), day)


def hosted_of(names: Iterable[str], asked: Workload, day: date, do: str) -> Alternative:
    """Return the offer of median price among hosts of the same weights, or why there is none.

    The cheapest host is not the typical one, and hosts differ in quality: one and the same model
    scored from 0.80 to 0.84 over ten of them (https://github.com/huggingface/hub-docs/pull/2036).

    Args:
        names: What the weights are called.
        asked: The requests that the offers are ordered by.
        day: The day of the prices.
        do: How a person names one.
    """
    every = tuple(names)
    offers = sorted(
        hosted_offers(every, day), key=lambda one: api_usd_per_request(one.price, asked, one.batch)
    )
    if not offers:
        why = f"no host's price of {every[-1]} is known: name one with {do}"
        return Alternative("hosted open weights", None, why)
    median = offers[(len(offers) - 1) // 2]
    if len(offers) == 1:
        return Alternative("hosted open weights", median, "the only host whose price is known")
    cheapest, dearest = (
        api_usd_per_request(one.price, asked, one.batch) / asked.tokens_per_request * 1e6
        for one in (offers[0], offers[-1])
    )
    why = (
        f"the median of {len(offers)} hosts, from ${cheapest:.3g} ({offers[0].name}) to "
        f"${dearest:.3g} per million tokens"
    )
    return Alternative("hosted open weights", median, why)
