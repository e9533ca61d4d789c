"""The cost model reproduces published and measured figures, each with its source.

`section 5` is that of scaling_and_economics.md, which assumes two H100 at $2.50
an hour and 4,205 output tokens a second (Llama-3.3-70B in FP8, prompts and answers of 1,000 tokens,
TensorRT-LLM's table).
"""

from datetime import date
from math import inf

import pytest

from weighbridge.catalog.api_prices import find_api_price
from weighbridge.planning.cost import (
    HOURS_A_MONTH,
    Hosting,
    Workload,
    api_usd_per_request,
    break_even,
    times_cheaper,
    usd_per_request,
    utilization_for,
)
from weighbridge.records import Price, Rate

TODAY = date(2026, 11, 30)
TWO_H100 = Hosting(usd_per_hour=5.0, seconds_per_request=1000 / 4205)
EVEN = Workload(input_tokens=1000, output_tokens=1000)


def price(inputs, outputs):
    return Price((Rate(-1, inputs, outputs, inputs),), "stated")


def test_a_70b_on_two_h100_costs_33_cents_at_full_load():
    """Section 5: $0.33 for a million tokens in and a million out."""
    assert usd_per_request(TWO_H100) * 1000 == pytest.approx(0.33, abs=0.005)


SECTION_5 = {
    "claude-sonnet-4-5": (18, 54, 0.09, 0.18),
    "gpt-4o": (12.5, 38, 0.13, 0.26),
    "gpt-5": (11.25, 34, 0.15, 0.29),
    "gemini-2.5-flash": (2.8, 8.5, 0.59, inf),
    "gpt-5-mini": (2.25, 6.8, 0.73, inf),
    "aws/meta.llama3-3-70b-instruct-v1:0": (1.44, 4.4, inf, inf),
    "gpt-4o-mini": (0.75, 2.3, inf, inf),
}
"""Dollars for 1M in and 1M out, most times cheaper, utilization for 5 and for 10 times."""


@pytest.mark.parametrize("name", SECTION_5)
def test_five_to_ten_times_cheaper_is_a_statement_about_the_comparator(name):
    """Section 5's table, with prices of genai-prices in place of typed ones."""
    dollars, most, *shares = SECTION_5[name]
    api = api_usd_per_request(find_api_price(name, TODAY).price, EVEN)
    assert api * 1000 == pytest.approx(dollars)
    assert times_cheaper(TWO_H100, api) == pytest.approx(most, rel=0.02)
    for times, share in zip((5, 10), shares, strict=True):
        needed = utilization_for(TWO_H100, api, times)
        assert needed > 1 if share == inf else needed == pytest.approx(share, abs=0.006)


@pytest.mark.parametrize(
    "dollars, millions, share", [(12.5, 584, 0.026), (0.75, 9_733, 0.44), (0.42, 17_381, 0.79)]
)
def test_break_even_of_the_rent_alone(dollars, millions, share):
    """Section 5: 584M tokens a month against GPT-4o, 9.7B against 4o-mini, 17.4B hosted."""
    found = break_even(TWO_H100, dollars / 1000)
    assert found.requests_per_month * 2000 / 1e6 == pytest.approx(millions, rel=1e-3)
    assert found.utilization == pytest.approx(share, abs=0.005)


def test_a_quarter_of_an_engineer_doubles_the_break_even():
    """Section 5: 1.25B tokens a month against GPT-4o with 0.25 of $200,000 a year."""
    staffed = Hosting(5.0, 1000 / 4205, operations_usd_per_month=0.25 * 200_000 / 12)
    found = break_even(staffed, 12.5e-3)
    assert found.requests_per_month * 2000 / 1e9 == pytest.approx(1.25, abs=0.005)


RE_DATED = {
    "Llama-3.3-70B": (2_209, (3.7, 2.8, 1.9)),
    "gpt-oss-120b": (4_685, (7.8, 6.0, 4.0)),
    "gpt-oss-20b": (11_557, (19, 15, 10)),
}
"""Output tokens a second of one H100 (TensorRT-LLM's table, 1.2), and times at three prices."""


@pytest.mark.parametrize("name", RE_DATED)
def test_five_times_at_todays_small_models_takes_a_sparse_model(name):
    """2026-11.md, section 1: against $0.60 for 1M in and 1M out, at full load."""
    rate, times = RE_DATED[name]
    for usd_per_hour, most in zip((1.30, 1.69, 2.50), times, strict=True):
        one = Hosting(usd_per_hour, 1000 / rate)
        assert times_cheaper(one, 0.60e-3) == pytest.approx(most, rel=0.03)
    cheapest = utilization_for(Hosting(1.30, 1000 / rate), 0.60e-3, 5)
    assert (cheapest > 1) == (name == "Llama-3.3-70B")


def test_an_idle_month_costs_what_a_full_one_does():
    """https://vercel.com/i/self-hosted-llm: 17.5 times between an idle and a saturated GPU."""
    assert usd_per_request(TWO_H100, 1 / 17.5) / usd_per_request(TWO_H100) == pytest.approx(17.5)


def test_prices_of_late_november():
    """2026-11.md, section 1, from genai-prices 0.2.3."""
    for name, rates in {
        "gpt-6-luna": (0.10, 0.50),
        "claude-haiku-5-5": (0.10, 0.50),
        "gpt-6.1-terra": (1, 5),
        "gpt-6.1-sol": (2, 10),
        "claude-sonnet-5-5": (2, 10),
        "claude-opus-5-5": (4, 20),
        "ft:gpt-4o-mini-2024-07-18:acme::id": (0.30, 1.20),
    }.items():
        rate = find_api_price(name, TODAY).price.rates[0]
        told = rate.input_usd_per_million_tokens, rate.output_usd_per_million_tokens
        assert told == rates, name


def test_a_few_long_prompts_cost_more_than_their_mean():
    """claude-haiku-5-5 costs five times as much above 100,000 tokens."""
    haiku = find_api_price("claude-haiku-5-5", TODAY).price
    mixed = Workload(50_500, 100, lengths={(1_000, 100): 1, (100_001, 100): 1})
    told = api_usd_per_request(haiku, mixed)
    by_hand = (1_000 * 0.1 + 100 * 0.5 + 100_001 * 0.5 + 100 * 2.5) / 2 / 1e6
    assert told == pytest.approx(by_hand)
    assert told > 4 * api_usd_per_request(haiku, Workload(50_500, 100))


def test_cache_reads_and_batches_are_charged_as_listed():
    sonnet = find_api_price("claude-sonnet-5-5", TODAY)
    asked = Workload(1000, 1000, cached_share=0.5, batch_share=0.25)
    told = api_usd_per_request(sonnet.price, asked, sonnet.batch)
    at_once = (500 * 2 + 500 * 0.1 + 1000 * 10) / 1e6
    assert told == pytest.approx(0.75 * at_once + 0.25 * at_once / 2)


def test_several_deployments_may_pay_where_one_does_not():
    """Fixed costs that one full deployment can't earn back, several can."""
    dear = Hosting(1.0, 1.0, once_usd=6 * 2000.0)
    api = 1.5 * usd_per_request(Hosting(1.0, 1.0))
    found = break_even(dear, api)
    assert found.deployments == 6 and found.utilization <= 1
    rent = 6 * HOURS_A_MONTH
    assert found.requests_per_month * api == pytest.approx(rent + 2000)
    never = break_even(dear, 0.9 * usd_per_request(Hosting(1.0, 1.0)))
    assert never.requests_per_month is None and never.utilization > 1
