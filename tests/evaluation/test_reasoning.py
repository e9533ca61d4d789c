"""Thinking models: the thought is set aside, and only the answer is graded."""

import pytest

from weighbridge.evaluation.benchmark import About, Asking, Benchmark, Grading
from weighbridge.evaluation.grading import grade
from weighbridge.evaluation.scorers.final_number import score_final_number
from weighbridge.models.protocol import Prompt
from weighbridge.models.thoughts import MARKERS, Reply, separate_reasoning
from weighbridge.records import Generation, Graded, Message, Sample, Ungraded

SAMPLE = Sample("x", (Message("user", "q"),), "7")
NUMBERS = Benchmark(
    "n", "1", About(),
    Asking(("generative",), load=lambda _: [SAMPLE], prompt=lambda *_: Prompt("q")),
    Grading(
        gold=lambda _: "7",
        grade=lambda sample, generation: score_final_number(generation, sample.target),
    ),
)  # fmt: skip


@pytest.mark.parametrize(("opening", "closing"), MARKERS)
def test_each_pair_of_markers(opening, closing):
    whole = f"\n{opening}\nIs it 3?\n{closing}\n\nIt is 7"
    assert separate_reasoning(whole) == Reply("Is it 3?", "It is 7")
    opened_by_the_prompt = separate_reasoning(f"Is it 3?{closing}7", f"asked\n{opening}\n")
    assert opened_by_the_prompt == Reply("Is it 3?", "7")
    assert separate_reasoning(f"{opening} Is it 3").answer is None
    assert separate_reasoning("Is it 3", f"asked {opening}").answer is None
    assert separate_reasoning(f"Is it 3?{closing}7") == Reply("Is it 3?", "7")


@pytest.mark.parametrize("text", ["7", "", "print('<think>')", "a <think> b </think>"])
def test_markers_inside_an_answer_are_part_of_it(text):
    assert separate_reasoning(text) == Reply("", text)


def read(text, stop="end", prompt_text=""):
    return grade(NUMBERS, SAMPLE, Generation("x", 0, text, stop, 0, 0, 0), prompt_text)


def test_only_the_answer_is_graded():
    right = read("<think>3? No.</think> 7")
    assert isinstance(right, Graded) and (right.value, right.answer) == (1, "7")
    assert isinstance(read("<think>7</think> Sorry."), Ungraded)


@pytest.mark.parametrize("stop", ["length", "end", "stop_string"])
def test_a_thought_without_an_end_is_truncated_whatever_stands_in_it(stop):
    for text, prompt_text in (("<think> 7, surely", ""), ("7, surely", "q<think>\n")):
        score = read(text, stop, prompt_text)
        assert isinstance(score, Ungraded) and score.reason == "truncated"
