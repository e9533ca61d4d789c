"""The JSON object scorer: what counts as an answer, and what as a right one."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.evaluation.scorers.json_object import score_json_object
from weighbridge.records import Generation, Graded, Ungraded

TARGET = {"urgency": "high", "product": None}
RIGHT = '{"urgency":"high","product":null}'


def generation(text: str, stop: str = "end") -> Generation:
    return Generation("s", 0, text, stop, 1, 1, 0)  # type: ignore[arg-type]


def score(text: str, target: dict = TARGET, stop: str = "end"):
    return score_json_object(generation(text, stop), target)


@pytest.mark.parametrize(
    "text",
    [
        RIGHT,
        f"```json\n{RIGHT}\n```",
        f"Sure! Here is the object: {RIGHT} Let me know if that helps.",
        '{\n  "product": null,\n  "urgency": " HIGH "\n}',
        f"The set {{urgency, product}} becomes {RIGHT}",
        f"A smiley :-{{ and then {RIGHT}",
        f'He said "done" and 5" later: {RIGHT}',
        f"{RIGHT} or perhaps " + '{"urgency":"low","product":null}',
        f'{{"urgency": high}} I mean {RIGHT}',
        f"[{RIGHT}]",
    ],
)
def test_a_right_object_counts_whatever_stands_around_it(text):
    result = score(text)
    assert isinstance(result, Graded)
    assert result.value == 1.0
    assert result.parts == {"urgency": 1.0, "product": 1.0}
    assert json.loads(result.answer).keys() == TARGET.keys()


def test_braces_and_quotes_inside_strings_do_not_end_the_object():
    target = {"note": 'a } b { "c" \\', "deep": {"x": ["}"]}}
    assert score("Answer: " + json.dumps(target) + " }", target).value == 1.0


@pytest.mark.parametrize(
    ("text", "why", "parts"),
    [
        (
            '{"urgency":"normal","product":null}',
            "urgency: normal, expected high",
            {"urgency": 0.0, "product": 1.0},
        ),
        (
            '{"urgency":"high"}',
            "product: missing, expected null",
            {"urgency": 1.0, "product": 0.0},
        ),
        (
            '{"urgency":"high","product":"null"}',
            'product: "null", expected null',
            {"urgency": 1.0, "product": 0.0},
        ),
        (
            '{"urgency":["high"],"product":null}',
            'urgency: ["high"], expected high',
            {"urgency": 0.0, "product": 1.0},
        ),
        (
            '{"urgency":"high","product":null,"mood":"fine"}',
            "mood: not asked for",
            {"urgency": 1.0, "product": 1.0},
        ),
        (
            '{"Urgency":"high","product":null}',
            "urgency: missing, expected high; Urgency: not asked for",
            {"urgency": 0.0, "product": 1.0},
        ),
    ],
)
def test_a_wrong_object_says_what_is_wrong(text, why, parts):
    result = score(text)
    assert isinstance(result, Graded)
    assert (result.value, result.why, result.parts) == (0.0, why, parts)


@pytest.mark.parametrize(
    ("expected", "given_", "equal"),
    [
        (1, "1.0", True),
        (1, "true", False),
        (True, "1", False),
        (True, "true", True),
        (0, "false", False),
        (None, "false", False),
        ("1", "1", False),
        ([1, "A"], '[1, "a "]', True),
        ([1, 2], "[1]", False),
        ({"x": True}, '{"x": 1}', False),
        ({"x": "Y"}, '{"x": "y"}', True),
    ],
)
def test_values_are_equal_as_json_values(expected, given_, equal):
    assert score(f'{{"a": {given_}}}', {"a": expected}).value == float(equal)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "I'm sorry, I can't tell.",
        "{urgency: high}",
        "{'urgency': 'high', 'product': None}",
        '{"urgency": "high", "product": null,}',
        '{"urgency": "high", "product": NaN}',
        '{"urgency": "low", "urgency": "high", "product": null}',
        '{"urgency": "high", "product": "\\ud800"}',
        '{"urgency": "high", "product": null',
        '["urgency", "high"]',
        '{"wrapper": {"urgency":"high","product":null}, broken}',
        '{"a":' * 3000 + "1" + "}" * 3000,
        '{"a": ' + "9" * 5000 + "}",
    ],
)
def test_what_is_no_json_object_is_unparsed(text):
    result = score(text)
    assert isinstance(result, Ungraded)
    assert result.reason == "unparsed"


@pytest.mark.parametrize("text", ["", "Let me think", '{"urgency": "hi', '{"a": {"b": 1},'])
def test_out_of_tokens_before_the_end_is_truncated(text):
    assert score(text, stop="length") == Ungraded("truncated", score(text, stop="length").why)


def test_out_of_tokens_after_the_object_is_graded():
    assert score(RIGHT + " And further", stop="length").value == 1.0


def test_a_failed_generation_is_no_wrong_answer():
    assert score(RIGHT, stop="error").reason == "infrastructure"


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**9), 10**9)
    | st.text(st.characters(codec="utf-8"), max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=8,
)
prose = st.text(st.characters(codec="utf-8", exclude_characters="{"), max_size=40)


@given(st.dictionaries(st.text(st.characters(codec="utf-8")), json_values), prose, prose)
def test_any_object_in_any_prose_equals_itself(target, before, after):
    result = score(before + json.dumps(target) + after, target)
    assert isinstance(result, Graded)
    assert result.value == 1.0
    assert json.loads(result.answer) == target


@given(st.text(alphabet='{}"\\:, a1', max_size=60), st.sampled_from(["end", "length"]))
def test_no_text_makes_it_fail(text, stop):
    assert isinstance(score(text, stop=stop), Graded | Ungraded)
