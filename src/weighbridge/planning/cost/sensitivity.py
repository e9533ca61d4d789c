"""Which assumption decides: the cost ratio at both ends of what each one could be, one at a time.

The ratio is what the candidate costs over what the incumbent does. An assumption whose range
crosses 1 decides by itself whether self-hosting pays.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from weighbridge.catalog.api_prices import ApiPrice
from weighbridge.planning.cost.comparison import Demand, own_usd
from weighbridge.planning.cost.hosting import Hosting
from weighbridge.planning.cost.workload import Workload, api_usd_per_request

A_QUARTER_ENGINEER = 0.25 * 200_000 / 12
"""A quarter of an engineer at $200,000 a year, in dollars a month."""
_LEAST_CACHED, _MOST_CACHED = 0.0, 0.8
_LEAST_MONTHS, _MOST_MONTHS = 3.0, 12.0


@dataclass(frozen=True)
class Assumptions:
    """All that a cost ratio rests on.

    Attributes:
        hosting: The candidate's deployment.
        demand: How much of it is used.
        asked: The requests.
        incumbent: What the incumbent charges.
        price_factor: The incumbent charges this many times its price.
    """

    hosting: Hosting
    demand: Demand
    asked: Workload
    incumbent: ApiPrice
    price_factor: float = 1.0

    @property
    def cost_ratio(self) -> float | None:
        """What the candidate costs over what the incumbent does; None for a price of 0."""
        paid = api_usd_per_request(self.incumbent.price, self.asked, self.incumbent.batch)
        own = own_usd(self.hosting, self.demand)
        return own / (paid * self.price_factor) if paid and self.price_factor else None


@dataclass(frozen=True)
class Swing:
    """What one assumption does to the cost ratio.

    Attributes:
        assumption: Its name.
        low: One end of its range, in words.
        high: The other end.
        ratio_at_low: The cost ratio there.
        ratio_at_high: The cost ratio there.
        because: Where the range comes from.
    """

    assumption: str
    low: str
    high: str
    ratio_at_low: float
    ratio_at_high: float
    because: str

    @property
    def width(self) -> float:
        """How many times the larger of the two ratios is the smaller."""
        least, most = sorted((self.ratio_at_low, self.ratio_at_high))
        return most / least if least else float("inf")

    @property
    def decides(self) -> bool:
        """Whether self-hosting pays at one end, and not at the other."""
        return (self.ratio_at_low <= 1) != (self.ratio_at_high <= 1)


def swings(
    found: Assumptions,
    rate_interval: tuple[float, float] | None,
    rent_range: tuple[float, float],
    rent_because: str,
) -> list[Swing]:
    """Return what each assumption does, the widest first.

    Args:
        found: The assumptions as they are.
        rate_interval: The forecast's interval of tokens a second, over its middle; None where the
            rate was measured.
        rent_range: Lowest and highest price an hour, over the one that is assumed.
        rent_because: Where that range comes from.
    """
    rows = [
        *_rate(found, rate_interval),
        *_rent(found, rent_range, rent_because),
        *_use(found),
        *_prices(found),
        *_fixed(found),
    ]
    return sorted((one for one in rows if one.width > 1 + 1e-9), key=lambda one: -one.width)


def _swing(
    assumption: str,
    ends: tuple[tuple[str, Assumptions], tuple[str, Assumptions]],
    because: str,
) -> Sequence[Swing]:
    (low, at_low), (high, at_high) = ends
    first, second = at_low.cost_ratio, at_high.cost_ratio
    if first is None or second is None:
        return ()
    return (Swing(assumption, low, high, first, second, because),)


def _rate(found: Assumptions, interval: tuple[float, float] | None) -> Sequence[Swing]:
    if interval is None:
        return ()
    hosting = found.hosting

    def at(factor: float) -> Assumptions:
        slower = replace(hosting, seconds_per_request=hosting.seconds_per_request / factor)
        return replace(found, hosting=slower)

    low, high = interval
    ends = ((f"{low:.2f} x", at(low)), (f"{high:.2f} x", at(high)))
    return _swing("throughput", ends, "the forecast's 95 % interval")


def _rent(found: Assumptions, factors: tuple[float, float], because: str) -> Sequence[Swing]:
    def at(factor: float) -> tuple[str, Assumptions]:
        rent = found.hosting.usd_per_hour * factor
        return f"${rent:.3g} an hour", replace(
            found, hosting=replace(found.hosting, usd_per_hour=rent)
        )

    return _swing("accelerator price", (at(factors[0]), at(factors[1])), because)


def _use(found: Assumptions) -> Sequence[Swing]:
    demand = found.demand
    if demand.requests_per_month is None:
        least, most = demand.utilization / 3, min(1.0, demand.utilization * 3)
        low, high = (replace(found, demand=replace(demand, utilization=u)) for u in (least, most))
        ends = ((f"{least:.0%}", low), (f"{most:.0%}", high))
        return _swing("utilization", ends, "a third of it, to three times or all of it")
    volume = demand.requests_per_month
    halved, doubled = (
        replace(found, demand=replace(demand, requests_per_month=volume * factor))
        for factor in (0.5, 2)
    )
    return _swing("volume", (("half", halved), ("double", doubled)), "half of it to double")


def _prices(found: Assumptions) -> Sequence[Swing]:
    halves = replace(found, price_factor=0.5)
    rows = [
        *_swing(
            "incumbent's price",
            (("halved", halves), ("as listed", found)),
            "that it is halved while the model is in use",
        )
    ]
    least, most = (
        replace(found, asked=replace(found.asked, cached_share=share))
        for share in (_LEAST_CACHED, max(_MOST_CACHED, found.asked.cached_share))
    )
    rows += _swing(
        "prompts read from cache",
        (("none", least), (f"{most.asked.cached_share:.0%}", most)),
        "none to four fifths of prompt tokens",
    )
    if found.incumbent.batch is not None:
        now, later = (
            replace(found, asked=replace(found.asked, batch_share=share)) for share in (0.0, 1.0)
        )
        rows += _swing(
            "requests sent as a batch", (("none", now), ("all", later)), "none to all that can wait"
        )
    return rows


def _fixed(found: Assumptions) -> Sequence[Swing]:
    hosting = found.hosting
    most = max(A_QUARTER_ENGINEER, 2 * hosting.operations_usd_per_month)
    nobody, someone = (
        replace(found, hosting=replace(hosting, operations_usd_per_month=usd)) for usd in (0, most)
    )
    rows = [
        *_swing(
            "operations",
            (("nobody", nobody), (f"${most:,.0f} a month", someone)),
            "nobody, to a quarter of an engineer at $200,000 a year"
            if most == A_QUARTER_ENGINEER
            else "nobody, to twice as much",
        )
    ]
    if hosting.once_usd:
        short, long = (
            replace(found, hosting=replace(hosting, months=months))
            for months in (_LEAST_MONTHS, _MOST_MONTHS)
        )
        rows += _swing(
            "months in use", (("3 months", short), ("12 months", long)), "a quarter to a year"
        )
    return rows
