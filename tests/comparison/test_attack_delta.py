"""What tuning changed of how a model stands attacks: both rates over what is paired, and noise."""

from datetime import date

import pytest

from rehearsed_model import COMPLIANCE, REFUSAL, Rehearsed, place
from weighbridge.comparison.attack_delta import attack_delta
from weighbridge.evidence.payloads.attacks import PAYLOAD
from weighbridge.redteam.campaign import SHIPPED, AttackWanted, BehavioursWanted, Campaign
from weighbridge.redteam.runner import prepare, run_campaign


def attacked(runs, replies, name, seed=0):
    campaign = Campaign(
        "tried", (BehavioursWanted(SHIPPED, limit=12),), (AttackWanted("direct"),),
        system=("shipped",), seed=seed,
    )  # fmt: skip
    done = run_campaign(prepare(campaign), Rehearsed(replies, name=name), place(runs))
    return place(runs).store.read_as(PAYLOAD, done.run_id)


def test_a_difference_is_that_of_the_two_rates_beside_it(tmp_path):
    base = attacked(tmp_path, (REFUSAL, COMPLIANCE), "base")
    again = attacked(tmp_path, (REFUSAL, COMPLIANCE), "base", seed=1)
    # The tuned model says nothing to some, which are paired with nothing.
    tuned = attacked(tmp_path, (COMPLIANCE, ""), "tuned")
    delta = attack_delta(base, again, tuned, date(2026, 12, 1))
    benign, harmful = sorted(delta.rates, key=lambda rate: rate.kind)
    for rate in (benign, harmful):
        assert 0 < rate.behaviours < 12 and rate.freed
        assert rate.noise is not None and rate.noise[0] != rate.difference[0]
    assert harmful.tuned[0] == 1 and benign.tuned[0] == 0
    # Within the clipping of rates to 0 and 1, which a difference does not know.
    gap = harmful.tuned[0] - harmful.base[0]
    assert harmful.difference[0] == pytest.approx(gap, abs=0.16) and gap > 0
    assert any(note.startswith("tuned model: ALARM") for note in delta.notes)
    assert delta.new + delta.mended + delta.remaining > 0
