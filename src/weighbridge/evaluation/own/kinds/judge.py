"""Another model (`--judge`) rates each answer by the user's own rubric, on their own scale."""

from dataclasses import dataclass

from weighbridge.errors import InputError
from weighbridge.evaluation.benchmark import Grading
from weighbridge.evaluation.judges.rubric import rating
from weighbridge.evaluation.own.cells import Cells
from weighbridge.evaluation.own.definition import Definition
from weighbridge.evaluation.own.kind import Kind, Solution, target_as_text
from weighbridge.evaluation.own.template import fill, parse_template


@dataclass(frozen=True)
class Options:
    """Keys of its own.

    Attributes:
        rubric: What makes an answer good, with columns in braces.
        scale: Lowest and highest rating.
    """

    rubric: str = ""
    scale: tuple[float, ...] = (1.0, 10.0)


def _check(definition: Definition) -> None:
    path, options = definition.path, definition.options
    if not options.rubric.strip():
        raise InputError(f"{path} names no rubric", 'rubric = "What makes an answer good."')
    if len(options.scale) != 2 or not options.scale[0] < options.scale[1]:
        shown = list(options.scale)
        raise InputError(f"{path}: scale = {shown}", "lowest and highest rating: scale = [1, 5]")
    parse_template(f"{path}: rubric", options.rubric)


def _solution(definition: Definition, cells: Cells) -> Solution:
    rubric = parse_template(f"{definition.path}: rubric", definition.options.rubric)
    reference = cells.text(definition.common.target) if definition.common.target else None
    return Solution(reference, metadata={"rubric": fill(rubric, cells.text)})


def _grading(definition: Definition) -> Grading:
    low, high = definition.options.scale
    return Grading(gold=target_as_text, judges={"generative": rating((float(low), float(high)))})


KIND = Kind(
    name="judge",
    options=Options,
    solution=_solution,
    grading=_grading,
    check=_check,
    needs_target=False,
    ends_in_answer=False,
)
