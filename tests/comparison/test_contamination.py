"""Items that stand in one's own tuning data: found, left out of verdicts, and found again."""

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from commands import weighbridge
from scored_runs import run
from weighbridge.comparison.before_after import BenchmarkComparison
from weighbridge.comparison.contamination import tuning_texts
from weighbridge.errors import InputError, MalformedRow
from weighbridge.records import BenchmarkSpec, Contamination, SkippedBenchmark
from weighbridge.statistics import compare, estimate
from weighbridge.statistics.subsets import clean_subset
from weighbridge.verdict.paid import judge

WORDS = "alder birch cedar elm fir hazel juniper larch maple oak pine rowan willow yew".split()  # noqa: SIM905


def test_every_text_of_a_row_counts_and_a_bad_row_is_named(tmp_path):
    path = tmp_path / "tuning.jsonl"
    path.write_text('{"messages": [{"role": "user", "content": "one"}], "n": 3}\n\n"two"\n')
    assert [text.split() for text in tuning_texts(path)] == [["user", "one"], [], ["two"]]
    path.write_text('{"a": "x"}\n{broken\n')
    with pytest.raises(MalformedRow, match="line 2"):
        list(tuning_texts(path))
    for text in ('[\n {"a": "one"},\n {"a": ["two"]}\n]', '[{"a": "one"}, {"a": "two"}]'):
        path.write_text(text)
        assert list(tuning_texts(path)) == ["one", "two"]
    table = tmp_path / "tuning.csv"
    table.write_text('question,answer\n"one\nline",two\n')
    assert list(tuning_texts(table)) == ["one\nline\ntwo"]
    plain = tmp_path / "tuning.txt"
    plain.write_text("{not json\nat all\n")
    assert len(list(tuning_texts(plain))) == 2
    with pytest.raises(InputError, match=r"no file at .* expected tuning data"):
        list(tuning_texts(tmp_path / "nowhere.jsonl"))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.sampled_from([0.0, 1.0]), min_size=2, max_size=60), st.data())
def test_headline_is_clean_score_plus_what_is_added(scores, data):
    samples = run("a", scores).samples
    names = [s.sample_id for s in samples]
    out = data.draw(st.sets(st.sampled_from(names)))
    found = clean_subset(samples, out)
    assert found.headline == estimate(samples).mean
    low, high = found.difference_interval
    assert low - 1e-12 <= found.difference <= high + 1e-12
    if found.clean_mean is not None:
        assert found.clean_mean + found.difference == pytest.approx(found.headline)


def test_the_interval_of_what_is_added_is_newcombe_s():
    """Newcombe 1998 (Stat. Med. 17:873), table II, method 10: 56/70 and 48/80 differ by 0.2,
    with the interval 0.0524 to 0.3339.
    """
    scores = [1.0] * 56 + [0.0] * 14 + [1.0] * 48 + [0.0] * 32
    samples = run("a", scores).samples
    found = clean_subset(samples, {s.sample_id for s in samples[:70]})
    share = 70 / 150
    assert found.difference / share == pytest.approx(0.2)
    expected = [share * 0.0524, share * 0.3339]
    assert list(found.difference_interval) == pytest.approx(expected, abs=5e-5)


@pytest.mark.slow
def test_what_is_added_is_covered_also_where_few_items_overlap():
    """1,000 simulations; Monte-Carlo error (3 sd) 2.1 points."""
    rng = np.random.default_rng(51)
    rounds, held = 1000, 0
    for _ in range(rounds):
        scores = np.concatenate([rng.random(8) < 0.95, rng.random(72) < 0.5])
        samples = run("a", scores).samples
        found = clean_subset(samples, {s.sample_id for s in samples[:8]})
        held += found.difference_interval[0] <= 0.1 * 0.45 <= found.difference_interval[1]
    assert held / rounds >= 0.95 - 3 * math.sqrt(0.95 * 0.05 / rounds)
    assert stats.binomtest(held, rounds, 0.95).proportion_ci().high > 0.95


def weighed(role, before, after, *, margin=0.05, overlapping=(), clean=None):
    old, new = run("before", before), run("after", after)
    found = Contamination("train.jsonl", "sha256:0", len(before), tuple(overlapping), ())
    weigh = BenchmarkSpec("b", role, margin)
    compared = compare(new, old, margin=margin)
    return BenchmarkComparison(weigh, old, new, compared, (), contamination=found, clean=clean)


def test_an_improvement_on_learnt_items_alone_does_not_pay():
    before, after = [0.0] * 200, [1.0] * 100 + [0.0] * 100
    names = [s.sample_id for s in run("x", before).samples]
    assert judge([weighed("target", before, after)], []).verdict == "paid"
    rest = compare(run("after", after[100:]), run("before", before[100:]), margin=0.05)
    judged = judge([weighed("target", before, after, overlapping=names[:100], clean=rest)], [])
    assert judged.verdict != "paid"
    assert "without 100 of 200 that overlap" in judged.findings[0].sentence
    nothing = judge([weighed("target", before, after, overlapping=names)], [])
    assert nothing.verdict == "insufficient evidence"
    assert "every item overlaps" in nothing.headline


