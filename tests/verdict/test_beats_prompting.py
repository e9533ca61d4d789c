"""Tuning pays only where it beats the best prompt, too, by more than the margin."""

from dataclasses import replace

import pytest

from scored_runs import run
from weighbridge.comparison.before_after import BenchmarkComparison
from weighbridge.comparison.prompted import (
    ArmCosts,
    PromptedComparison,
    RequestCost,
    ScoredPrompt,
)
from weighbridge.records import BenchmarkSpec, PromptArm, PromptTried, Ungraded
from weighbridge.statistics import compare, estimate
from weighbridge.verdict.economics import Economics
from weighbridge.verdict.paid import judge

ITEMS = 200
COSTS = ArmCosts(*(RequestCost(tokens, 25.0, 0.5, None) for tokens in (160.0, 560.0, 161.0)))


def answered(name, right, first=0):
    """A run that answers so many items, the first ones, right."""
    made = run(name, [float(first <= i < first + right) for i in range(ITEMS)])
    return replace(made, estimate=estimate(made.samples, "mean"))


def weighed(base, prompted, tuned, name="b", margin=0.02):
    """One target's three arms, from the number of right answers of each."""
    before, between, after = (
        answered(which, right) for which, right in zip("bpt", (base, prompted, tuned), strict=True)
    )
    spec = BenchmarkSpec(name, "target", margin)
    tried = (PromptTried(0, 0, "v0"), PromptTried(4, 1, "v4"))
    arm = PromptArm(spec, between.run_id, 4, 1, ("row 1",) * 4, "sha256:0", tried)
    against = PromptedComparison(
        arm, between, compare(between, after, margin=margin), None, False,
        (ScoredPrompt(tried[0], before), ScoredPrompt(tried[1], between)), COSTS,
    )  # fmt: skip
    compared = compare(after, before, margin=margin)
    return BenchmarkComparison(spec, before, after, compared, (), prompted=against)


@pytest.mark.parametrize(
    ("base", "prompted", "tuned", "expected"),
    [
        (0, 20, 120, "paid"),
        (0, 120, 100, "did not pay"),  # a better prompt beats a poor tuning
        (0, 120, 120, "did not pay"),  # and one that is as good makes it needless
        (0, 113, 120, "insufficient evidence"),  # better, and perhaps by no more than the margin
        (110, 20, 112, "insufficient evidence"),
        (120, 20, 120, "did not pay"),  # no better than the base as it is
    ],
)
def test_tuning_has_to_beat_the_base_and_the_best_prompt(base, prompted, tuned, expected):
    judged = judge([weighed(base, prompted, tuned)], [])
    assert judged.verdict == expected, judged.headline


def test_a_poor_tuning_that_a_prompt_beats_is_said_so_with_what_a_request_costs():
    judged = judge([weighed(0, 120, 100)], [], Economics(machine_usd_per_hour=3.6))
    assert judged.headline.startswith("Tuning does not beat the best prompt on b: 50.0 % against")
    better, beats = judged.findings
    assert (better.outcome, beats.outcome) == ("yes", "no")
    assert "worked examples in its prompt, a difference of −10.0 points" in beats.sentence
    assert (
        "on 200 validation rows, where it scored 60.0 % and the base as it is 0.0 %"
        in beats.sentence
    )
    assert "tuned model 161 + 25 tokens (0.5 USD for a thousand)" in beats.sentence
    assert "prompted base 560 + 25 tokens" in beats.sentence


@pytest.mark.parametrize(("tuned", "expected"), [(120, "paid"), (20, "did not pay")])
def test_a_base_that_says_nothing_without_examples_is_judged_with_them(tuned, expected):
    one = weighed(0, 20, tuned)
    silent = run("b", [Ungraded("unparsed")] * ITEMS)
    silent = replace(silent, estimate=estimate(silent.samples, "mean"))
    one = replace(one, before=silent, comparison=compare(one.after, silent, margin=0.02))
    judged = judge([one], [])
    assert judged.verdict == expected
    assert one.needed == (one.after, one.prompted.run) and one.runs[0] is silent
    assert judged.findings[0].outcome == "insufficient"
    assert judged.findings[0].sentence.endswith("with worked examples alone.")
    assert judge([replace(one, prompted=None)], []).verdict == "insufficient evidence"


def test_of_two_targets_each_has_to_beat_its_prompt():
    won, lost = weighed(0, 20, 120, "won"), weighed(0, 120, 100, "lost")
    assert judge([won, weighed(0, 10, 120)], []).verdict == "paid"
    judged = judge([won, lost], [])
    assert judged.verdict == "insufficient evidence"
    assert judged.headline.startswith("Not every target improved. Tuning beats the best prompt on")


def test_two_targets_are_corrected_together():
    """A prompt that is only just beaten by the margin stays open as one of two such (Holm)."""
    near = weighed(0, 112, 120)
    assert judge([near], []).verdict == "paid"
    assert judge([near, weighed(0, 112, 120)], []).verdict == "insufficient evidence"
