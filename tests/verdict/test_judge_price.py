"""A judge is paid, and takes its time: neither is the candidate's, nor the incumbent's."""

from dataclasses import replace

import pytest

from scored_runs import answer, run_of
from weighbridge.comparison.before_after import BenchmarkComparison
from weighbridge.evidence.payloads.evaluation import Totals
from weighbridge.records import BenchmarkSpec, Charge, Rate, told_apart
from weighbridge.statistics import compare, estimate
from weighbridge.verdict.economics import Economics, viability
from weighbridge.verdict.replacement import judge_replacement

N = 10
MODEL, JUDGE = Rate(-1, 1000.0, 0.0, 1000.0), Rate(-1, 7000.0, 0.0, 7000.0)
ECONOMICS = Economics(machine_usd_per_hour=3.6)  # a tenth of a cent a second


def charge(by, rate):
    return Charge(by, 100, 0, 0, 0, rate)


def judged_run(name, *, priced, judge, seconds, judge_seconds=None, told=True):
    """Ten answers at 0.1 USD each where the model is paid, each judged for 0.7 USD."""
    charges = [charge("model", MODEL)] * priced + [charge("judge", JUDGE)] * judge
    samples = [replace(answer(f"s{i}", 1.0), charges=tuple(charges)) for i in range(N)]
    found = run_of(name, samples)
    read = Totals()
    for sample in samples:
        read.add(sample)
    prices = ({"model": "a list"} if priced else {}) | ({"judge": "a list"} if judge else {})
    where = replace(
        found.provenance, wall_seconds=seconds, cost_usd=read.cost_usd, prices=prices,
        judge="a judge" if judge else None, judge_seconds=judge_seconds,
        judge_cost_usd=read.judge_cost_usd if told else None,
    )  # fmt: skip
    return told_apart(replace(found, provenance=where, estimate=estimate(samples)))


def weighed(before, after):
    return BenchmarkComparison(
        BenchmarkSpec("b"), before, after, compare(after, before, margin=0.1), ()
    )


@pytest.mark.parametrize("told", [True, False])  # older evidence has the total alone
@pytest.mark.parametrize("judge", [False, True])
def test_a_self_hosted_candidate_stays_one(judge, told):
    incumbent = judged_run("incumbent", priced=True, judge=judge, seconds=1, told=told)
    own = judged_run("own", priced=False, judge=judge, seconds=50_000, told=told)
    found = viability([weighed(incumbent, own)], ECONOMICS)
    assert found.incumbent_usd_per_item == pytest.approx(0.1)
    assert found.candidate_usd_per_item == pytest.approx(5.0)
    assert found.cost_ratio == pytest.approx(50.0)
    assert found.break_even_utilization == pytest.approx(50.0)
    assert judge_replacement([weighed(incumbent, own)], [], ECONOMICS, "in house").verdict == "keep"
    assert viability([weighed(incumbent, own)], None) is None


def test_an_incumbent_without_a_price_has_none_because_its_judge_has_one():
    incumbent = judged_run("incumbent", priced=False, judge=True, seconds=1)
    own = judged_run("own", priced=False, judge=True, seconds=1)
    assert viability([weighed(incumbent, own)], ECONOMICS) is None
    judged = judge_replacement([weighed(incumbent, own)], [], ECONOMICS, "in house")
    assert judged.verdict == "insufficient evidence"
    assert any("[incumbent] price" in finding.sentence for finding in judged.findings)


@pytest.mark.parametrize("judge", [False, True])
def test_two_that_are_paid_by_the_token_cost_what_they_charged(judge):
    incumbent = judged_run("incumbent", priced=True, judge=judge, seconds=1)
    own = judged_run("own", priced=True, judge=judge, seconds=1)
    found = viability([weighed(incumbent, own)], None)
    assert found.cost_ratio == pytest.approx(1.0) and found.break_even_utilization is None
    assert found.candidate_usd_per_item == pytest.approx(0.1)


def test_the_time_that_a_judge_takes_is_not_the_machine_s():
    incumbent = judged_run("incumbent", priced=True, judge=True, seconds=1)
    own = judged_run("own", priced=False, judge=True, seconds=500, judge_seconds=400)
    found = viability([weighed(incumbent, own)], ECONOMICS)
    assert found.candidate_usd_per_item == pytest.approx(0.01)
    assert not any("judge" in condition for condition in found.conditions)
    older = judged_run("older", priced=False, judge=True, seconds=500)
    found = viability([weighed(incumbent, older)], ECONOMICS)
    assert any("its judge's time included" in condition for condition in found.conditions)
