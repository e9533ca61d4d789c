"""One cost question, answered whole: comparators, utilizations, sensitivity, hourly load."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from weighbridge.catalog.accelerator_prices import OLD_AFTER_DAYS, AcceleratorPrice
from weighbridge.planning.cost.chances import chance, likely_rates
from weighbridge.planning.cost.comparison import (
    Alternative,
    Demand,
    Priced,
    Role,
    compare,
    own_usd,
)
from weighbridge.planning.cost.hosting import (
    Hosting,
    break_even,
    deployments_for,
    usd_per_request,
)
from weighbridge.planning.cost.load import HourlyLoad, hourly_load
from weighbridge.planning.cost.sensitivity import Assumptions, Swing, swings
from weighbridge.planning.cost.workload import Workload
from weighbridge.planning.serving.trace import Trace

SHOWN_UTILIZATIONS = (0.05, 0.1, 0.25, 0.5, 1.0)


@dataclass(frozen=True)
class Rate:
    """Output tokens a second of one deployment at full load.

    Attributes:
        tokens_per_second: Of all its accelerators.
        interval: 95 % interval; None where it was measured.
    """

    tokens_per_second: float
    interval: tuple[float, float] | None = None


@dataclass(frozen=True)
class Question:
    """What is asked.

    Attributes:
        name: The candidate.
        accelerators: How many a deployment has.
        machine: What one costs an hour.
        rate: How fast a deployment is.
        asked: The requests.
        demand: How much of the capacity is used; a log with times replaces it.
        alternatives: Incumbent, small sibling, hosted open weights.
        operations_usd_per_month: People and services.
        once_usd: Spent once, by what for.
        months: Months in use.
        as_of: The day.
        shares: Share of accepted answers, by comparator.
        usd_by_someone: What an answer costs that someone gives in place of the model.
        log: A log of requests.
    """

    name: str
    accelerators: int
    machine: AcceleratorPrice
    rate: Rate
    asked: Workload
    demand: Demand
    alternatives: tuple[Alternative, ...]
    operations_usd_per_month: float
    once_usd: Mapping[str, float]
    months: float
    as_of: date
    shares: Mapping[Role, float]
    usd_by_someone: float | None = None
    log: Trace | None = None

    @property
    def hosting(self) -> Hosting:
        """One deployment."""
        return self.hosting_at(self.rate.tokens_per_second)

    def hosting_at(self, tokens_per_second: float) -> Hosting:
        """Return one deployment that is as fast as this."""
        return Hosting(
            usd_per_hour=self.machine.usd_per_hour * self.accelerators,
            seconds_per_request=self.asked.output_tokens / tokens_per_second,
            operations_usd_per_month=self.operations_usd_per_month,
            once_usd=sum(self.once_usd.values()),
            months=self.months,
        )


@dataclass(frozen=True)
class Chances:
    """The probability that the candidate is cheaper than a comparator.

    Its throughput is uncertain, and so is its cost; all else is taken as stated.

    Attributes:
        cheaper: Than it.
        five_times: By five times.
        ten_times: By ten times.
    """

    cheaper: float
    five_times: float
    ten_times: float


@dataclass(frozen=True)
class Answer:
    """What came out.

    Attributes:
        question: What was asked.
        hosting: One deployment.
        demand: How much of it is used.
        comparators: The four.
        cost_ratio: What the candidate costs over what the incumbent does; None for a free one.
        interval: 95 % interval of it; None where the rate was measured.
        break_even_interval: 95 % interval of the utilization at which both cost the same; None
            likewise.
        chances: How likely the candidate is cheaper, by comparator; empty where the rate was
            measured.
        by_utilization: The candidate's dollars for a request at several utilizations.
        swings: What each assumption does, the widest first.
        load: The log, hour by hour; None without times.
    """

    question: Question
    hosting: Hosting
    demand: Demand
    comparators: tuple[Priced, ...]
    cost_ratio: float | None
    interval: tuple[float, float] | None
    break_even_interval: tuple[float, float] | None
    chances: Mapping[Role, Chances]
    by_utilization: Mapping[float, float]
    swings: tuple[Swing, ...]
    load: HourlyLoad | None

    @property
    def incumbent(self) -> Priced:
        """The comparator that is paid for today."""
        return self.comparators[0]

    @property
    def own_usd(self) -> float:
        """What the candidate costs for a request."""
        return own_usd(self.hosting, self.demand)

    @property
    def deployments(self) -> int:
        """How many deployments run."""
        volume = self.demand.requests_per_month
        if volume is None:
            return 1
        return deployments_for(self.hosting, volume, self.demand.peak)

    @property
    def requests_per_month(self) -> float:
        """The volume: as stated, or what the utilization serves."""
        volume = self.demand.requests_per_month
        capacity = self.hosting.requests_per_month
        return capacity * self.demand.utilization if volume is None else volume

    @property
    def utilization(self) -> float:
        """Share of the deployments' capacity that is used."""
        return self.requests_per_month / (self.deployments * self.hosting.requests_per_month)

    def per_million_tokens(self, usd: float) -> float:
        """Return dollars for a million tokens, from those for a request."""
        return usd / self.question.asked.tokens_per_request * 1e6

    @property
    def later_prices(self) -> tuple[str, ...]:
        """Prices of which it is not known that they held on the day that is asked about."""
        as_of, machine = self.question.as_of, self.question.machine
        found = [(f"an hour of {machine.accelerator}", machine.day)] * (machine.day > as_of)
        found += [
            (one.name, one.price.since or one.price.day)
            for one in self.comparators
            if one.price is not None and not one.price.held_on(as_of)
        ]
        return tuple(
            f"{name} is known of {day.isoformat()}; what it cost on {as_of.isoformat()} is not"
            for name, day in found
        )

    @property
    def old_prices(self) -> tuple[str, ...]:
        """Prices that are older than 90 days, in words."""
        as_of, machine = self.question.as_of, self.question.machine
        dated = [(f"an hour of {machine.accelerator}", machine.day, machine.age_days(as_of))]
        dated += [
            (one.name, one.price.day, one.price.age_days(as_of))
            for one in self.comparators
            if one.price is not None
        ]
        return tuple(
            f"{name} is of {day.isoformat()}, {age} days before"
            for name, day, age in dated
            if age > OLD_AFTER_DAYS
        )


