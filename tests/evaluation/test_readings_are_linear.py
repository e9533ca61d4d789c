"""Whatever a model writes, reading it takes time that grows no faster than the text."""

import time

import pytest

from weighbridge.evaluation.judges import pairwise, rubric, single_answer
from weighbridge.evaluation.scorers.choice_letter import score_choice_letter
from weighbridge.evaluation.scorers.final_number import score_final_number, score_number_of_reply
from weighbridge.evaluation.scorers.function_code import complete_function, extract_function
from weighbridge.evaluation.scorers.json_object import score_json_object
from weighbridge.evaluation.scorers.reply_letter import score_letter_of_reply
from weighbridge.models import thoughts
from weighbridge.records import Generation
from weighbridge.sandbox import Level, probe

CHOICES = ("Paris", "London", "Rome", "vitamin C")
OPENING = 'import math\n\n\ndef f(x):\n    """Doubles."""\n'


def answer(text):
    return Generation("x", 0, text, "end", 0, 0, 0)


READINGS = {
    "completion": lambda text: complete_function(text, "f", OPENING),
    "function": lambda text: extract_function(text, "f", OPENING),
    "letter of a reply": lambda text: score_letter_of_reply(answer(text), "B", CHOICES),
    "letter": lambda text: score_choice_letter(answer(text), "B", CHOICES),
    "number": lambda text: score_final_number(answer(text), "72"),
    "number of a reply": lambda text: score_number_of_reply(answer(text), "72"),
    "JSON": lambda text: score_json_object(answer(text), {"a": 1}),
    "pairwise": lambda text: pairwise.read((text, text)),
    "rubric": lambda text: rubric.JUDGE.read((text,)),
    "single answer": lambda text: single_answer.read((text,)),
    "thoughts": lambda text: (
        thoughts.opened_thought(text, text, thoughts.MARKERS),
        thoughts.closed_thought(text, thoughts.MARKERS),
        thoughts.answer_start(text, "</think>"),
        thoughts.bare_answer(text),
    ),
}
if probe().level is Level.NONE:  # code is parsed in a jail, whose own limits bound that part
    del READINGS["completion"], READINGS["function"]
UNITS = (
    *"~` \t\n1,.()[]{}\"'-*_\\aAB#$<>=:\x00é１+&%²", "\u2009", "\u00a0",
    "``` ", "`~", "```\n", "~~~\n", "( ", "1,", "1 ", "1.", "1, ", "000,", "\\boxed{", "<think>",
    "</think>", "</s>", "<|a|> ", "Answer: ", "answer is ", "#### ", "#### 1\n", "<answer>",
    "A,", "A or ", "(A) ", "**B** ", '{"', '{"a":', "[[1", "not B ", "wait B ", "1/1", "1:00",
    "a1", "_a", "-1", "x \n", "\\text{", "\\frac{1}{", "{,}", " \n\n\u2003", "lambda x:", "f(",
    "def f(x):\n",
)  # fmt: skip
BEFORE = ("", "answer ", "Answer:", "[[", "option", "a_", "$", "&#", "```python\n", "    return ")
FLOOR_SECONDS = 0.2


def processor_seconds(reading, text, times=1):
    seconds = []
    for _ in range(times):
        begun = time.thread_time()
        reading(text)
        seconds.append(time.thread_time() - begun)
    return min(seconds)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.slow if name.endswith("of a reply") else ())
        for name in READINGS
    ],
)
def test_twice_the_text_takes_about_twice_the_time(name):
    """Four times would be quadratic. What takes next to no time passes, on any machine."""
    size, reading = 4000, READINGS[name]
    for unit in UNITS:
        for before in BEFORE if len(unit) == 1 else ("",):
            long, short = (before + (unit * n)[:n] for n in (2 * size, size))
            if processor_seconds(reading, long) < FLOOR_SECONDS:
                continue
            grown = processor_seconds(reading, long, 3) / processor_seconds(reading, short, 3)
            assert grown < 3.2, (before, unit, grown)


@pytest.mark.slow
@pytest.mark.parametrize("name", READINGS)
@pytest.mark.soak
def test_endless_answers_are_read_too(name):
    for unit in UNITS:
        long, short = (
            processor_seconds(READINGS[name], (unit * n)[:n]) for n in (200_000, 100_000)
        )  # fmt: skip
        assert long < FLOOR_SECONDS or long < 3.2 * short, (unit, short, long)
