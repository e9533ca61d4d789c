"""A project's four comparators: what was measured, and what only has a price."""

import pytest
from test_judge_price import N, judged_run, weighed

from weighbridge.records import Price, Rate
from weighbridge.verdict.comparators import Offer, compared_costs
from weighbridge.verdict.economics import Economics, viability

SIBLING = Offer(
    "small sibling", "host/mini", Price((Rate(-1, 100.0, 0.0, 100.0),), "a list"), "2026-11-03"
)
NO_HOST = Offer("hosted open weights", "", None, "", "no host's price is known")


@pytest.fixture(scope="module")
def both():
    incumbent = judged_run("incumbent", priced=True, judge=False, seconds=1)
    return [weighed(incumbent, judged_run("own", priced=False, judge=False, seconds=100))]


def test_the_small_sibling_is_priced_by_the_incumbents_tokens(both):
    """The incumbent read 100 tokens an item at 1,000 USD a million; its sibling takes 100."""
    economics = Economics(machine_usd_per_hour=3.6, usd_by_someone=2.0)
    found = compared_costs(both, economics, (SIBLING, NO_HOST), "big", "own")
    incumbent, sibling, host, own = found.comparators
    assert found.items == N and incumbent.usd == pytest.approx(0.1)
    read = both[0].before.provenance.input_tokens / N
    assert sibling.usd == pytest.approx(read * 100 / 1e6) and sibling.accepted is None
    assert host.usd is None and host.why == NO_HOST.why
    assert own.usd == pytest.approx(0.01) and incumbent.cost_ratio == pytest.approx(0.1)
    assert own.accepted.by_someone_usd == pytest.approx(0.01)  # every answer was accepted


def test_what_was_spent_once_counts_in_the_verdict_too(both):
    """3.6 USD an hour serve 730 x 3600 / 10 items a month, of which each bears its part."""
    plain = viability(both, Economics(machine_usd_per_hour=3.6))
    dear = Economics(machine_usd_per_hour=3.6, spent_once_usd=12 * 2628.0, months_in_use=12)
    found = viability(both, dear)
    more = found.candidate_usd_per_item - plain.candidate_usd_per_item
    assert more == pytest.approx(2628 / (730 * 3600 / 10))
    assert found.break_even_items_per_month == pytest.approx((3.6 * 730 + 2628) / 0.1)
    assert any("12 months in use" in said for said in found.conditions)
