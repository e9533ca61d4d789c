"""A number is read for what it says, however it is typeset; the harness's stand beside it."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weighbridge.evaluation.scorers.final_number import (
    read_number,
    score_final_number,
    score_number_of_reply,
)
from weighbridge.records import Generation, Graded, Ungraded


def score(text, target, read=score_number_of_reply, stop="end"):
    return read(Generation("x", 0, text, stop, 0, 0, 0), target)


REPLIES = [
    ("So the total is \\boxed{$9{,}500}.", "9500"),
    ("The answer is $9{,}500.", "9500"),
    ("\\boxed{8,000}", "8000"),
    ("Profit: $200,000 - $130,000 = $70,000.", "70000"),
    ("The total is 72 clips, altogether.", "72"),
    ("...the total cost of the order is $29.00.", "29"),
    ("$$5\\,600$$", "5600"),
    ("The answer is 5\u202f600.", "5600"),
    ("The answer is 5 600.", "5600"),
    ("\\boxed{1\\text{,}200}", "1200"),
    ("So he runs **540** meters a week.", "540"),
    ("\\[ \\boxed{18} \\]", "18"),
    ("It takes 3 bolts in total.", "3"),
    ("#### 64\n\nLet me double-check: 5*12.80 = 64.", "64"),
]


@pytest.mark.parametrize(("text", "target"), REPLIES)
@pytest.mark.parametrize("read", [score_number_of_reply, score_final_number])
def test_a_number_is_not_cut_at_its_separator(text, target, read):
    found = score(text, target, read)
    assert isinstance(found, Graded) and found.value == 1, found


CHATS = [
    ("The answer is 72.\nCheck: 30+42=72, and 72/2 = 36.", "72"),
    ("Answer: 72\n\n(This took 3 steps.)", "72"),
    ("The answer is 72.\n\nIf you have 2 more questions, ask.", "72"),
    ("The answer is 72.\nWait, I forgot 2 of them: 74.", "74"),
    ("#### 8 * 9 = 72", "72"),
    ('{"answer": "72", "steps": 3}', "72"),
    ("<answer>72</answer> in 3 steps", "72"),
    ("The answer is 72 [2]\n\n[2]: see above", "72"),
    ("72 dollars and 50 cents", "72.5"),
    ("$72 and 5 cents", "72.05"),
    ("2 dozens", "24"),
    ("3-1/2 cups", "3.5"),
    ("9{ }500", "9500"),
]


@pytest.mark.parametrize(("text", "target"), CHATS)
def test_what_a_chat_says_is_its_answer_comes_before_its_last_number(text, target):
    assert score(text, target).value == 1


@pytest.mark.parametrize(
    ("text", "target", "taken_for"),
    [
        ("25%", "0.25", "25"),
        ("50 cents", "0.5", "50"),
        ("1.5M dollars", "1500000", "1.5"),
        ("He reads 72 pages in 3 days.", "72", "3"),
        ("$5 each for 3 people", "5", "3"),
        ("x = 3 and y = 5", "3", "5"),
        ("Total: $72, of which\n- $50 for food\n- $22 for drinks", "72", "22"),
        ("That is 72 out of 100.", "72", "100"),
    ],
)
def test_a_number_that_can_mean_two_is_not_wrong_by_one_of_them(text, target, taken_for):
    assert score(text, target).reason == "unparsed"
    assert score(text, taken_for).value == 1


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("The trip takes 1 hour and 12 minutes.", "72"),
        ("The trip takes 1 hour and 12 minutes.", "1.2"),
        ("The answer is 1 hour, 12 minutes and 5 seconds", "4325"),
        ("1h 12min", "72"),
        ("\\boxed{1 \\text{ hour } 12 \\text{ minutes}}", "72"),
        ("#### 2 weeks and 3 days", "17"),
        ("She is 5 feet 6 inches tall.", "66"),
        ("She is 5'6\" tall.", "5.5"),
        ("The puppy is 1 year and 2 months old.", "14"),
        ("It weighs 3 pounds 4 ounces", "52"),
        ("72 minutes (1 hour 12 minutes)", "72"),
        ("Total: 72 (24 + 48)", "72"),
        ("72 = 6*12", "72"),
        ("So the total is 72 = 6 * 12.", "72"),
        ("\\boxed{72 = 6 \\times 12}", "72"),
        ("**72**\n\n1. First we multiply.\n2. That is all.", "72"),
    ],
)
def test_numbers_that_say_one_quantity_together_are_read_together(text, target):
    found = score(text, target)
    assert isinstance(found, Graded) and found.value == 1, found
    assert score(text, "41").value == 0


@pytest.mark.parametrize(
    "text",
    [
        "The answer is between 3 and 5.", "between 3 apples and 5 apples", "3-5", "3 to 5 hours",
        "It takes 3–5 days.", "from 3 km to 5 km", "The answer is 3 or 5.", "\\boxed{3-5}",
        "Answer: 3, 5", "\\boxed{3 \\text{ or } 5}", "The ratio is 3:5", "#### 3 to 5",
        "The answer is 3*5", "x = 3 × 5", "3 + 5", "The answer is 3 plus 5.", "3**5",
    ],
)  # fmt: skip
def test_a_range_or_a_calculation_is_no_number(text):
    for target in ("3", "4", "5", "8", "15"):
        found = score(text, target)
        assert isinstance(found, Ungraded) and found.reason == "unparsed", (target, found)
        assert found.why.startswith(("3", "between 3"))


@pytest.mark.parametrize("text", ["1 hour and 12 minutes", "3 to 5", "72 = 6*12", "72 in 3 days"])
def test_a_completion_keeps_the_harness_s_last_number(text):
    last = {"1": "12", "3": "5", "7": "12" if "=" in text else "3"}[text[0]]
    assert score(text, last, score_final_number).value == 1


def test_a_time_of_day_is_no_number():
    assert score("He gets there at 3:30.", "30").reason == "unparsed"
    assert score("He gets there at 3:00.", "3").value == 1


WAYS = {
    "plain": str, "comma": "{:,}".format, "underscore": "{:_}".format,
} | {
    name: (lambda n, mark=mark: f"{n:,}".replace(",", mark))
    for name, mark in {
        "LaTeX comma": "{,}", "LaTeX thin": "\\,", "LaTeX medium": "\\:", "LaTeX thick": "\\;",
        "LaTeX tie": "{\\,}", "LaTeX space": "\\ ", "LaTeX thinspace": "\\thinspace ",
        "LaTeX negative": ",\\!", "text comma": "\\text{,}", "ord comma": "\\mathord{,}",
        "rm comma": "\\mathrm{,}", "escaped twice": "\\\\,", "no-break": "\u00a0",
        "narrow no-break": "\u202f", "thin": "\u2009", "figure": "\u2007", "apostrophe": "'",
        "Swiss apostrophe": "\u2019", "space": " ", "full-width comma": "\uff0c",
        "entity": "&nbsp;", "thin entity": "&thinsp;", "numbered entity": "&#8239;",
    }.items()
}  # fmt: skip
AROUND = (
    "{}", "The answer is {}.", "It is ${}.", "It is \\${}.", "= {} dollars", "**{}**", "{}%",
    "\\boxed{{{}}}", "$\\boxed{{\\${}}}$", "\\({}\\)", "\\text{{{} apples}}", "€{}", "({})",
    "{} kg, in all.", "\\boxed{{{}\\text{{ dollars}}}}", "\\mathbf{{{}}}", "`{}`", "x={}", "{}...",
    "{} m^2", "{} cm²", "US${}", "USD {}", "\\textbf{{{}}}", "£{}!", "#### {}", "\\fbox{{{}}}",
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(
    number=st.integers(0, 10**12), way=st.sampled_from(sorted(WAYS)),
    around=st.sampled_from(AROUND), minus=st.sampled_from(["", "-", "\u2212", "\uff0d"]),
)  # fmt: skip
def test_whatever_a_number_is_written_like_it_reads_back(number, way, around, minus):
    written = WAYS[way](number)
    # A sign stands by itself: within words and commands "-" may join two things.
    text = minus + written if minus else around.format(written)
    expected = -number if minus else number
    for read in (score_number_of_reply, score_final_number):
        found = score(f"We add them up. {text}", str(expected), read)
        assert isinstance(found, Graded) and found.value == 1, (text, found)


@settings(max_examples=100, deadline=None)
@given(number=st.integers(0, 10**9), digits=st.sampled_from(["０", "٠", "०", "০"]))
def test_digits_of_any_script_are_digits(number, digits):
    written = "".join(chr(ord(digits) + int(digit)) for digit in str(number))
    assert read_number(f"= {written}") == number


@settings(max_examples=100, deadline=None)
@given(cents=st.integers(0, 10**7), way=st.sampled_from(["{:,.2f}", "{:.2f}", "german"]))
def test_money_with_its_cents_reads_back(cents, way):
    value = Decimal(cents) / 100
    plain = f"{value:,.2f}" if way == "german" else way.format(value)
    written = plain.translate(str.maketrans(",.", ".,")) if way == "german" else plain
    assert read_number(f"It costs {written} altogether") == Fraction(value)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("\\frac{3}{4}", "3/4"), ("3\\frac{1}{2}", "7/2"), ("3 1/2 cups", "7/2"), ("½", "1/2"),
        ("2\u00be", "11/4"), ("1.2e3.", "1200"), ("1.2 \\times 10^{3}", "1200"),
        ("1.2×10⁴", "12000"), ("10^6", "1000000"), ("2^5", "32"), ("12 m²", "12"),
        ("the sum is minus 5", "-5"), ("negative 7", "-7"), ("70k", "70000"), ("$1.5M", "1500000"),
        ("2 million", "2000000"), ("1.234.567", "1234567"), ("€70.000", "70000"),
        ("5:00 PM", "5"), ("on 12/5/2024", "2024"), ("1,00,000", "100000"), ("{-}5", "-5"),
        ("10~200 元", "200"), ("done in 2 steps", "2"), ("5 m2", "5"), ("3 ft^3", "3"),
        ("3 dozen", "36"),
    ],
)  # fmt: skip
def test_other_ways_of_writing_a_number(text, number):
    assert read_number(text) == Fraction(number)


@pytest.mark.parametrize(
    ("text", "first", "second"),
    [("70.000", "70", "70000"), ("9, 500", "500", "9500"), ("12,50", "12.5", "50"),
     ("5 600", "5600", "600"), ("3,5", "3.5", "5")],
)  # fmt: skip
def test_a_number_of_two_readings_is_never_graded_wrong_where_one_is_right(text, first, second):
    assert score(f"It is {text}.", first).value == 1
    found = score(f"It is {text}.", second)
    assert isinstance(found, Ungraded) and found.reason == "unparsed" and "could be" in found.why
    assert score(f"It is {text}.", "41").value == 0


def test_a_word_of_scale_is_a_unit_too():
    assert score("70 thousand dollars", "70000").value == score("70 thousand", "70").value == 1
    assert score("70 thousand", "7000").value == 0


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("#### 72\nThat took 3 steps.", "72"),
        ("So \\boxed{72}, which is 3 more than 69.", "72"),
        ("\\boxed{\\text{He has } 72 \\text{ left}} of 90", "72"),
        ("Steps.\nAnswer: 72 clips (48 and 24)", "72"),
        ("Steps.\n**Final answer: $72** for 3 people", "72"),
        ("#### 1. First we add\nSo 70 + 2 = 72", "72"),
        ("#### Step 1\n48 + 24 = 72", "72"),
        ("#### Final answer\n72", "72"),
        ("The answer is 3*24 = 72", "72"),
        ("#### 70\nNo, I forgot two.\n#### 72", "72"),
        ("The answer is 7 more than 65, that is 72", "72"),
        ("Final answer: 288 apples / 4 = 72", "72"),
    ],
)
def test_a_reply_says_which_number_is_its_answer(text, number):
    found = score(text, number)
    assert isinstance(found, Graded) and found.value == 1, found


def test_a_completion_is_read_by_its_last_number_as_the_harness_does():
    found = score("#### 72\nThat took 3 steps.", "72", score_final_number)
    assert (found.value, found.answer, found.parts["strict_match"]) == (0, "3", 1)


@pytest.mark.parametrize(("text", "reason"), [("five", "unparsed"), ("", "unparsed")])
def test_what_holds_no_number_is_unparsed(text, reason):
    assert score(text, "5").reason == reason


@pytest.fixture(scope="module")
def harness():
    """Return what lm-evaluation-harness's own filters and metric say of a text."""
    extraction = pytest.importorskip("lm_eval.filters.extraction")
    metrics = pytest.importorskip("lm_eval.api.metrics")
    yaml = pytest.importorskip("yaml")
    from pathlib import Path

    import lm_eval.tasks

    config = yaml.safe_load((Path(lm_eval.tasks.__file__).parent / "gsm8k/gsm8k.yaml").read_text())
    (metric,) = config["metric_list"]
    ignored = {key: metric[key] for key in ("regexes_to_ignore", "ignore_case")}

    def figures(text, target):
        found = {}
        for one in config["filter_list"]:
            options = {k: v for k, v in one["filter"][0].items() if k != "function"}
            ((answer,),) = extraction.RegexFilter(**options).apply([[text]], [{}])
            said = metrics.exact_match_hf_evaluate([answer], [f"So.\n#### {target}"], **ignored)
            found[one["name"].replace("-", "_")] = float(said["exact_match"])
        return {
            "flexible_extract": found["flexible_extract"],
            "strict_match": found["strict_match"],
        }

    return figures


TEXTS = st.one_of(
    st.text(alphabet="0123456789,.$#- \n", max_size=24),
    st.builds("So {} it is #### {}".format, st.integers(-99, 99), st.integers(-99, 99)),
    st.sampled_from([text for text, _ in REPLIES]),
    st.text(max_size=12),
)


@pytest.mark.slow
@settings(max_examples=200, deadline=None)
@given(text=TEXTS, target=st.sampled_from(["0", "7", "72", "1450000", "-5", "12.5", "9500", "29"]))
def test_the_parts_are_the_harness_s_own_figures(harness, text, target):
    found = score(text, target, score_final_number)
    if isinstance(found, Graded):
        assert found.parts == harness(text, target)
