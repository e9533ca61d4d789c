"""Reading a choice's letter: what the harness reads, and what else names a letter beyond doubt."""

import pytest

from weighbridge.evaluation.scorers.choice_letter import score_choice_letter
from weighbridge.records import Generation, Graded, Ungraded

CHOICES = ("London", "Paris", "A dog", "None")


def score(text, stop="stop_string"):
    return score_choice_letter(Generation("x", 0, text, stop, 0, 0, 0), "B", CHOICES)


@pytest.mark.parametrize(
    ("text", "exact"),
    [
        (" B", 1), ("b.", 1), ("(B)", 1), ("B\nQuestion", 1), ("**B**", 1),
        ("Answer: B", 0), ("The answer is (B).", 0), ("option b", 0), ("B. Paris", 0),
    ],
)  # fmt: skip
def test_the_right_letter(text, exact):
    found = score(text)
    assert isinstance(found, Graded) and (found.value, found.answer) == (1, "B")
    assert found.parts == {"exact_match": exact}


def test_a_wrong_letter_is_wrong():
    assert (score("D").value, score("D").answer) == (0, "D")
    assert score("C) A dog").answer == "C"


@pytest.mark.parametrize("text", ["", "A dog", "Paris", "E", "\nB", "Both A and B", "B. London"])
def test_a_line_that_names_no_letter_is_ungraded(text):
    found = score(text)
    assert isinstance(found, Ungraded) and found.reason == "unparsed", found


def test_cut_before_a_letter():
    assert score("The", stop="length").reason == "truncated"
    assert score("", stop="error").reason == "infrastructure"
