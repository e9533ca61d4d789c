"""The answer is the pattern's last match in the text, or its group 1 if it has one."""

from dataclasses import dataclass

from weighbridge.errors import InputError
from weighbridge.evaluation.benchmark import Grading
from weighbridge.evaluation.own.cells import Cells
from weighbridge.evaluation.own.definition import Definition
from weighbridge.evaluation.own.kind import Kind, Solution
from weighbridge.evaluation.own.template import fill, parse_template
from weighbridge.evaluation.scorers.regex import score_regex
from weighbridge.patterns import ForeignPattern
from weighbridge.records import Generation, Graded, Sample, Ungraded


@dataclass(frozen=True)
class Options:
    """Keys of its own.

    Attributes:
        pattern: A regular expression of Python's.
        answer: A right answer in full, with columns in braces: what worked examples show.
    """

    pattern: str = ""
    answer: str = ""


def _check(definition: Definition) -> None:
    pattern = definition.options.pattern
    if not pattern:
        raise InputError(
            f"{definition.path} names no pattern", "pattern = '…', whose group 1 is the answer"
        )
    _pattern(definition).check()
    parse_template(f"{definition.path}: answer", definition.options.answer)


def _pattern(definition: Definition) -> ForeignPattern:
    hint = "in TOML write it in single quotes: pattern = '…'"
    return ForeignPattern(definition.options.pattern, f"{definition.path}: pattern", hint)


def _solution(definition: Definition, cells: Cells) -> Solution:
    target, options = cells.text(definition.target), definition.options
    if not options.answer:
        return Solution(target)
    answer = fill(parse_template(f"{definition.path}: answer", options.answer), cells.text)
    full = Generation("", 0, answer, "end", 0, 0, 0)
    score = score_regex(full, target, _pattern(definition))
    if isinstance(score, Ungraded) and score.reason == "infrastructure":
        raise InputError(score.why)
    if not (isinstance(score, Graded) and score.value == 1):
        cells.refuse(f"{answer!r}"[:60], f"an answer in which {options.pattern} finds {target!r}")
    return Solution(target, metadata={"answer": answer})


def _gold(sample: Sample) -> str:
    """Return the answer in full; there is none unless the TOML says how it is written."""
    return str(sample.metadata.get("answer", ""))


def _grading(definition: Definition) -> Grading:
    pattern = _pattern(definition)
    return Grading(
        gold=_gold, grade=lambda sample, reply: score_regex(reply, sample.target, pattern)
    )


KIND = Kind(
    name="regex",
    options=Options,
    solution=_solution,
    grading=_grading,
    check=_check,
)
