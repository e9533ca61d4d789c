"""*Paid*, *did not pay*, or neither: the docstring's rule over every combination of findings."""

from dataclasses import replace
from itertools import combinations_with_replacement, product

import pytest

from scored_runs import run
from weighbridge.comparison.before_after import BenchmarkComparison
from weighbridge.records import BenchmarkSpec, Contamination, SkippedBenchmark
from weighbridge.statistics import compare
from weighbridge.verdict import paid as verdict
from weighbridge.verdict.paid import judge

BEFORE, AFTER = run("before", [0.0, 1.0] * 4), run("after", [1.0, 0.0] * 4)
COMPARED = compare(AFTER, BEFORE, margin=0.1)
VERDICTS = ("superior", "equivalent", "non_inferior", "inferior", "inconclusive")
OUT_OF_REACH = "every item was learnt"
TARGETS = (*VERDICTS, OUT_OF_REACH)
GUARDS = tuple(product(TARGETS, (True, False)))  # each required, or not
HOLDS = ("superior", "equivalent", "non_inferior")
MISSING = ((), ("guard",), ("required guard",), ("target",))


def weighed(role, supports, required=False):
    weigh = BenchmarkSpec("b", role, 0.1, required=required)
    if supports == OUT_OF_REACH:
        learnt = tuple(s.sample_id for s in AFTER.samples)
        found = Contamination("train.jsonl", "sha256:0", len(learnt), learnt, ())
        return BenchmarkComparison(weigh, BEFORE, AFTER, COMPARED, (), contamination=found)
    # As far from doubt as p-values go, so that it stays what it is as one of several (Holm).
    claims = dict.fromkeys(("superior", "equivalent", "non_inferior", "inferior"), 1.0)
    claims |= {supports: 0.0} if supports in claims else {}
    return BenchmarkComparison(
        weigh, BEFORE, AFTER, replace(COMPARED, verdict=supports, claims=claims), ()
    )


def by_the_docstring(targets, guards, missing):
    """What `judge` says of itself, word by word."""
    worse_guard = any(supports == "inferior" for supports, _ in guards)
    open_guard = "required guard" in missing or any(
        required and supports not in HOLDS for supports, required in guards
    )
    measured = bool(targets) and "target" not in missing
    every_better = measured and all(supports == "superior" for supports in targets)
    each_told = measured and all(
        supports in ("superior", "equivalent", "inferior") for supports in targets
    )
    if every_better and not worse_guard and not open_guard:
        return "paid"
    if worse_guard or (each_told and "superior" not in targets):
        return "did not pay"
    return "insufficient evidence"


def found(targets, guards, missing):
    lacking = [
        SkippedBenchmark(
            BenchmarkSpec("x", m.rpartition(" ")[2], required="required" in m), "gone", ""
        )
        for m in missing
    ]
    measured = [weighed("target", t) for t in targets] + [weighed("guard", *g) for g in guards]
    return judge(measured, lacking)


CASES = [
    (targets, guards, missing)
    for n in range(4)
    for targets in combinations_with_replacement(TARGETS, n)
    for m in range(2 if n == 3 else 3)
    for guards in combinations_with_replacement(GUARDS, m)
    for missing in MISSING
]


def test_every_combination_of_targets_guards_and_missing_benchmarks():
    seen = set()
    for targets, guards, missing in CASES:
        expected = by_the_docstring(targets, guards, missing)
        judged = found(targets, guards, missing)
        assert judged.verdict == expected, (targets, guards, missing, judged.headline)
        assert len(judged.findings) == len(targets) + len(guards) + len(missing)
        seen.add(expected)
    assert seen == {"paid", "did not pay", "insufficient evidence"} and len(CASES) > 10_000


@pytest.mark.parametrize(
    ("targets", "expected"),
    [
        (("superior", "equivalent"), "insufficient evidence"),
        (("equivalent", "superior"), "insufficient evidence"),
        (("superior", "inferior"), "insufficient evidence"),
        (("equivalent", "inconclusive"), "insufficient evidence"),
        (("equivalent", "non_inferior"), "insufficient evidence"),
        (("equivalent", "inferior"), "did not pay"),
        (("superior", "superior"), "paid"),
    ],
)
def test_one_target_that_did_not_improve_is_not_all_of_them(targets, expected):
    judged = found(targets, (("equivalent", True),), ())
    assert judged.verdict == expected
    if expected == "insufficient evidence" and "superior" in targets:
        assert judged.headline.startswith("Not every target improved. b improved")
        assert "b did not improve" in judged.headline


@pytest.mark.parametrize(
    "mutant",
    [
        lambda t, g, m: ("did not pay", "") if any(d.shown_no_better for d in t) else None,
        lambda t, g, m: ("paid", "") if any(d.decided.supports == "superior" for d in t) else None,
        lambda t, g, m: ("paid", "") if t and all(d.decided.holds for d in t) else None,
        lambda t, g, m: ("did not pay", "") if any(not d.holds for d in g) else None,
    ],
)
def test_the_table_sees_another_rule(mutant, monkeypatch):
    right = verdict._conclude
    monkeypatch.setattr(verdict, "_conclude", lambda *of: mutant(*of) or right(*of))
    some = [case for case in CASES if len(case[0]) == 2 and len(case[1]) < 2]
    assert any(found(*case).verdict != by_the_docstring(*case) for case in some)