def answer(asked: Question) -> Answer:
    """Answer a question."""
    hosting = asked.hosting
    demand, load = asked.demand, None
    if asked.log is not None:
        load = hourly_load(asked.log, hosting, asked.rate.tokens_per_second)
    if load is not None:
        demand = Demand(1.0, load.requests_per_month, load.peak_over_mean)
    comparators = compare(
        hosting, demand, asked.asked, asked.alternatives, asked.name, asked.shares,
        asked.usd_by_someone,
    )  # fmt: skip
    return Answer(
        question=asked,
        hosting=hosting,
        demand=demand,
        comparators=comparators,
        cost_ratio=comparators[0].cost_ratio,
        interval=_interval(asked, demand, comparators[0].usd),
        break_even_interval=_break_even_interval(asked, comparators[0].usd),
        chances=_chances(asked, demand, comparators),
        by_utilization={u: usd_per_request(hosting, u) for u in SHOWN_UTILIZATIONS},
        swings=_swings(asked, hosting, demand),
        load=load,
    )


def _interval(asked: Question, demand: Demand, paid: float | None) -> tuple[float, float] | None:
    if asked.rate.interval is None or not paid:
        return None
    slow, fast = (own_usd(asked.hosting_at(rate), demand) for rate in asked.rate.interval)
    return fast / paid, slow / paid


def _break_even_interval(asked: Question, paid: float | None) -> tuple[float, float] | None:
    if asked.rate.interval is None or not paid:
        return None
    slow, fast = (break_even(asked.hosting_at(r), paid).utilization for r in asked.rate.interval)
    return None if slow is None or fast is None else (fast, slow)


def _chances(asked: Question, demand: Demand, comparators: Sequence[Priced]) -> dict[Role, Chances]:
    if asked.rate.interval is None:
        return {}
    rates = likely_rates(asked.rate.tokens_per_second, asked.rate.interval)

    def usd_at(rate: float) -> float:
        return own_usd(asked.hosting_at(rate), demand)

    return {
        one.role: Chances(*(chance(usd_at, rates, one.usd, times) for times in (1, 5, 10)))
        for one in comparators
        if one.usd is not None and one.cost_ratio is not None
    }


def _swings(asked: Question, hosting: Hosting, demand: Demand) -> tuple[Swing, ...]:
    incumbent = next((a.price for a in asked.alternatives if a.role == "incumbent"), None)
    if incumbent is None:
        return ()
    rate, machine = asked.rate, asked.machine
    factors = None
    if rate.interval is not None:
        slow, fast = rate.interval
        factors = slow / rate.tokens_per_second, fast / rate.tokens_per_second
    prices = (machine.usd_per_hour, *machine.others.values())
    rent, because = (min(prices), max(prices)), "the table's bases of payment"
    if len(set(prices)) == 1:
        rent = (0.75 * machine.usd_per_hour, 1.25 * machine.usd_per_hour)
        because = "a quarter less to a quarter more"
    found = Assumptions(hosting, demand, asked.asked, incumbent)
    low, high = (end / machine.usd_per_hour for end in rent)
    return tuple(swings(found, factors, (low, high), because))
