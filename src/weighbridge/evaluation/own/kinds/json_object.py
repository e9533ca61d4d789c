"""The answer holds a JSON object, which is compared field by field.

The right object stands in one column (`target`), or each field in a column of its own (`fields`).
With `fields`, only these are compared: what else the answer holds is not looked at.
"""

import json
from dataclasses import dataclass

from weighbridge.errors import InputError
from weighbridge.evaluation.benchmark import Grading
from weighbridge.evaluation.own.cells import Cells
from weighbridge.evaluation.own.definition import Definition
from weighbridge.evaluation.own.kind import Kind, Solution, target_as_text
from weighbridge.evaluation.scorers.json_object import score_json_object
from weighbridge.records import Json


@dataclass(frozen=True)
class Options:
    """Keys of its own.

    Attributes:
        fields: Those that count; all of the target's where none is named.
    """

    fields: tuple[str, ...] = ()


def _check(definition: Definition) -> None:
    named = definition.options.fields
    if len(set(named)) < len(named):
        raise InputError(f"{definition.path}: fields = {list(named)}", "names that differ")
    if definition.common.prompt and not (definition.common.target or named):
        raise InputError(
            f"{definition.path} names no target", 'target = "COLUMN", or fields = ["COLUMN", …]'
        )


def _solution(definition: Definition, cells: Cells) -> Solution:
    named = definition.options.fields
    if not definition.common.target and definition.common.prompt:
        return Solution({field: _cell(cells, field) for field in named})
    whole = cells.object_(definition.target)
    for field in named:
        if field not in whole:
            cells.refuse(f"no field {field!r}", f"fields {', '.join(named)}", definition.target)
    return Solution({field: whole[field] for field in named} if named else whole)


def _cell(cells: Cells, column: str) -> Json:
    """Return a cell as JSON. CSV has only text: what is a number, true, false or null is one."""
    if cells.row.get(column, "") is None:
        return None
    value = cells.value(column)
    if not isinstance(value, str) or cells.path.suffix.lower() not in (".csv", ".tsv"):
        return value
    try:
        read = json.loads(value)
    except (ValueError, RecursionError):
        return value
    return read if read is None or isinstance(read, (bool, int, float)) else value


def _grading(definition: Definition) -> Grading:
    named = bool(definition.options.fields)
    return Grading(
        gold=target_as_text,
        grade=lambda sample, reply: score_json_object(
            reply, sample.target_object, others_count=not named
        ),
    )


KIND = Kind(
    name="json_object",
    options=Options,
    solution=_solution,
    grading=_grading,
    check=_check,
    needs_target=False,
)
