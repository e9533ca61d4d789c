"""A cost comparison as the document that `plan cost --json` prints."""

from collections.abc import Sequence

from weighbridge.catalog.accelerator_prices import OLD_AFTER_DAYS
from weighbridge.cli.cost_output import conditions, throughput_sentence
from weighbridge.cli.cost_question import CostPlan
from weighbridge.documents import ABSENT
from weighbridge.documents.cost import (
    AcceleratorPriceDocument,
    AcceptedCost,
    ComparatorDocument,
    CostAtUtilization,
    CostDocument,
    CostRates,
    CostSwing,
    FixedCosts,
    LoadDocument,
    LoadHour,
    OwnCost,
    ThroughputDocument,
    WayToRunDocument,
)
from weighbridge.planning.cost import Answer, Priced
from weighbridge.planning.cost.load import HourlyLoad
from weighbridge.records import Rate


def cost_document(made: CostPlan) -> CostDocument:
    """Return a comparison as the document that scripts rely on."""
    found, asked = made.answer, made.answer.question
    first = _comparator_document(found, found.incumbent)
    paid = found.incumbent.usd
    return CostDocument(
        model=made.found.title,
        accelerator=made.found.machine,
        gpus=made.found.gpus,
        precision=made.found.precision,
        api=found.incumbent.name,
        as_of=asked.as_of.isoformat(),
        cost_ratio=found.cost_ratio,
        cost_ratio_interval=found.interval,
        times_cheaper=first.times_cheaper,
        break_even_tokens_per_month=first.break_even_tokens_per_month,
        break_even_utilization=first.break_even_utilization,
        break_even_utilization_interval=found.break_even_interval,
        break_even_deployments=first.break_even_deployments,
        own=_own_document(found),
        input_tokens=asked.asked.input_tokens,
        output_tokens=asked.asked.output_tokens,
        cached_share=asked.asked.cached_share,
        batch_share=asked.asked.batch_share,
        comparators=tuple(_comparator_document(found, one) for one in found.comparators),
        by_utilization=tuple(
            CostAtUtilization(
                utilization=share,
                usd_per_million_tokens=found.per_million_tokens(usd),
                cost_ratio=usd / paid if paid else None,
            )
            for share, usd in found.by_utilization.items()
        ),
        sensitivity=tuple(
            CostSwing(
                assumption=one.assumption, low=one.low, high=one.high,
                cost_ratio_at_low=one.ratio_at_low, cost_ratio_at_high=one.ratio_at_high,
                decides=one.decides, because=one.because,
            )
            for one in found.swings
        ),
        throughput=_throughput_document(made),
        accelerator_price=_machine_document(found),
        fixed=FixedCosts(
            operations_usd_per_month=asked.operations_usd_per_month,
            once_usd=dict(asked.once_usd),
            months_in_use=asked.months,
            usd_per_month=found.hosting.fixed_usd_per_month,
        ),
        conditions=tuple(conditions(made)),
        old_prices=found.old_prices,
        later_prices=found.later_prices,
        notes=made.found.notes,
        load=ABSENT if found.load is None else _load_document(found, found.load),
    )  # fmt: skip


def _own_document(found: Answer) -> OwnCost:
    own, asked = found.own_usd, found.question.asked
    return OwnCost(
        usd_per_million_tokens=found.per_million_tokens(own),
        usd_per_million_tokens_at_full_load=found.per_million_tokens(found.by_utilization[1.0]),
        usd_per_million_output_tokens=own / asked.output_tokens * 1e6,
        usd_per_month=own * found.requests_per_month,
        utilization=found.utilization,
        deployments=found.deployments,
        requests_per_month=found.requests_per_month,
        tokens_per_month=found.requests_per_month * asked.tokens_per_request,
    )


def _comparator_document(found: Answer, one: Priced) -> ComparatorDocument:
    price, at, chances = one.price, one.break_even, found.chances.get(one.role)
    volume = None if at is None else at.requests_per_month
    age = None if price is None else price.age_days(found.question.as_of)
    return ComparatorDocument(
        role=one.role,
        name=one.name,
        usd_per_request=one.usd,
        usd_per_million_tokens=None if one.usd is None else found.per_million_tokens(one.usd),
        why=one.why,
        cost_ratio=one.cost_ratio,
        times_cheaper=1 / one.cost_ratio if one.cost_ratio else None,
        break_even_tokens_per_month=None
        if volume is None
        else volume * found.question.asked.tokens_per_request,
        break_even_utilization=None if at is None else at.utilization,
        break_even_deployments=None if at is None or volume is None else at.deployments,
        utilization_for_five=one.for_five,
        utilization_for_ten=one.for_ten,
        chance_cheaper=None if chances is None else chances.cheaper,
        chance_five_times_cheaper=None if chances is None else chances.five_times,
        chance_ten_times_cheaper=None if chances is None else chances.ten_times,
        rates=() if price is None else _rates_document(price.price.rates),
        day=None if price is None else price.day.isoformat(),
        since=None if price is None or price.since is None else price.since.isoformat(),
        age_days=age,
        old=age is not None and age > OLD_AFTER_DAYS,
        source="" if price is None else price.source,
        accepted=ABSENT
        if one.accepted is None
        else AcceptedCost(
            share=one.accepted.share,
            usd_asked_again=one.accepted.asked_again_usd,
            usd_by_someone=one.accepted.by_someone_usd,
        ),
    )


def _rates_document(rates: Sequence[Rate]) -> tuple[CostRates, ...]:
    return tuple(
        CostRates(
            above_input_tokens=rate.above_input_tokens,
            input_usd=rate.input_usd_per_million_tokens,
            output_usd=rate.output_usd_per_million_tokens,
            cached_input_usd=rate.cached_input_usd_per_million_tokens,
        )
        for rate in rates
    )


def _throughput_document(made: CostPlan) -> ThroughputDocument:
    rate, forecast = made.found.rate, made.found.plan
    return ThroughputDocument(
        output_tokens_per_second=rate.tokens_per_second,
        interval=rate.interval,
        basis="measured" if forecast is None else "forecast",
        layout="" if forecast is None else forecast.layout.title,
        sentence=throughput_sentence(made),
    )


def _machine_document(found: Answer) -> AcceleratorPriceDocument:
    machine, as_of = found.question.machine, found.question.as_of
    age = machine.age_days(as_of)
    return AcceleratorPriceDocument(
        usd_per_hour=machine.usd_per_hour,
        basis=machine.basis,
        day=machine.day.isoformat(),
        age_days=age,
        old=age > OLD_AFTER_DAYS,
        source=machine.source,
        others=dict(machine.others),
    )


def _load_document(found: Answer, load: HourlyLoad) -> LoadDocument:
    paid = found.incumbent.usd
    return LoadDocument(
        requests=sum(hour.requests for hour in load.hours),
        seconds=load.seconds,
        peak_deployments=load.peak_deployments,
        mean_deployments=load.utilization,
        hours=tuple(
            LoadHour(
                hour=i, requests=hour.requests, input_tokens=hour.input_tokens,
                output_tokens=hour.output_tokens, deployments=hour.deployments,
            )
            for i, hour in enumerate(load.hours)
        ),
        ways=tuple(
            WayToRunDocument(
                name=way.name,
                deployments=way.deployments,
                usd_per_month=way.usd_per_month,
                usd_per_million_tokens=found.per_million_tokens(
                    way.usd_per_month / load.requests_per_month
                ),
                cost_ratio=way.usd_per_month / load.requests_per_month / paid if paid else None,
                how=way.how,
            )
            for way in load.ways
        ),
    )  # fmt: skip
