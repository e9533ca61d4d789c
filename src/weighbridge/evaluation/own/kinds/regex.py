"""The answer is what a pattern finds last in the text: its group 1, where it has one."""

import re
from dataclasses import dataclass, replace

from weighbridge.errors import InputError
from weighbridge.evaluation.benchmark import Benchmark
from weighbridge.evaluation.own.cells import Cells
from weighbridge.evaluation.own.definition import Definition
from weighbridge.evaluation.own.kind import Kind, Solution
from weighbridge.evaluation.scorers.regex import score_regex


@dataclass(frozen=True)
class Options:
    """Keys of its own.

    Attributes:
        pattern: A regular expression of Python's.
    """

    pattern: str = ""


def _check(definition: Definition) -> None:
    pattern = definition.options.pattern
    if not pattern:
        raise InputError(
            f"{definition.path} names no pattern", "pattern = '…', whose group 1 is the answer"
        )
    try:
        re.compile(pattern)
    except re.error as error:
        raise InputError(
            f"{definition.path}: pattern = {pattern!r} ({error})", "a regular expression",
            "in TOML write it in single quotes: pattern = '…'",
        ) from error  # fmt: skip


def _solution(definition: Definition, cells: Cells) -> Solution:
    return Solution(cells.text(definition.target))


def _complete(definition: Definition, benchmark: Benchmark) -> Benchmark:
    pattern = re.compile(definition.options.pattern)
    return replace(
        benchmark, grade=lambda sample, reply: score_regex(reply, sample.target, pattern)
    )


KIND = Kind(name="regex", options=Options, solution=_solution, complete=_complete, check=_check)
