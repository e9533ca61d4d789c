"""Patterns that somebody else wrote: they end, or one line says that they don't."""

import json
import os
import re
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge import patterns
from weighbridge.errors import InputError
from weighbridge.evaluation.benchmark import LoadRequest, Settings
from weighbridge.evaluation.own import read_own_benchmark
from weighbridge.evaluation.scorers.regex import score_regex
from weighbridge.patterns import ForeignPattern, PatternTooSlow
from weighbridge.planning.anatomy.stored import _wildcards_match
from weighbridge.records import Generation, Graded, Ungraded

ENDLESS = [
    "(a+)+$", "(a|a)+$", "(a|aa)+$", "(.*a){25}$", "(a*)*$", "(?:a?){60}a{60}$", ".*(x+x+)+y",
]  # fmt: skip
LONG = "a" * 60 + "x" * 60 + "!"


def pattern(text, seconds=0.05):
    return ForeignPattern(text, "own.toml: pattern", seconds=seconds)


@pytest.mark.parametrize("text", ENDLESS)
def test_a_pattern_without_an_end_is_one_line_that_says_which(text):
    with pytest.raises(PatternTooSlow) as slow:
        pattern(text).fullmatch([LONG, LONG])
    said = str(slow.value)
    assert repr(text) in said and "2 names of 242 characters" in said and "\n" not in said
    assert pattern("x*!").fullmatch(["!", "a"]) == [True, False]  # the next one is answered


def test_it_finds_what_python_finds():
    for text, found in (
        ("([A-D])", "C"),
        ("[A-D]", "C"),
        ("(E)?", ""),
        ("E", None),
        ("(?i)c", "C"),
    ):
        assert pattern(text, 2.0).last("A B \ud800 C") == found


@given(st.text(st.sampled_from("ab.*+()|x[]\\{}1,"), max_size=8), st.text("abx.1", max_size=8))
@pytest.mark.filterwarnings("ignore:Possible nested set:FutureWarning")
def test_any_pattern_is_read_as_python_reads_it(text, names):
    here = pattern(text, 2.0)
    try:
        expected = re.fullmatch(text, names) is not None
    except (re.error, OverflowError):
        with pytest.raises(InputError, match="a regular expression"):
            here.check()
    else:
        assert here.fullmatch([names]) == [expected]


def test_threads_and_forks_get_their_own_answers():
    wrong = []

    def ask(letter):
        for _ in range(30):
            wrong.extend({pattern(f"({letter})", 2.0).last("abc")} - {letter})

    threads = [threading.Thread(target=ask, args=(letter,)) for letter in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    child = os.fork()
    if child == 0:
        os._exit(pattern("(b)", 2.0).last("abc") != "b")
    assert os.waitpid(child, 0)[1] == 0
    assert pattern("(c)", 2.0).last("abc") == "c"


def test_an_answer_on_which_it_does_not_end_is_neither_right_nor_wrong():
    def score(text, stop="end"):
        written = Generation("x", 0, text, stop, 0, 0, 0)
        return score_regex(written, "aa", pattern("^((?:a+)+)$"))

    assert score("aa") == Graded(1.0, "aa")
    lost = score("a" * 60 + "!")
    assert isinstance(lost, Ungraded) and lost.reason == "infrastructure"
    assert "a text of 61 characters" in lost.why and "own.toml: pattern" in lost.why


def test_a_benchmark_whose_own_answer_it_does_not_end_on_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(patterns, "SECONDS", 0.1)
    (tmp_path / "rows.jsonl").write_text(json.dumps({"q": "row", "a": "a" * 60 + "!"}) + "\n")
    (tmp_path / "own.toml").write_text(
        'data = "rows.jsonl"\nprompt = "{q}"\ntarget = "a"\n'
        "pattern = '^(a+)+$'\nanswer = '{a}'\n"
    )
    asking = read_own_benchmark(tmp_path / "own.toml").asking
    with pytest.raises(InputError, match=r"own\.toml: pattern = '\^\(a\+\)\+\$' did not come"):
        list(asking.load(LoadRequest(None, None, Settings())))


@given(st.lists(st.text("ab.", max_size=3), min_size=2, max_size=5), st.text("ab.", max_size=12))
def test_wildcards_match_as_a_regular_expression_would(pieces, name):
    expected = re.match(".*".join(map(re.escape, pieces)) + r"(\.|$)", name)
    assert _wildcards_match(pieces, name) == (expected is not None)


def test_many_wildcards_take_one_look_each():
    assert not _wildcards_match(["", *"a" * 60, "b"], "a" * 4000)
