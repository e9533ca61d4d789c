"""Cases that are data: no value is close to everything, and none ends the comparison."""

import math

import pytest

from weighbridge.sandbox import FunctionTest, Level, check_function, probe
from weighbridge.sandbox.inside.cases import check_cases, same

HUGE = 10**400
LIES = (
    math.nan, math.inf, -math.inf, HUGE, -HUGE, 10**5000, complex("nan"), 2 + 1e-9j, True, None,
    "2.5", b"2.5", [2.5], (2.5,), {2.5}, {2.5: 2.5}, frozenset([2.5]), 2.5 + 1.1e-6,
)  # fmt: skip


@pytest.mark.parametrize("expected", [2.5, 0.0, -1e300, math.inf])
def test_nothing_is_close_to_a_float_but_floats_that_are(expected):
    for found in LIES:
        assert same(expected, found) == (found == expected), found
    assert same(2.5, 2.5 + 0.9e-6) and same(0.0, -0.0) and same(0.0, 0)


@pytest.mark.parametrize("found", [2.0000001, 2.4, True, "2", [2], math.nan, HUGE, 2 + 0j])
def test_nothing_but_2_is_the_integer_2(found):
    assert not same(2, found) and same(2, 2.0)


@pytest.mark.parametrize("expected", [None, True, False, "", [], {}, [[]], {"a": []}])
def test_what_is_empty_or_a_flag_is_met_by_itself_alone(expected):
    for found in (None, True, False, 0, 1, "", b"", [], (), {}, set(), [[]], {"a": []}, math.nan):
        alike = (list(found) if type(found) is tuple else found) == expected
        assert same(expected, found) == (alike and type(found) in (type(expected), tuple)), found


def test_a_case_that_goes_wrong_says_so_whatever_came():
    for found in (*LIES, "x" * 10**6, list(range(10**5))):
        with pytest.raises((AssertionError, ValueError)):  # what is too long to print is told so
            check_cases(lambda found=found: found, [{"args": [], "returns": 7.25}])


@pytest.mark.skipif(
    probe().level is not Level.OUTSIDE_TESTER,
    reason=f"no such sandbox: {probe().detail}; {probe().fix}",
)
@pytest.mark.parametrize(
    "found", ["float('nan')", "10 ** 400", "10 ** 5000", "E(7.25)", "7.25 + 0j"]
)
def test_a_function_that_answers_so_fails(found):
    test = (
        "import json\nfrom weighbridge.sandbox.inside.cases import check_cases\n"
        'def check(candidate):\n    check_cases(candidate, [{"args": [1], "returns": 7.5}])\n'
    )
    program = (
        "class E(float):\n    __sub__ = __rsub__ = lambda *_: 0.0\n"
        f"    __eq__ = lambda *_: True\n    __hash__ = None\ndef f(x): return {found}\n"
    )
    assert check_function(FunctionTest(program, "f", test)).outcome == "failed"
