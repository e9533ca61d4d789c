"""MT-Bench: the original files, the judge's prompts and what is read out of its words."""

import json
import re
import shutil
from ast import literal_eval

import pytest

from weighbridge.errors import InputError, MalformedRow, UnknownName
from weighbridge.evaluation.benchmark import LoadRequest, Settings
from weighbridge.evaluation.benchmarks.mt_bench import BENCHMARK, CATEGORIES
from weighbridge.evaluation.fastchat import read_files, read_judgments
from weighbridge.evaluation.judged_elsewhere import seal_judgments
from weighbridge.evaluation.judges import pairwise, single_answer
from weighbridge.evaluation.runner import RunContext
from weighbridge.evidence import RunStore, verify
from weighbridge.records import Graded, Ungraded
from weighbridge.statistics import compare

FILES = ("question.jsonl", "judge_prompts.jsonl", "reference_answer/gpt-4.jsonl")
# mistral-orpo-trl, -capybara and -mix as alvarobartt published them (FastChat's show_result).
PUBLISHED = {
    "mistral-orpo-trl": 7.166, "mistral-orpo-capybara": 6.819, "mistral-orpo-mix": 6.003,
}  # fmt: skip


def lines(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def home(real_data):
    return real_data / "mt_bench"


@pytest.fixture
def copied(home, tmp_path):
    """A folder to damage."""
    (tmp_path / "reference_answer").mkdir()
    for name in FILES:
        shutil.copy(home / name, tmp_path / name)
    return tmp_path


def load(data, subset=None, **settings):
    return BENCHMARK.asking.load(LoadRequest(data, subset, Settings(**settings)))


def test_80_questions_of_two_turns_in_eight_categories(home):
    items = load(home)
    assert [item.id for item in items] == [str(n) for n in range(81, 161)]
    assert all(len(item.messages) == 2 for item in items)
    assert len(load(home, "math")) == 10 and len(load(home, limit=3)) == 24
    referenced = {item.metadata["category"] for item in items if item.target}
    assert referenced == {"math", "reasoning", "coding"}
    with pytest.raises(UnknownName, match="did you mean coding"):
        load(home, "codeing")


def test_temperatures_are_fastchat_s(home):
    by_category = {
        i.metadata["category"]: BENCHMARK.asking.temperature(i) for i in load(home, limit=1)
    }
    assert by_category == {
        "writing": 0.7, "roleplay": 0.7, "reasoning": 0, "math": 0, "coding": 0, "extraction": 0,
        "stem": 0.1, "humanities": 0.1,
    }  # fmt: skip
    assert tuple(by_category) == CATEGORIES and BENCHMARK.asking.sampling.max_tokens == 1024


def prompt_of(method, home, question_id, turn, answers, baseline=()):
    item = next(item for item in load(home) if item.id == question_id)
    return method.prompts(BENCHMARK.asking.turn(item, turn), answers, baseline)


@pytest.mark.parametrize(("question_id", "math"), [("81", False), ("111", True), ("160", False)])
@pytest.mark.parametrize("turn", [0, 1])
def test_judge_prompts_are_the_original_templates_filled(home, question_id, math, turn):
    question = next(q for q in lines(home / FILES[0]) if q["question_id"] == int(question_id))
    templates = {row["name"]: row for row in lines(home / FILES[1])}
    answers, baseline = ("My {answer}\n", "x = {1}")[: turn + 1], ("Theirs", "[[A]]")[: turn + 1]
    fields = {}
    if math:
        found = next(r for r in lines(home / FILES[2]) if r["question_id"] == int(question_id))
        one, two = found["choices"][0]["turns"]
        fields = {"ref_answer_1": one, "ref_answer_2": two}
    one, two = question["turns"]
    ending = "-multi-turn" if turn else ""

    single = templates[f"single-{'math-' if math else ''}v1{ending}"]
    if turn:
        own = {"question_1": one, "question_2": two, "answer_1": answers[0], "answer_2": answers[1]}
    else:
        own = {"question": one, "answer": answers[0]}
    (prompt,) = prompt_of(single_answer.JUDGE, home, question_id, turn, answers)
    system, user = prompt.messages
    assert (system.role, system.content) == ("system", single["system_prompt"])
    assert (user.role, user.content) == ("user", single["prompt_template"].format(**own, **fields))

    pair = templates[f"pair-{'math-v1' if math else 'v2'}{ending}"]
    prompts = prompt_of(pairwise.JUDGE, home, question_id, turn, answers, baseline)
    for prompt, (a, b) in zip(prompts, [(answers, baseline), (baseline, answers)], strict=True):
        if turn:
            own = {
                "question_1": one, "question_2": two, "answer_a_1": a[0], "answer_a_2": a[1],
                "answer_b_1": b[0], "answer_b_2": b[1],
            }  # fmt: skip
        else:
            own = {"question": one, "answer_a": a[0], "answer_b": b[0]}
        assert prompt.messages[0].content == pair["system_prompt"]
        assert prompt.messages[1].content == pair["prompt_template"].format(**own, **fields)


@pytest.mark.parametrize("model", PUBLISHED)
def test_judge_prompts_are_those_that_gpt_4_was_shown(home, model):
    """All 160 of each model, byte for byte, as FastChat recorded them."""
    answers = {
        str(row["question_id"]): row["choices"][0]["turns"]
        for row in lines(home / f"published/model_answer/{model}.jsonl")
    }
    items = {item.id: item for item in load(home)}
    compared = 0
    for row in read_judgments(home / "published/model_judgment/gpt-4_single.jsonl"):
        if row.model == model:
            sample = BENCHMARK.asking.turn(items[row.question_id], row.turn - 1)
            given = answers[row.question_id][: row.turn]
            (prompt,) = single_answer.JUDGE.prompts(sample, given, ())
            assert prompt.messages[1].content == row.shown
            assert sample.metadata["judge_prompts"]["single"]["name"] == row.judge[1]
            compared += 1
    assert compared == 160


RATINGS = [
    ("Rating: [[5]]", 5.0),
    ("[[8.5]]", 8.5),
    ("[[10.]]", 10.0),
    ("first [[3]], then [[9]]", 3.0),
    ("see [1], so [[7]]", 7.0),
    ("Rating: [6]", 6.0),
    ("[2] and [4]", 2.0),
    ("[[ 5 ]]", None),
    ("[[5/10]]", None),
    ("[[-1]]", None),
    ("[[rating]]", None),
    ("Rating: 5", None),
    ("", None),
]


@pytest.mark.parametrize(("text", "rating"), RATINGS)
def test_ratings_are_read_as_fastchat_reads_them(text, rating):
    assert single_answer.parse_rating(text) == rating
    found = re.search(r"\[\[(\d+\.?\d*)\]\]", text) or re.search(r"\[(\d+\.?\d*)\]", text)
    assert (literal_eval(found.groups()[0]) if found else None) == rating


def test_what_is_no_rating_is_ungraded_and_never_a_value():
    assert single_answer.read(("So [[9]].",)) == Graded(9.0, "9", "So [[9]].")
    for text in ("no number", "[[0]]", "[[11]]"):
        score = single_answer.read((text,))
        assert isinstance(score, Ungraded) and score.reason == "unparsed" and text in score.why


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("[[A]]", "A"), ("[[B]]", "B"), ("[[C]]", "tie"), ("[[B]] no, [[A]]", "A"),
        ("[[C]] or [[B]]", "B"), ("[A]", None), ("[[a]]", None), ("", None),
    ],
)  # fmt: skip
def test_verdicts_are_read_as_fastchat_reads_them(text, verdict):
    assert pairwise.parse_verdict(text) == verdict


