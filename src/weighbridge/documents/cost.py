"""What a model costs to run oneself against what APIs charge: what `plan cost` prints."""

from dataclasses import dataclass

from weighbridge.documents.form import ABSENT, Inlined, OrAbsent, Printed


@dataclass(frozen=True, kw_only=True)
class CostRates:
    """Dollars per million tokens that an API charges for prompts above a length.

    Attributes:
        above_input_tokens: Prompts of more tokens than this; -1 for all.
        input_usd: Prompt tokens.
        output_usd: Tokens of the answer.
        cached_input_usd: Prompt tokens that the server had at hand.
    """

    above_input_tokens: int
    input_usd: float
    output_usd: float
    cached_input_usd: float


@dataclass(frozen=True, kw_only=True)
class AcceptedCost:
    """What an accepted answer costs.

    Attributes:
        share: Share of the answers that are accepted.
        usd_asked_again: Where what fails is asked again until one is accepted; null for a share
            of 0.
        usd_by_someone: Where someone answers what fails; null where it isn't said what that costs.
    """

    share: float
    usd_asked_again: float | None
    usd_by_someone: float | None


@dataclass(frozen=True, kw_only=True)
class ComparatorDocument:
    """One of the four comparators.

    Attributes:
        role: incumbent, small sibling, hosted open weights or self-hosted.
        name: What is paid for; "" where nothing is known.
        usd_per_request: Dollars for a request; null where not known.
        usd_per_million_tokens: Dollars for a million tokens of this load, input and output
            together; null where not known.
        why: Why it is not known, or what else to say.
        cost_ratio: What the candidate costs over what this one does; null for the candidate.
        times_cheaper: The inverse: how many times cheaper the candidate is.
        break_even_tokens_per_month: Input and output tokens a month from which on the candidate
            costs no more; null where no volume suffices.
        break_even_utilization: Share of its capacity that this volume uses; above 1 none suffices.
        break_even_deployments: Deployments that serve this volume.
        utilization_for_five: Utilization at which the candidate is five times cheaper; above 1 it
            never is.
        utilization_for_ten: The same for ten times.
        chance_cheaper: How likely the candidate is cheaper than this one, by how sure its
            throughput is; null where that was measured.
        chance_five_times_cheaper: Likewise, by five times.
        chance_ten_times_cheaper: Likewise, by ten times.
        rates: The prices; empty for the candidate.
        day: The day of which the price is known, ISO 8601; null for the candidate.
        since: The day from which it held; null where not known.
        age_days: Its age on the day of `as_of`.
        old: Whether it is older than 90 days.
        source: Where it comes from.
        accepted: What an accepted answer costs, with an evaluation.
    """

    role: str
    name: str
    usd_per_request: float | None
    usd_per_million_tokens: float | None
    why: str
    cost_ratio: float | None
    times_cheaper: float | None
    break_even_tokens_per_month: float | None
    break_even_utilization: float | None
    break_even_deployments: int | None
    utilization_for_five: float | None
    utilization_for_ten: float | None
    chance_cheaper: float | None
    chance_five_times_cheaper: float | None
    chance_ten_times_cheaper: float | None
    rates: tuple[CostRates, ...]
    day: str | None
    since: str | None
    age_days: int | None
    old: bool
    source: str
    accepted: OrAbsent[AcceptedCost] = ABSENT


@dataclass(frozen=True, kw_only=True)
class CostAtUtilization:
    """What the candidate costs where a share of its capacity is used.

    Attributes:
        utilization: The share.
        usd_per_million_tokens: Dollars, input and output together.
        cost_ratio: Over what the incumbent costs; null where that is free.
    """

    utilization: float
    usd_per_million_tokens: float
    cost_ratio: float | None


@dataclass(frozen=True, kw_only=True)
class CostSwing:
    """What one assumption does to the cost ratio.

    Attributes:
        assumption: Its name.
        low: One end of its range.
        high: The other end.
        cost_ratio_at_low: The ratio there.
        cost_ratio_at_high: The ratio there.
        decides: Whether self-hosting pays at one end and not at the other.
        because: Where the range comes from.
    """

    assumption: str
    low: str
    high: str
    cost_ratio_at_low: float
    cost_ratio_at_high: float
    decides: bool
    because: str


@dataclass(frozen=True, kw_only=True)
class ThroughputDocument:
    """How fast one deployment is at full load.

    Attributes:
        output_tokens_per_second: Of all its accelerators.
        interval: 95 % interval of it; null where the user measured it.
        basis: forecast or measured.
        layout: How the model is spread; "" where measured.
        sentence: What it rests on.
    """

    output_tokens_per_second: float
    interval: tuple[float, float] | None
    basis: str
    layout: str
    sentence: str


@dataclass(frozen=True, kw_only=True)
class AcceleratorPriceDocument:
    """What an hour of one accelerator costs.

    Attributes:
        usd_per_hour: Dollars.
        basis: rental, neocloud, hyperscaler, or as given.
        day: The day that it is of, ISO 8601.
        age_days: Its age on the day of `as_of`.
        old: Whether it is older than 90 days.
        source: Where it comes from.
        others: Prices on other bases, by name.
    """

    usd_per_hour: float
    basis: str
    day: str
    age_days: int
    old: bool
    source: str
    others: dict[str, float]


