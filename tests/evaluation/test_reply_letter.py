"""The letter in a chat's reply, by a golden table: `letters_in_replies.jsonl`, null is unparsed."""

import json
from pathlib import Path

import pytest

from weighbridge.evaluation.scorers.reply_letter import letter_of_reply, score_letter_of_reply
from weighbridge.records import Generation, Graded, Ungraded

TABLE = Path(__file__).with_name("letters_in_replies.jsonl")
CHOICES = ("3", "4", "5", "6")
ROWS = [json.loads(line) for line in TABLE.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["reply"][:40] or "nothing")
def test_the_golden_table(row):
    assert letter_of_reply(row["reply"], row.get("choices", CHOICES)) == row["letter"]


def test_the_table_holds_what_must_stay_unparsed():
    assert len(ROWS) >= 200 and sum(row["letter"] is None for row in ROWS) >= 45


def score(text, stop="end"):
    return score_letter_of_reply(Generation("x", 0, text, stop, 0, 0, 0), "B", CHOICES)


def test_a_letter_is_graded_and_its_lack_is_not():
    right, wrong = score("The answer is (B) 4."), score("Answer: **C**")
    assert isinstance(right, Graded) and (right.value, right.answer) == (1, "B")
    assert right.parts == {"exact_match": 0} and score("B.").parts == {"exact_match": 1}
    assert isinstance(wrong, Graded) and (wrong.value, wrong.why) == (0, "expected B")
    assert score("A or B").reason == "unparsed" and score("", "error").reason == "infrastructure"


def test_a_reply_that_was_cut_answers_only_with_words_that_say_so():
    assert score("Answer: B\n\nBecause tw", "length").value == 1
    for text in ("First, A", "B) 4 is right if", "It's B", ""):
        assert score(text, "length") == Ungraded(
            "truncated", "the token limit came before the answer's letter"
        )


@pytest.mark.parametrize(
    "text",
    [
        "\n",
        "option ",
        "the answer is ",
        "A, B, ",
        "(",
        "so the the ",
        "\\boxed{",
        "**",
        "is not B ",
    ],
)
def test_a_reply_that_repeats_itself_is_read_and_unparsed(text):
    assert letter_of_reply(text * 1000, CHOICES) is None


def test_the_completion_part_is_the_harness_s_own_figure():
    filters = pytest.importorskip("lm_eval.filters")
    metrics = pytest.importorskip("lm_eval.api.metrics")
    yaml = pytest.importorskip("yaml")
    import lm_eval.tasks

    folder = Path(lm_eval.tasks.__file__).parent / "mmlu/generative"
    config = yaml.safe_load((folder / "_default_template_yaml").read_text())
    (chain,) = config["filter_list"]
    built = filters.build_filter_ensemble(
        "get_response",
        [[one.pop("function"), one or None] for one in map(dict, chain["filter"])],
    )
    for row in ROWS:
        if "choices" in row:
            continue
        answers = [[row["reply"]]]
        for step in built.filters:
            answers = list(step().apply(answers, [{}]))
        said = metrics.exact_match_hf_evaluate(
            [answers[0]], ["B"], ignore_case=True, ignore_punctuation=True
        )
        found = score(row["reply"])
        if isinstance(found, Graded):
            assert found.parts["exact_match"] == said["exact_match"], row
