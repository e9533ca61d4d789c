"""FastChat's files of pairwise judgments: each model's win rate is what its own table says."""

import json
from collections import Counter

import pytest

from commands import weighbridge
from weighbridge.errors import InputError, MalformedRow, UnknownName
from weighbridge.evaluation.benchmark import LoadRequest, Settings
from weighbridge.evaluation.benchmarks.mt_bench import BENCHMARK
from weighbridge.evaluation.fastchat import is_judgments
from weighbridge.evaluation.judged_elsewhere import seal_judgments
from weighbridge.evaluation.run_context import RunContext
from weighbridge.evidence import RunStore, verify
from weighbridge.records import Graded, Ungraded

NEEDS = ("math", "reasoning", "coding")
CATEGORIES = ("writing", "math", "stem")


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Three questions of our own in FastChat's layout."""
    folder = tmp_path_factory.mktemp("mt_bench")
    (folder / "reference_answer").mkdir()
    questions = [
        {"question_id": 81 + n, "category": category, "turns": [f"First {n}?", f"Then {n}?"]}
        for n, category in enumerate(CATEGORIES)
    ]
    references = [
        {"question_id": q["question_id"], "choices": [{"index": 0, "turns": ["one", "two"]}]}
        for q in questions
        if q["category"] in NEEDS
    ]
    fields = {"single": "{question} {answer}", "pair": "{question} {answer_a} {answer_b}"}
    prompts = [
        {"name": f"{kind}-{form}{suffix}", "system_prompt": "", "prompt_template": template}
        for kind, template in fields.items()
        for form in ("v1", "v2", "math-v1")
        for suffix in ("", "-multi-turn")
    ]
    for name, rows in {
        "question.jsonl": questions,
        "reference_answer/gpt-4.jsonl": references,
        "judge_prompts.jsonl": prompts,
    }.items():
        (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


LETTERS = (
    {"model_1": "A", "model_2": "B", "tie": "C"},
    {"model_1": "B", "model_2": "A", "tie": "C"},
)


def row(question, turn, first, second, g1, g2, **changes):
    texts = [
        f"Because. [[{letters[winner]}]]" if winner != "error" else "I can't say."
        for letters, winner in zip(LETTERS, (g1, g2), strict=True)
    ]
    return {
        "question_id": question, "model_1": first, "model_2": second, "g1_winner": g1,
        "g2_winner": g2, "judge": ["gpt-4", "pair-v2"], "g1_user_prompt": "asked", "turn": turn,
        "g1_judgment": texts[0], "g2_user_prompt": "asked", "g2_judgment": texts[1],
        "tstamp": 1686.5,
    } | changes  # fmt: skip


PAIR = ("model_1", "model_2", "tie", "error")
TURNS = [(81 + n, turn) for n in range(3) for turn in (1, 2)]


def every_outcome():
    """Three models, each pair with other outcomes in both orders, all sixteen among them."""
    outcomes = [(g1, g2) for g1 in PAIR for g2 in PAIR]
    pairs = [("a", "b"), ("a", "c"), ("c", "b")]
    return [
        row(*turn, first, second, *outcomes[(place * 6 + n) % 16])
        for place, (first, second) in enumerate(pairs)
        for n, turn in enumerate(TURNS)
    ]


def table(rows, baseline=None):
    """Wins, losses, ties by model, as FastChat's show_result.py counts them."""
    counts = {}
    for each in rows:
        models = each["model_1"], each["model_2"]
        if "error" in (each["g1_winner"], each["g2_winner"]):
            continue
        if baseline and baseline not in models:
            continue
        for name in models:
            counts.setdefault(name, Counter())
        if each["g1_winner"] == "tie" or each["g1_winner"] != each["g2_winner"]:
            counts[models[0]]["tie"] += 1
            counts[models[1]]["tie"] += 1
        else:
            won = each["g1_winner"] == "model_1"
            counts[models[0]]["win" if won else "loss"] += 1
            counts[models[1]]["loss" if won else "win"] += 1
    return counts


def seal(home, tmp_path, rows, **more):
    file = tmp_path / "gpt-4_pair.jsonl"
    file.write_text("".join(json.dumps(each) + "\n" for each in rows))
    store = RunStore(tmp_path / "runs")
    place = RunContext(store, threads=1, started="2026-01-01T00:00:00+00:00")
    request = LoadRequest(home, None, Settings(protocol="generative"))
    runs = seal_judgments(file, BENCHMARK, place, request, **more)
    return store, {run.model.name: store.read(run.run_id) for run in runs}


@pytest.mark.parametrize("baseline", ["", "b"])
def test_win_rates_are_those_of_fastchats_table(home, tmp_path, baseline):
    rows = every_outcome()
    store, runs = seal(home, tmp_path, rows, baseline=baseline)
    theirs = table(rows, baseline)
    assert sorted(runs) == sorted(set(theirs) - {baseline})
    for name, run in runs.items():
        count = theirs[name]
        rate = (count["win"] + count["tie"] / 2) / count.total()
        if baseline:  # against several, a turn's judgments are averaged before the turns are
            assert run.estimate.mean_graded == pytest.approx(rate)
        values = Counter(s.score.value for s in run.samples if isinstance(s.score, Graded))
        assert (values[1.0], values[0.5], values[0.0]) == (
            count["win"], count["tie"], count["loss"],
        )  # fmt: skip
        said = " ".join(run.provenance.notes)
        assert f"unreadable pairs dropped: {rate:.1%} over {count.total()} of" in said
        assert run.protocol == "pairwise" and run.provenance.judge == "gpt-4"
        assert verify(store.folder_of(run.run_id)).ok


def test_one_pair_seen_from_both_sides(home, tmp_path):
    rows = [row(*turn, "a", "b", "model_1", "model_1") for turn in TURNS[:3]]
    rows += [row(*TURNS[3], "a", "b", "model_1", "model_2"), row(*TURNS[4], "a", "b", "tie", "tie")]
    rows += [row(*TURNS[5], "a", "b", "error", "model_2")]
    _, runs = seal(home, tmp_path, rows)
    a, b = runs["a"], runs["b"]
    assert a.estimate.mean_graded == pytest.approx(4 / 5)
    assert b.estimate.mean_graded == pytest.approx(1 / 5)
    assert a.estimate.ungraded["unparsed"] == b.estimate.ungraded["unparsed"] == 1
    by_turn = {s.sample_id: s.score for s in b.samples}
    assert by_turn["81/1"].answer == "loss, swapped loss"
    assert by_turn["82/2"].answer == "loss, swapped win" and by_turn["82/2"].value == 0.5
    assert by_turn["83/1"].parts == {"position_consistent": 1.0}
    assert isinstance(by_turn["83/2"], Ungraded)


def test_files_without_the_judges_texts_are_read_by_their_winners(home, tmp_path):
    rows = [row(*turn, "a", "b", "model_2", "model_2") for turn in TURNS]
    for each in rows:
        for key in ("g1_judgment", "g2_judgment", "g1_user_prompt", "g2_user_prompt", "judge"):
            del each[key]
    _, runs = seal(home, tmp_path, rows)
    assert runs["a"].estimate.mean == 0.0 and runs["b"].estimate.mean == 1.0


def test_judgments_of_some_turns_need_partial(home, tmp_path):
    rows = [row(*turn, "a", "b", "tie", "tie") for turn in TURNS[:2]]
    with pytest.raises(InputError, match=r"no judgment of a's answer 82/1 and 3 more"):
        seal(home, tmp_path, rows)
    _, runs = seal(home, tmp_path, rows, partial=True)
    assert runs["a"].estimate.n == 2


FAULTS = {
    "an unknown winner": ({"g2_winner": "A"}, "column g2_winner: 'A'; expected model_1 or"),
    "another winner than the text's": (
        {"g1_judgment": "So: [[B]]"},
        "column g1_winner: model_1, while the judge's text says model_2",
    ),
    "an unknown question": ({"question_id": 7}, "column question_id: 7; expected a question of"),
    "a third turn": ({"turn": 3}, "column turn: 3; expected 1 to 2"),
    "no model": ({"model_1": None}, "column model_1: None; expected a model's name"),
    "one model twice": ({"model_2": "a"}, "a twice; expected two models"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_wrong_row_is_named(home, tmp_path, fault):
    changes, said = FAULTS[fault]
    rows = [row(*turn, "a", "b", "model_1", "model_1") for turn in TURNS]
    rows[2] |= changes
    with pytest.raises(MalformedRow) as told:
        seal(home, tmp_path, rows)
    assert "line 3" in str(told.value) and said in str(told.value)


def test_a_baseline_that_is_not_there_is_told(home, tmp_path):
    rows = [row(*turn, "alpaca", "b", "tie", "tie") for turn in TURNS]
    with pytest.raises(UnknownName, match="did you mean alpaca"):
        seal(home, tmp_path, rows, baseline="alpacca")


def test_the_command_reads_them(home, tmp_path):
    file = tmp_path / "gpt-4_pair.jsonl"
    file.write_text("".join(json.dumps(each) + "\n" for each in every_outcome()))
    assert is_judgments(file)
    words = ["score", "-b", "mt_bench", file.name, "--data", f"mt_bench={home}"]
    done = weighbridge(*words, "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    runs = {run["model"]: run for run in json.loads(done.stdout)["runs"]}
    assert sorted(runs) == ["a", "b", "c"]
    assert all(run["protocol"] == "pairwise" for run in runs.values())
    done = weighbridge(*words, "--baseline", "x", cwd=tmp_path)
    assert done.returncode == 2 and done.stderr.count("\n") == 1
