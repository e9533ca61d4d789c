"""What an audit says of a judge: its kin, its passes, its places, and what stays unknown."""

from dataclasses import replace

import pytest

from weighbridge.comparison.judge_evidence import audit_judge, audit_sentences, check_other_judge
from weighbridge.comparison.two_runs import compare_with_evidence
from weighbridge.errors import InputError
from weighbridge.evaluation.judges import pairwise
from weighbridge.records import Estimate, EvalRun, Graded, ModelRef, Provenance, ScoredSample
from weighbridge.statistics import compare

TEN = (1.0, 10.0)


def judged(model, table, judge="gpt-4", weights="judge's", scale=TEN):
    """A run whose answers were judged once a column, by a judge with a name and weights."""
    samples = tuple(
        ScoredSample(
            f"{item}/1", repeat, str(item), f"digest {item}", "p", "q", None, f"{model} {item}", (),
            "end", 1, 1, 0, value if isinstance(value, Graded) else Graded(float(value), "v"),
        )
        for item, row in enumerate(table)
        for repeat, value in enumerate(row)
    )  # fmt: skip
    empty = Estimate("mean", 5, None, 0, scale, len(table), {}, scale, scale=scale)
    told_of = {"model": {"weights_digest": weights}, "repeats": len(table[0]), "method": "m"}
    return EvalRun(
        f"{model}-{judge}", ModelRef(model, "s", f"{model}'s"), "mt_bench", "1", None, "generative",
        {"judge": told_of}, "i", "d", empty,
        Provenance({}, "3", "Linux", "cpu", 1, "2026", judge=judge), samples,
    )  # fmt: skip


HIGH, LOW = [[8], [7], [9], [6]], [[6], [7], [5], [6]]


def audited(a, b, **evidence):
    found = compare_with_evidence(a, b, None, **evidence)
    sentences = audit_sentences(found.audit, found.comparison)
    return found.audit, " ".join(sentence for _, sentence in sentences)


@pytest.mark.parametrize(
    ("model", "weights", "said"),
    [
        ("gpt-3.5-turbo", "judge's", "The candidate shares the judge's family by name (gpt)."),
        ("claude-v1", "claude-v1's", "The candidate has the judge's own weights."),
        ("claude-v1", "judge's", None),
    ],
)
def test_kin_is_named_and_asks_for_another_reader(model, weights, said):
    a, b = (judged(name, table, weights=weights) for name, table in ((model, HIGH), ("m", LOW)))
    audit, sentences = audited(a, b)
    assert [who for who, _ in audit.kin] == (["candidate"] if said else [])
    assert (said or "") in sentences
    assert ("judge prefers its kin is unknown" in sentences) == bool(said)


@pytest.mark.parametrize(
    ("own", "judges", "said"),
    [
        ({"settings_digest": "a"}, {"settings_digest": "a"}, "the judge's own weights."),
        ({"settings_digest": "a"}, {"settings_digest": "b"}, "under other settings"),
        ({"adapter_digest": "a"}, {"adapter_digest": None}, "with another adapter"),
        ({}, {}, "the judge's own weights."),  # older evidence tells neither
    ],
)
def test_the_same_weights_under_other_settings_are_not_the_same_model(own, judges, said):
    a, b = judged("x", HIGH, weights="w"), judged("m", LOW)
    a = replace(a, model=replace(a.model, **own))
    judge = a.settings["judge"] | {"model": {"weights_digest": a.model.weights_digest} | judges}
    a, b = (replace(run, settings={"judge": judge}) for run in (a, b))
    _, sentences = audited(a, b)
    assert said in sentences and "has the judge's own weights" in sentences


def test_an_excess_for_its_kin_is_said_and_no_more_than_that():
    a, b = (
        judged("gpt-3.5", [[8.5], [8], [9], [8], [9], [9]]),
        judged("m", [[6], [6], [7], [5], [7], [6]]),
    )
    other = (
        judged("gpt-3.5", [[6], [6.5], [7], [6], [7], [6.5]], "claude", "other"),
        judged("m", [[6], [6], [7], [5], [7], [6]], "claude", "other"),
    )
    _, sentences = audited(a, b, other_judge=other)
    assert "gpt-4 favours the candidate by 2.083 more than claude does" in sentences
    assert "That is its own kin. It can't tell which of the two judges is right." in sentences


def test_two_judges_of_other_answers_or_the_same_judge_are_refused():
    a, b = judged("a", HIGH), judged("b", LOW)
    with pytest.raises(InputError, match="judged by the same judge"):
        check_other_judge(a, b, (a, b))
    again = judged("a", HIGH, "claude", "other")
    changed = replace(again, samples=tuple(replace(s, output="other") for s in again.samples))
    with pytest.raises(InputError, match="another answer to 0/1"):
        check_other_judge(a, b, (changed, judged("b", LOW, "claude", "other")))


def test_a_judge_that_moves_between_passes_is_said_to_widen_the_interval():
    a = judged("a", [[5 + i % 3, 6 + i % 3] for i in range(30)])
    b = judged("b", [[5 + i % 4, 5 + i % 4] for i in range(30)])
    audit, sentences = audited(a, b)
    assert audit.repeats[0].within_sd == pytest.approx(0.7071, abs=1e-3)
    assert "widens the interval from" in sentences and "asked again" not in sentences
    plain = compare(a, b)
    widened, _ = audit_judge(plain, a, b, _nothing())
    assert audit.interval_without == plain.interval != widened.interval


def _nothing():
    from weighbridge.comparison.judge_evidence import JudgeEvidence

    return JudgeEvidence()


def test_places_that_the_judge_prefers_are_said():
    always_first = [[pairwise.read(["[[A]]", "[[A]]"])] for _ in range(9)]
    sure = [[pairwise.read(["[[A]]", "[[B]]"])] for _ in range(9)]
    a, b = (judged(name, t, scale=(0.0, 1.0)) for name, t in (("a", sure), ("b", always_first)))
    audit, sentences = audited(a, b)
    assert (audit.position[0].consistent, audit.position[1].first) == (1.0, 9)
    assert "9 went to whichever answer came first" in sentences