@pytest.mark.parametrize(
    ("first", "swapped", "value", "consistent"),
    [
        ("A", "B", 1.0, 1.0),  # the model's answer is A, then B
        ("B", "A", 0.0, 1.0),
        ("C", "C", 0.5, 1.0),
        ("A", "A", 0.5, 0.0),
        ("B", "B", 0.5, 0.0),
        ("A", "C", 0.5, 0.0),
        ("C", "A", 0.5, 0.0),
    ],
)
def test_a_win_needs_both_orders(first, swapped, value, consistent):
    score = pairwise.read((f"[[{first}]]", f"[[{swapped}]]"))
    assert (score.value, score.parts["position_consistent"]) == (value, consistent)


def test_a_pair_with_an_unreadable_order_is_ungraded():
    for texts in (("[[A]]", "?"), ("?", "[[B]]"), ("?", "?")):
        score = pairwise.read(texts)
        assert isinstance(score, Ungraded) and score.reason == "unparsed"


@pytest.fixture(scope="module")
def published(home, tmp_path_factory):
    store = RunStore(tmp_path_factory.mktemp("runs"))
    place = RunContext(store, threads=2, started="2026-01-01T00:00:00+00:00")
    file = home / "published/model_judgment/gpt-4_single.jsonl"
    runs = seal_judgments(file, BENCHMARK, place, LoadRequest(home, None, Settings()))
    return store, {run.model.name: run for run in runs}


@pytest.mark.parametrize(("model", "average"), PUBLISHED.items())
def test_published_averages(published, model, average):
    store, runs = published
    estimate = runs[model].estimate
    assert round(estimate.mean, 3) == round(estimate.mean_graded, 3) == average
    assert estimate.n == 160 and estimate.ungraded["unparsed"] == 0
    assert f"parse failures dropped: {average} over 160 of 160" in runs[model].provenance.notes[1]
    assert verify(store.folder_of(runs[model].run_id)).ok


