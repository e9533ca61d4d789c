"""What a model wrote as a function, judged by tests that run outside its jail."""

import ast
import builtins
from collections.abc import Callable
from dataclasses import dataclass

from weighbridge.evaluation.scorers.function_code import Extracted
from weighbridge.records import Generation, Graded, Score, Ungraded
from weighbridge.sandbox import (
    Execution,
    FunctionTest,
    Level,
    Limits,
    check_function,
    run_calibrated,
    run_python,
)
from weighbridge.sources.python_code import syntax_tree

WEAKER = "judged at the weaker integrity level, code and tests in one process"

Run = Callable[[str, Limits], Execution]


def from_outside(entry_point: str, test: str, setup: str = "") -> Run:
    """Return what runs a program and tests it call by call, see `sandbox.check_function`."""
    return lambda program, limits: check_function(
        FunctionTest(program, entry_point, test, setup), limits
    )


def as_one(entry_point: str, test: str, setup: str = "") -> Run:
    """Return what runs program and tests in one process, which a hostile program can get round."""
    return lambda program, limits: run_python(
        f"{program}\n{setup}\n{test}\ncheck({entry_point})\n", limits
    )


@dataclass(frozen=True)
class Tried:
    """How programs are run, and a reference program that measures how slow the machine is.

    Attributes:
        run: Runs a program and its tests.
        reference: A program that passes; "" where there is none, and limits hold as they are.
        limits: What a program may use.
    """

    run: Run
    reference: str
    limits: Limits


def score_function(generation: Generation, found: Extracted, tried: Tried) -> Score:
    """Judge a function; `why` says what it failed on, and at which level if not at the full one.

    Args:
        generation: What the model wrote.
        found: The function read out of it.
        tried: How it is run.
    """
    if generation.stop == "error":
        return Ungraded("infrastructure", "the answer was lost")
    if found.program is None or (found.cut and generation.stop == "length"):
        if generation.stop == "length":
            return Ungraded("truncated", "the token limit came before the function's end")
        return Ungraded("unparsed", found.why)
    done = run_calibrated(tried.run, found.program, tried.reference, tried.limits)
    weaker = f" ({WEAKER})" if done.level is not Level.OUTSIDE_TESTER else ""
    if done.outcome == "infrastructure":
        return Ungraded("infrastructure", done.error)
    if done.outcome == "passed":
        return Graded(1.0, generation.text, "all tests passed" + weaker)
    return Graded(0.0, generation.text, done.error + weaker)


def why_not_from_outside(entry_point: str, test: str, setup: str) -> str:
    """Say why a test can't be driven from outside the jail; empty where it can.

    A test that uses names of the model's own program needs to share its process.

    Args:
        entry_point: The function's name.
        test: Source that defines `check(candidate)`.
        setup: Source that runs before it.
    """
    try:
        tree, before = syntax_tree(test), syntax_tree(setup)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return f"its test or solution can't be read: {error}"
    known = _defined(tree) | _defined(before) | {entry_point, *dir(builtins)}
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    if "check" not in _defined(tree):
        return "its test defines no check(candidate)"
    if unknown := used - known:
        listed = ", ".join(sorted(unknown))
        return f"its test uses names that only the model's code may define: {listed}"
    return ""


def _defined(tree: ast.AST) -> set[str]:
    """Return every name that a source binds, in whatever scope."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.arg):
            names.add(node.arg)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            names.update((alias.asname or alias.name).split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ExceptHandler) and node.name:
            names.add(node.name)
    return names