def test_ten_guards_are_judged_together():
    """One of ten guards that is worse by itself alone may be so by chance."""
    target = weighed("target", [0.0] * 50, [1.0] * 50)
    broken = weighed("guard", [1.0] * 11 + [0.0] * 89, [0.0] * 11 + [0.0] * 89, margin=0.05)
    assert broken.comparison.verdict == "inferior"
    fine = weighed("guard", ([1.0, 0.0] * 200)[:400], ([1.0, 0.0] * 200)[:400], margin=0.05)
    assert judge([target, broken], []).verdict == "did not pay"
    judged = judge(
        [target, broken, *[fine] * 9], [SkippedBenchmark(BenchmarkSpec("x", "guard"), "gone", "")]
    )
    assert judged.verdict == "paid"
    assert "as one of 11 benchmarks not (Holm)" in judged.findings[1].sentence


PROJECT = """
[project]
name = "copies"

[model]
base = "{base}"

[tune]
train = "train.jsonl"
allow_overlap = true
epochs = 2
rank = 4
batch_size = 8

[[evaluate]]
benchmark = "copies.toml"
margin = 0.05
"""


@pytest.fixture
def project(tiny_model, tmp_path):
    """40 test items of 8 words each, 10 of which were trained on."""
    rng = np.random.default_rng(52)
    rows = [" ".join(rng.choice(WORDS, 8)) for _ in range(70)]
    for name, chosen in (("train", rows[:40]), ("test", rows[30:])):
        with (tmp_path / f"{name}.jsonl").open("w") as file:
            for text in chosen:
                turns = [{"role": "user", "content": text}, {"role": "assistant", "content": "A"}]
                file.write(json.dumps({"messages": turns}) + "\n")
    (tmp_path / "copies.toml").write_text(
        'data = "test.jsonl"\nmessages = "messages"\nmax_tokens = 4\n'
    )
    (tmp_path / "weighbridge.toml").write_text(PROJECT.format(base=tiny_model))
    return tmp_path


@pytest.mark.slow
def test_a_project_s_overlap_is_shown_left_out_and_verified(project):
    done = weighbridge("run", "--offline", "--json", cwd=project)
    assert done.returncode == 0, done.stderr
    outcome = json.loads(done.stdout)
    (found,) = outcome["contamination"]
    assert len(found["exact"]) == 10 and found["items"] == 40
    assert [score["clean_n"] for score in found["scores"]] == [30, 30]
    assert "without 10 of 40 that overlap" in outcome["findings"][0]["sentence"]
    page = (project / outcome["report"]).read_text()
    assert "10 of 40 items overlap with the tuning data" in page
    shown = page.partition('id="benchmark-1"')[2]
    assert 'over <span class="num">30 paired items</span> that don’t overlap' in shown
    assert "30 of 40 items: " in shown and "All 40 items: " in shown  # the chart, in words
    checked = weighbridge("verify", outcome["report"], cwd=project)
    assert checked.returncode == 0, checked.stdout
    assert "overlap of copies.toml with the tuning data: 10 of 40 items" in checked.stdout

    facts = project / ".weighbridge/reports/copies/report.json"
    changed = json.loads(facts.read_text())
    changed["measured"][0]["contamination"]["exact"] = []
    facts.write_text(json.dumps(changed))
    assert weighbridge("verify", outcome["report"], cwd=project).returncode == 1


def test_a_project_s_own_benchmark_may_not_overlap_unless_it_says_so(project):
    path = project / "weighbridge.toml"
    path.write_text(path.read_text().replace("allow_overlap = true\n", ""))
    done = weighbridge("run", "--offline", cwd=project)
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1
    assert "10 of 40 items of copies overlap with train.jsonl (10 word for word, 0 n" in done.stderr
    assert "allow_overlap = true in [tune]" in done.stderr
    assert not (project / ".weighbridge" / "runs").exists()  # nothing was spent


def test_evaluate_looks_into_a_file_of_tuning_data(project, tiny_model):
    words = ["evaluate", str(tiny_model), "-b", "copies.toml", "--tuning-data"]
    done = weighbridge(*words, "train.jsonl", cwd=project)
    assert "10 of 40 items overlap with train.jsonl" in done.stdout
    assert max(len(line) for line in done.stdout.splitlines()) <= 80
    (found,) = json.loads(weighbridge(*words, "train.jsonl", "--json", cwd=project).stdout)["runs"]
    assert found["contamination"]["clean"]["clean_n"] == 30
    wrong = weighbridge(*words, "nowhere.jsonl", cwd=project)
    assert wrong.returncode == 2 and wrong.stderr.startswith("weighbridge: no file at nowhere")


@pytest.mark.slow
def test_a_project_stops_when_decided(project):
    done = weighbridge("run", "--offline", "--stop-when-decided", "--json", cwd=project)
    assert done.returncode == 0, done.stderr
    after = json.loads(done.stdout)["runs"][1]
    shown = json.loads(weighbridge("runs", "show", after, "--json", cwd=project).stdout)
    assert shown["stopped"]["planned_samples"] == 40
    assert shown["settings"]["stop"]["until"] == ["superior", "equivalent", "inferior"]
    assert weighbridge("verify", json.loads(done.stdout)["report"], cwd=project).returncode == 0