def test_a_parse_failure_is_counted_and_both_averages_are_given(published, home):
    """mistral-orpo was judged twice; once GPT-4 gave no rating, and FastChat drops that row."""
    _, runs = published
    estimate, notes = runs["mistral-orpo"].estimate, " ".join(runs["mistral-orpo"].provenance.notes)
    file = home / "published/model_judgment/gpt-4_single.jsonl"
    scores = [row["score"] for row in lines(file) if row["model"] == "mistral-orpo"]
    kept = [score for score in scores if score != -1]
    assert (len(scores), len(kept)) == (320, 319)
    assert estimate.ungraded["unparsed"] == 1 and estimate.n == 160
    assert f"dropped: {sum(kept) / 319:.3f} over 319 of 320" in notes
    assert estimate.mean == pytest.approx((sum(kept) + 1) / 320)
    assert "1 of 320 judgements can't be read" in notes and f"{(sum(kept) + 1) / 320:.3f}" in notes
    assert estimate.scale == (1.0, 10.0) and 1 <= estimate.interval[0] < estimate.interval[1] <= 10


def test_two_judged_models_are_compared_on_their_scale(published):
    store, runs = published
    a, b = (store.read(runs[f"mistral-orpo-{name}"].run_id) for name in ("trl", "mix"))
    found = compare(a, b, margin=0.2)
    assert found.difference == pytest.approx(7.165625 - 6.003125) and found.verdict == "superior"
    assert found.n == 160


def test_judgments_of_some_questions_need_partial(home, tmp_path):
    file = tmp_path / "some.jsonl"
    source = home / "published/model_judgment/gpt-4_single.jsonl"
    file.write_text("".join(source.read_text().splitlines(keepends=True)[:3]))
    place = RunContext(RunStore(tmp_path / "runs"), threads=2, started="2026-01-01T00:00:00+00:00")
    request = LoadRequest(home, None, Settings())
    with pytest.raises(InputError, match=r"no judgment of mistral-orpo-mix's answer 81/2 and 156"):
        seal_judgments(file, BENCHMARK, place, request)
    (run,) = seal_judgments(file, BENCHMARK, place, request, partial=True)
    assert run.estimate.n == 3


def test_fastchat_s_own_layout_is_found(copied, tmp_path):
    checkout = tmp_path / "FastChat"
    inside = checkout / "fastchat/llm_judge/data/mt_bench"
    (inside / "reference_answer").mkdir(parents=True)
    for name in (FILES[0], FILES[2]):
        shutil.copy(copied / name, inside / name)
    shutil.copy(copied / FILES[1], inside.parent / FILES[1])
    assert read_files(checkout) == read_files(copied)


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("question.jsonl", '"question_id": 82', '"question_id": 81', "line 2, column question_id"),
        ("question.jsonl", '"turns"', '"turn"', "line 1, column turns: None; expected 2 turns"),
        ("question.jsonl", '"category": "writing"', '"category": 3', "line 1, column category: 3"),
        ("question.jsonl", "{", "", "line 1, column 14"),
        ("judge_prompts.jsonl", "{question}", "{query}", r"column prompt_template: \{query\}"),
        ("judge_prompts.jsonl", "{question}", "{question", "line 1, column prompt_template"),
        ("judge_prompts.jsonl", '"pair-v2"', '"pair-v3"', "unknown judge prompt 'pair-v2'"),
        ("reference_answer/gpt-4.jsonl", '"question_id": 101', '"question_id": 1', "no reference"),
        ("reference_answer/gpt-4.jsonl", '"turns"', '"answers"', "line 1, column choices"),
    ],
)
def test_a_wrong_file_is_named_with_its_row(copied, name, old, new, message):
    text = (copied / name).read_text(encoding="utf-8")
    assert old in text
    (copied / name).write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(InputError, match=message):
        load(copied)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named(copied, name):
    (copied / name).unlink()
    with pytest.raises(InputError, match=f"no .*{name.rpartition('/')[2]}"):
        load(copied)


def test_a_judgment_of_an_unknown_question_is_named(home, tmp_path):
    row = {
        "question_id": 7, "turn": 1, "model": "m", "judge": ["j", "p"], "user_prompt": "",
        "judgment": "[[1]]",
    }  # fmt: skip
    file = tmp_path / "j.jsonl"
    file.write_text(json.dumps(row) + "\n")
    place = RunContext(RunStore(tmp_path / "runs"), threads=2, started="2026-01-01T00:00:00+00:00")
    with pytest.raises(MalformedRow, match="line 1, column question_id: 7"):
        seal_judgments(file, BENCHMARK, place, LoadRequest(home, None, Settings()))
