"""Inside the tester's jail: test cases that are data, such as a user's own benchmark has.

A case is `{"args": […], "kwargs": {…}, "returns": value}`, or has `"raises": "ValueError"` in place
of a value.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

ABSOLUTE = 1e-6  # by which floating-point numbers may differ, as in HumanEval's own tests


def check_cases(candidate: Callable[..., Any], cases: Sequence[dict[str, Any]]) -> None:
    """Call the candidate for each case and compare.

    Raises:
        AssertionError: On the first case that goes wrong; says the call and what came of it.
    """
    for case in cases:
        args, kwargs = case.get("args", []), case.get("kwargs", {})
        shown = [*map(repr, args), *(f"{name}={value!r}" for name, value in kwargs.items())]
        call = f"{candidate.__name__}({', '.join(shown)})"[:200]
        if "raises" in case:
            _check_raises(call, partial(candidate, *args, **kwargs), case["raises"])
            continue
        found = candidate(*args, **kwargs)
        if not same(case["returns"], found):
            expected = case["returns"]
            raise AssertionError(f"{call} returned {found!r:.200}, expected {expected!r:.200}")


def _check_raises(call: str, calling: Callable[[], Any], expected: str) -> None:
    try:
        found = calling()
    except Exception as error:
        if any(kind.__name__ == expected for kind in type(error).__mro__):
            return
        raise AssertionError(f"{call} raised {type(error).__name__}, not {expected}") from None
    raise AssertionError(f"{call} returned {found!r:.200}, expected {expected}")


def same(expected: Any, found: Any) -> bool:
    """Whether a value is the one expected, which came as JSON: tuples and lists are the same there.

    An expected integer is met by an equal number alone; a float by one closer than 1e-6.

    >>> same([1, 2.5], (1, 2.5000001)), same(1, True), same({"a": None}, {"a": None})
    (True, False, True)
    """
    if isinstance(found, tuple):
        found = list(found)
    if isinstance(expected, bool) or isinstance(found, bool):
        return expected is found
    if isinstance(expected, (int, float)) and isinstance(found, (int, float)):
        if isinstance(expected, int) or expected == found:
            return expected == found
        try:
            return abs(expected - found) < ABSOLUTE
        except OverflowError:  # an integer beyond any float
            return False
    if isinstance(expected, list) and isinstance(found, list):
        return len(expected) == len(found) and all(map(same, expected, found))
    if isinstance(expected, dict) and isinstance(found, dict):
        return expected.keys() == found.keys() and all(
            same(expected[key], found[key]) for key in expected
        )
    return type(expected) is type(found) and bool(expected == found)
