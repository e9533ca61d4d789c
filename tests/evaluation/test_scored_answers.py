"""`weighbridge score` end to end: what a file of answers is read as, and what is no result."""

import gzip
import json

import pytest

import commands
from weighbridge.errors import InputError
from weighbridge.evaluation.answers import name_of, read_answers
from weighbridge.sandbox import Level, probe

needs_jail = pytest.mark.skipif(
    probe().level is not Level.OUTSIDE_TESTER, reason=f"no such sandbox: {probe().detail}"
)
PROBLEM = {
    "task_id": "test/0", "prompt": "def seven():\n", "canonical_solution": "    return 7",
    "test": "def check(candidate):\n    assert candidate() == 7", "entry_point": "seven",
}  # fmt: skip
COMPLETIONS = (
    "    import subprocess\n    subprocess.check_output('echo gone')",
    "    import time\n    time.sleep(10)\n    return 7",
    "    return input('a number, please')",
    "    return 7",
    "  return 7",
    "\treturn 7",
)


def lines(rows):
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


@pytest.fixture
def weighbridge(tmp_path):
    def run(*words):
        done = commands.weighbridge(*words, cwd=tmp_path)
        return done.returncode, done.stdout, done.stderr

    return run


@pytest.mark.slow
@needs_jail
@pytest.mark.parametrize("packed", [pytest.param(False, marks=pytest.mark.slow), True])
def test_six_completions_of_one_problem_three_of_them_right(weighbridge, tmp_path, packed):
    answers = lines({"task_id": "test/0", "completion": text} for text in COMPLETIONS)
    problem = lines([PROBLEM])
    name = "samples.jsonl.gz" if packed else "samples.jsonl"
    (tmp_path / name).write_bytes(gzip.compress(answers) if packed else answers)
    (tmp_path / "problem.jsonl").write_bytes(b"\xef\xbb\xbf" + problem if packed else problem)
    words = ("score", name, "-b", "humaneval", "--data", "humaneval=problem.jsonl", "--json")
    code, out, err = weighbridge(*words)
    assert code == 0, err
    (run,) = json.loads(out)["runs"]
    assert (run["mean"], run["model"], sum(run["ungraded"].values())) == (0.5, "samples", 0)


@pytest.fixture
def gsm8k(tmp_path):
    """A folder without a training split: answers that exist need no examples."""
    folder = tmp_path / "gsm8k"
    folder.mkdir()
    targets = (9500, 70000, 5)
    rows = [{"question": f"Question {n}?", "answer": f"#### {n}"} for n in targets]
    (folder / "test.jsonl").write_bytes(lines(rows))
    return folder


def answered(tmp_path, texts, name="Qwen2.5-7B.jsonl"):
    rows = [{"sample_id": f"test/{n:04d}", "text": text} for n, text in enumerate(texts)]
    (tmp_path / name).write_bytes(lines(rows))
    return name


def test_score_needs_no_examples_and_keeps_a_model_s_whole_name(weighbridge, tmp_path, gsm8k):
    texts = ("It is $9{,}500.", "$200,000 - $130,000 = $70,000.", "five")
    name = answered(tmp_path, texts)
    code, out, err = weighbridge("score", name, "-b", "gsm8k", "--data", f"gsm8k={gsm8k}")
    assert code == 0, err
    assert "Qwen2.5-7B  (generative)" in out and "66.7%" in out and "1 unparsed" in out


def test_answers_to_no_item_are_told(weighbridge, tmp_path, gsm8k):
    name = answered(tmp_path, ["9500", "70000", "5", "6", "7"])
    words = ("score", name, "-b", "gsm8k", "--data", f"gsm8k={gsm8k}", "--json")
    (run,) = json.loads(weighbridge(*words)[1])["runs"]
    (note,) = run["notes"]
    assert "2 answers in Qwen2.5-7B.jsonl are to no item" in note and "'test/0003'" in note
    assert run["n"] == 3 and run["mean"] == 1.0


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("Qwen2.5-7B.jsonl", "Qwen2.5-7B"), ("gpt-4.1-mini.jsonl.gz", "gpt-4.1-mini"),
        ("v1.2", "v1.2"), ("phi-3.5.json", "phi-3.5"), ("samples.ndjson.gz", "samples"),
    ],
)  # fmt: skip
def test_a_name_is_not_cut_at_a_version_s_dot(tmp_path, file, name):
    assert name_of(tmp_path / file) == name


def test_a_run_in_which_nothing_was_graded_has_no_figure(weighbridge, tmp_path, gsm8k):
    name = answered(tmp_path, ["I can't say."] * 3)
    words = ("score", name, "-b", "gsm8k", "--data", f"gsm8k={gsm8k}")
    code, out, _ = weighbridge(*words)
    assert code == 3 and "nothing was graded: 3 unparsed" in out and "%" not in out
    assert "ALARM: 3 of 3 answers" in out
    code, out, _ = weighbridge(*words, "--json")
    (run,) = json.loads(out)["runs"]
    assert code == 3 and run["mean"] is None and run["ungraded"]["unparsed"] == 3
    code, out, _ = weighbridge("runs")
    assert "0.0%" not in out


def test_completions_may_be_said_to_be_completions(weighbridge, tmp_path, gsm8k):
    name = answered(tmp_path, ["#### 9500\nin 2 steps", "#### 70000\nin 2 steps", "5"])
    words = ("score", name, "-b", "gsm8k", "--data", f"gsm8k={gsm8k}", "--json")
    (of_chat,) = json.loads(weighbridge(*words)[1])["runs"]
    (of_text,) = json.loads(weighbridge(*words, "--no-chat-template")[1])["runs"]
    assert of_chat["mean"] == 1 and of_text["mean"] == pytest.approx(1 / 3)


@pytest.mark.parametrize("benchmark", ["gsm8k", "mt_bench", "humaneval"])
def test_a_missing_file_is_named_as_a_file_of_answers(weighbridge, tmp_path, gsm8k, benchmark):
    (tmp_path / "mt_bench").mkdir()
    (tmp_path / "HumanEval.jsonl").write_bytes(lines([PROBLEM]))
    data = ("--data", f"gsm8k={gsm8k}", "--data", "mt_bench=mt_bench")
    data += ("--data", "humaneval=HumanEval.jsonl")
    code, _, err = weighbridge("score", "nowhere.jsonl", "-b", benchmark, *data)
    assert code == 2 and "no file at nowhere.jsonl; expected a JSONL file of answers" in err


def test_runs_of_different_length_say_how_many_items_have_no_pair(weighbridge, tmp_path, gsm8k):
    runs = []
    for name, limit in (("one.jsonl", 3), ("two.jsonl", 2)):
        answered(tmp_path, ["9500", "70000", "5"], name)
        words = ("score", name, "-b", "gsm8k", "--data", f"gsm8k={gsm8k}", "--limit", limit)
        runs.append(json.loads(weighbridge(*words, "--json")[1])["runs"][0]["run"])
    _, out, _ = weighbridge("compare", *runs)
    assert "n = 2\n  1 more items are left out: answered in one run only" in out


def test_a_row_of_whole_programs_is_told_how_they_are_given(tmp_path):
    (tmp_path / "a.jsonl").write_bytes(lines([{"task_id": "HumanEval/0", "solution": "def f"}]))
    with pytest.raises(InputError, match="task_id without completion, beside task_id, solution"):
        read_answers(tmp_path / "a.jsonl")
