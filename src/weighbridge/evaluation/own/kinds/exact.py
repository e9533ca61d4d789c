"""The whole answer equals the target, or one of several, ignoring case, space and a full stop."""

from dataclasses import dataclass

from weighbridge.evaluation.benchmark import Grading
from weighbridge.evaluation.own.cells import Cells
from weighbridge.evaluation.own.definition import Definition
from weighbridge.evaluation.own.kind import Kind, Solution
from weighbridge.evaluation.scorers.exact import score_exact
from weighbridge.records import Sample


@dataclass(frozen=True)
class Options:
    """No keys of its own."""


def _solution(definition: Definition, cells: Cells) -> Solution:
    target = cells.value(definition.target)
    accepted = target if isinstance(target, list) else [target]
    if not all(str(one).strip() and not isinstance(one, (dict, list)) for one in accepted):
        cells.refuse(repr(target)[:60], "a text, or a list of them", definition.target)
    return Solution(target)


def _grading(definition: Definition) -> Grading:
    return Grading(gold=_gold, grade=lambda sample, reply: score_exact(reply, sample.target))


def _gold(sample: Sample) -> str:
    target = sample.target
    return str(target[0] if isinstance(target, list) else target)


KIND = Kind(name="exact", options=Options, solution=_solution, grading=_grading)
