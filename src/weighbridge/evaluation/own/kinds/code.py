"""The answer is a Python function, judged by tests: in a jail, call by call, from outside it.

Tests are cases as data, `[{"args": [2], "returns": 4}]`, or code: assertions that call the function
by its name, or a `check(candidate)` as HumanEval has. Expected values never reach the code that is
tested (docs/sandbox.md). A test that only one process with the model's code could run is refused.
"""

import json
from dataclasses import dataclass, replace

from weighbridge.errors import InputError
from weighbridge.evaluation.benchmark import Asking, Grading
from weighbridge.evaluation.own.cells import Cells
from weighbridge.evaluation.own.definition import Definition
from weighbridge.evaluation.own.kind import Kind, Solution
from weighbridge.evaluation.scorers.function_code import extract_function
from weighbridge.evaluation.scorers.function_tests import (
    Run,
    Tried,
    as_one,
    from_outside,
    score_function,
    why_not_from_outside,
)
from weighbridge.records import Generation, Json, Sample, Score
from weighbridge.sandbox import Limits
from weighbridge.sandbox.inside.outline import names
from weighbridge.sources.python_code import syntax_tree

CODE_TOKENS = 512
_LONGEST = 200_000
_CASE_KEYS = {"args", "kwargs", "returns", "raises"}
_CASES = """\
import json
from weighbridge.sandbox.inside.cases import check_cases

def check(candidate):
    check_cases(candidate, json.loads({cases!r}))
"""


@dataclass(frozen=True)
class Options:
    """Keys of its own; `target` may name a column with a solution, which gauges slow machines.

    Attributes:
        tests: Column with the tests.
        entry_point: Column with the function's name.
        function: The function's name, where all rows ask for the same.
        setup: Trusted code that runs before the tests: imports and helpers that they use.
        timeout_seconds: What a function may take for all of its tests.
    """

    tests: str = ""
    entry_point: str = ""
    function: str = ""
    setup: str = ""
    timeout_seconds: float = 3.0


def _check(definition: Definition) -> None:
    path, options = definition.path, definition.options
    if not options.tests:
        raise InputError(f"{path} names no tests", 'tests = "COLUMN"')
    if bool(options.entry_point) == bool(options.function):
        raise InputError(
            f"{path} has both or neither of entry_point and function",
            'entry_point = "COLUMN", or function = "NAME" for all rows',
        )
    if options.function and not options.function.isidentifier():
        raise InputError(f"{path}: function = {options.function!r}", "a function's name")
    if not 0 < options.timeout_seconds <= 60:
        seconds = options.timeout_seconds
        raise InputError(f"{path}: timeout_seconds = {seconds:g}", "above 0, at most 60")
    if options.setup and (why := _syntax_error(options.setup)):
        raise InputError(f"{path}: setup: {why}", "Python")


def _syntax_error(source: str) -> str:
    # Compiling takes memory without bound: that is left to the jail in which it is run.
    if len(source) > _LONGEST:
        return f"{len(source):,} characters of code, more than {_LONGEST:,}"
    try:
        syntax_tree(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return str(error) or type(error).__name__
    return ""


def _defines(source: str, name: str) -> bool:
    return any(name in names(statement) for statement in syntax_tree(source).body)


def _solution(definition: Definition, cells: Cells) -> Solution:
    options, target = definition.options, definition.common.target
    entry = options.function or cells.text(options.entry_point)
    if not entry.isidentifier():
        cells.refuse(f"{entry!r}"[:60], "a function's name", options.entry_point)
    test = _test(cells, options.tests, entry)
    if why := why_not_from_outside(entry, test, options.setup):
        cells.refuse(why, "tests that use builtins, `setup` and the function alone", options.tests)
    reference = cells.text(target) if target else None
    if reference is not None and (_syntax_error(reference) or not _defines(reference, entry)):
        cells.refuse(f"a solution without {entry}", "code that defines it", target)
    return Solution(reference, metadata={"entry_point": entry, "test": test})


def _test(cells: Cells, column: str, entry: str) -> str:
    """Return a row's tests as source that defines `check(candidate)`."""
    told: Json = cells.value(column)
    if isinstance(told, str) and told.lstrip().startswith("[{"):
        told = cells.listed(column)
    if isinstance(told, list) and all(isinstance(line, str) for line in told):
        told = "\n".join(told)
    if isinstance(told, str):
        if why := _syntax_error(told):
            cells.refuse(why, "Python, or cases as JSON", column)
        # Bare assertions run when the test is defined, and call the function by its name.
        return told if _defines(told, "check") else f"{told}\n\ndef check(candidate):\n    pass\n"
    for case in told if isinstance(told, list) else [told]:
        if (
            not isinstance(case, dict)
            or not case.keys() <= _CASE_KEYS
            or ("returns" in case) == ("raises" in case)
            or not isinstance(case.get("args", []), list)
            or not isinstance(case.get("kwargs", {}), dict)
        ):
            expected = (
                'cases such as {"args": [2], "returns": 4} or {"args": [], "raises": "KeyError"}'
            )
            cells.refuse(json.dumps(case)[:60], expected, column)
    return _CASES.format(cases=json.dumps(told))


def _asking(definition: Definition, asking: Asking) -> Asking:
    tokens = definition.common.max_tokens or CODE_TOKENS
    return replace(asking, sampling=replace(asking.sampling, max_tokens=tokens), unit_size=16)


def _grading(definition: Definition) -> Grading:
    setup = definition.options.setup
    limits = Limits(wall_seconds=definition.options.timeout_seconds)

    def judged(sample: Sample, reply: Generation, run: Run) -> Score:
        found = extract_function(reply.text, sample.text("entry_point"))
        return score_function(reply, found, Tried(run, str(sample.target or ""), limits))

    def grade(sample: Sample, reply: Generation) -> Score:
        entry, test = sample.text("entry_point"), sample.text("test")
        return judged(sample, reply, from_outside(entry, test, setup))

    def grade_weaker(sample: Sample, reply: Generation) -> Score:
        entry, test = sample.text("entry_point"), sample.text("test")
        return judged(sample, reply, as_one(entry, test, setup))

    return Grading(
        gold=_fenced,
        grade=grade,
        aggregate="pass_at_1",
        executes_code=True,
        grade_weaker=grade_weaker,
    )


def _fenced(sample: Sample) -> str:
    return f"```python\n{sample.target}\n```" if sample.target else ""


KIND = Kind(
    name="code",
    options=Options,
    solution=_solution,
    grading=_grading,
    asking=_asking,
    check=_check,
    needs_target=False,
    ends_in_answer=False,
)