@dataclass(frozen=True, kw_only=True)
class FixedCosts:
    """What does not depend on the load.

    Attributes:
        operations_usd_per_month: People and services.
        once_usd: Spent once, by what for: tuning, evaluation, red-team.
        months_in_use: Months over which that is spread.
        usd_per_month: Both together.
    """

    operations_usd_per_month: float
    once_usd: dict[str, float]
    months_in_use: float
    usd_per_month: float


@dataclass(frozen=True, kw_only=True)
class LoadHour:
    """One hour of the log.

    Attributes:
        hour: Counted from the first request.
        requests: That arrived.
        input_tokens: Of their prompts.
        output_tokens: Of their answers.
        deployments: How many deployments their work fills.
    """

    hour: int
    requests: int
    input_tokens: float
    output_tokens: float
    deployments: float


@dataclass(frozen=True, kw_only=True)
class WayToRunDocument:
    """One way to run the deployments under the log's load.

    Attributes:
        name: for the peak, by the hour, scale to zero or shared.
        deployments: Paid for, on the average.
        usd_per_month: Rent and fixed costs.
        usd_per_million_tokens: Input and output together.
        cost_ratio: Over what the incumbent costs; null where that is free.
        how: What it means, and what it assumes.
    """

    name: str
    deployments: float
    usd_per_month: float
    usd_per_million_tokens: float
    cost_ratio: float | None
    how: str


@dataclass(frozen=True, kw_only=True)
class LoadDocument:
    """The log, hour by hour.

    Attributes:
        requests: In the log.
        seconds: From its first request to its last.
        peak_deployments: Deployments that the busiest hour takes.
        mean_deployments: How many the log's work fills on the average.
        hours: The hours.
        ways: Ways to run it.
    """

    requests: int
    seconds: float
    peak_deployments: int
    mean_deployments: float
    hours: tuple[LoadHour, ...]
    ways: tuple[WayToRunDocument, ...]


@dataclass(frozen=True, kw_only=True)
class OwnCost:
    """What the candidate costs.

    Attributes:
        usd_per_million_tokens: At `utilization`, input and output together.
        usd_per_million_tokens_at_full_load: Likewise at full load.
        usd_per_million_output_tokens: At `utilization`, where all is charged to the answers.
        usd_per_month: Rent and fixed costs of `deployments`.
        utilization: Share of the capacity that is used.
        deployments: How many run.
        requests_per_month: The volume; what `utilization` serves where none was stated.
        tokens_per_month: Input and output tokens of it.
    """

    usd_per_million_tokens: float
    usd_per_million_tokens_at_full_load: float
    usd_per_million_output_tokens: float
    usd_per_month: float
    utilization: float
    deployments: int
    requests_per_month: float
    tokens_per_month: float


@dataclass(frozen=True, kw_only=True)
class CostDocument:
    """What a model costs to run oneself, against four comparators.

    Attributes:
        model: The candidate.
        accelerator: Its name.
        gpus: How many a deployment has.
        precision: Of the weights.
        api: The incumbent.
        as_of: The day it is asked, ISO 8601.
        cost_ratio: What the candidate costs over what the incumbent does; below 1 it is cheaper.
        cost_ratio_interval: 95 % interval of it, from the throughput's; null where that was
            measured.
        times_cheaper: The inverse.
        break_even_tokens_per_month: Input and output tokens a month from which on the candidate
            costs no more than the incumbent; null where no volume suffices.
        break_even_utilization: Share of its capacity that this volume uses; above 1 none suffices.
        break_even_utilization_interval: 95 % interval of it, from the throughput's; null where that
            was measured.
        break_even_deployments: Deployments that serve this volume.
        own: What the candidate costs.
        input_tokens: Of a prompt, on the average.
        output_tokens: Of an answer, on the average.
        cached_share: Share of prompt tokens that the API reads from its cache.
        batch_share: Share of the requests that are sent as a batch.
        comparators: The four, always.
        by_utilization: The candidate's cost at several utilizations.
        sensitivity: What each assumption does, the one that decides most first.
        throughput: Of one deployment.
        accelerator_price: Of one accelerator.
        fixed: What does not depend on the load.
        conditions: Under which this holds.
        old_prices: Prices that are older than 90 days, in words.
        later_prices: Prices that are known only of a later day than `as_of`, in words.
        notes: On the model.
        load: The log, hour by hour, with `--log` that has times.
    """

    model: str
    accelerator: str
    gpus: int
    precision: str
    api: str
    as_of: str
    cost_ratio: float | None
    cost_ratio_interval: tuple[float, float] | None
    times_cheaper: float | None
    break_even_tokens_per_month: float | None
    break_even_utilization: float | None
    break_even_utilization_interval: tuple[float, float] | None
    break_even_deployments: int | None
    own: Inlined[OwnCost]
    input_tokens: float
    output_tokens: float
    cached_share: float
    batch_share: float
    comparators: tuple[ComparatorDocument, ...]
    by_utilization: tuple[CostAtUtilization, ...]
    sensitivity: tuple[CostSwing, ...]
    throughput: ThroughputDocument
    accelerator_price: AcceleratorPriceDocument
    fixed: FixedCosts
    conditions: tuple[str, ...]
    old_prices: tuple[str, ...]
    later_prices: tuple[str, ...]
    notes: tuple[str, ...]
    load: OrAbsent[LoadDocument] = ABSENT


PRINTED = (Printed("plan cost", CostDocument),)
