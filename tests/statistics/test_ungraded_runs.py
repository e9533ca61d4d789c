"""A run of which nothing was graded tells nothing of its model, so nothing is concluded from it."""

import json
from dataclasses import replace

import pytest

from commands import weighbridge
from scored_runs import answer, run, run_of, sealed
from weighbridge.comparison.before_after import BenchmarkComparison
from weighbridge.comparison.lineage import compare_stages
from weighbridge.errors import InputError
from weighbridge.records import BenchmarkSpec, RepeatSpread, Ungraded, told_apart
from weighbridge.statistics import compare
from weighbridge.statistics.judge_noise import with_judge_noise
from weighbridge.statistics.protocol_offset import protocol_offset
from weighbridge.verdict.economics import Economics
from weighbridge.verdict.paid import judge
from weighbridge.verdict.replacement import judge_replacement

N = 40
SILENT = [Ungraded("unparsed")] * 30 + [Ungraded("refused")] * 10
COUNTS = "30 unparsed, 10 refused"
RUNS = {
    "right": run("right", [1.0] * N), "wrong": run("wrong", [0.0] * N),
    "silent": run("silent", SILENT), "almost": run("almost", [*SILENT[1:], 1.0]),
}  # fmt: skip
# An answer that nobody can read counts as the lowest value, so these would all be decided.
UNKNOWN = [
    ("right", "silent", f"nothing was graded in the reference's run ({COUNTS})"),
    ("silent", "right", f"nothing was graded in the candidate's run ({COUNTS})"),
    ("silent", "silent", f"nothing was graded in either run ({COUNTS}; {COUNTS})"),
]


@pytest.mark.parametrize(("a", "b", "why"), UNKNOWN)
def test_nothing_is_concluded_from_a_run_that_graded_nothing(a, b, why):
    found = compare(RUNS[a], RUNS[b], margin=0.1)
    assert (found.verdict, found.interval, found.p_value) == ("inconclusive", (-1.0, 1.0), 1.0)
    assert set(found.claims.values()) == {1.0} and found.why_unknown == why


def test_one_graded_answer_is_enough_to_count_the_others():
    found = compare(RUNS["right"], RUNS["almost"], margin=0.1)
    assert found.verdict == "superior" and not found.why_unknown
    assert compare(RUNS["almost"], RUNS["right"], margin=0.1).verdict == "inferior"
    assert compare(RUNS["right"], RUNS["wrong"], margin=0.1).verdict == "superior"


def test_answers_lost_to_infrastructure_are_named_too():
    lost = run("lost", [Ungraded("infrastructure")] * N)
    found = compare(RUNS["right"], lost, margin=0.1)
    assert found.verdict == "inconclusive" and found.n == 0
    assert "reference's run (40 infrastructure)" in found.why_unknown


def test_a_judge_s_noise_and_an_offset_conclude_nothing_either():
    spread = RepeatSpread(10, 20, 0.5, 0.5, 0.5, (1.0, 2.0), 0.3, 1)
    found = compare(RUNS["right"], RUNS["silent"], margin=0.1)
    assert with_judge_noise(found, (spread, spread), N) == found
    other = run_of("other", [answer(f"s{i:04d}", score) for i, score in enumerate(SILENT)])
    other = replace(other, model=RUNS["right"].model, protocol="letter")
    with pytest.raises(InputError, match="nothing was graded in the reference's run"):
        protocol_offset(RUNS["right"], other)


def weighed(a, b, role="target"):
    after, before = (told_apart(RUNS[name]) for name in (a, b))
    return BenchmarkComparison(BenchmarkSpec("b", role, 0.1, required=True), before, after,
                   compare(after, before, margin=0.1), ())  # fmt: skip


@pytest.mark.parametrize(("a", "b", "why"), UNKNOWN)
def test_a_verdict_says_that_the_evidence_is_not_there(a, b, why):
    for role in ("target", "guard"):
        found = judge([weighed(a, b, role)], [])
        (finding,) = found.findings
        assert found.verdict == "insufficient evidence" and finding.outcome == "insufficient"
        assert finding.sentence == f"b can't be told: {why}."
    found = judge_replacement([weighed(a, b)], [], Economics(machine_usd_per_hour=1), "in house")
    assert found.verdict == "insufficient evidence" and why in found.headline


def test_a_lineage_through_a_stage_that_graded_nothing_is_inconclusive():
    found = compare_stages([RUNS["right"], RUNS["silent"], RUNS["wrong"]], margin=0.1)
    assert [step.joint.verdict for step in found.steps] == ["inconclusive"] * 2
    assert found.verdict == "inferior"  # the whole way is from graded to graded


@pytest.mark.slow
def test_the_command_prints_no_figure_for_it(tmp_path):
    first = sealed(tmp_path, "right", [1.0] * N)
    second = sealed(tmp_path, "silent", SILENT)
    done = weighbridge("compare", first, second, cwd=tmp_path)
    assert done.returncode == 3 and "100.0% against no figure, n = 40" in done.stdout
    assert f"nothing was graded in the reference's run ({COUNTS})" in done.stdout
    said = json.loads(weighbridge("compare", first, second, "--json", cwd=tmp_path).stdout)
    assert said["mean_a"] == 1.0 and said["mean_b"] is said["difference"] is None
    assert said["verdict"] == "inconclusive" and "nothing was graded" in said["why_unknown"]
