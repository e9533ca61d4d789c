"""What a project trains on must not be what it is measured with.

Items of a benchmark that stand in the training data are found by `weighbridge.statistics`. Of a
public benchmark they are counted and left out of the verdict: the data may have been gathered by
others. In a benchmark of one's own they are a mistake in how the data was split, and refused,
unless the project says that they are meant.
"""

import json
from collections.abc import Sequence
from pathlib import Path

from weighbridge.comparison.contamination import find_overlap
from weighbridge.errors import InputError
from weighbridge.evaluation.task import Task
from weighbridge.records import Contamination
from weighbridge.statistics.text_overlap import overlap
from weighbridge.tuning.rows import PlainText, PreferencePair, TuningRow, Turn

_SHOWN = 3


def overlaps_of(
    tasks: Sequence[Task], train: Sequence[Path], *, allowed: bool
) -> tuple[Contamination, ...]:
    """Look for the items of each benchmark in the training data.

    Args:
        tasks: The benchmarks.
        train: The files of the training data.
        allowed: Whether a benchmark of one's own may overlap.

    Raises:
        InputError: Items of one that carries its own data overlap, and that isn't allowed.
    """
    found = tuple(find_overlap(task.benchmark, task.items(task.settings), *train) for task in tasks)
    for task, one in zip(tasks, found, strict=True):
        if one.found and not allowed and task.benchmark.asking.data is None:
            raise _refusal(task, one)
    return found


def _refusal(task: Task, found: Contamination) -> InputError:
    names = sorted(found.found)
    near = set(found.near) - set(found.exact)
    shown = ", ".join(names[:_SHOWN]) + (", …" if len(names) > _SHOWN else "")
    return InputError(
        f"{len(names)} of {found.items} items of {task.title} overlap with {found.tuning_data} "
        f"({len(found.exact)} word for word, {len(near)} nearly: {shown})",
        "items that were not trained on, in a benchmark of one's own",
        "take these rows out of the training data, or state allow_overlap = true in [tune]; the "
        "verdict then leaves the items out",
    )


def repeated_in(train: Sequence[TuningRow], validation: Sequence[TuningRow]) -> str:
    """Return a sentence on validation rows that stand in the training data; "" where none does."""
    known = {_whole(row) for row in train}
    rest = [asked_in(row) for row in validation if _whole(row) not in known]
    equal = len(validation) - len(rest)
    near = len(overlap(rest, map(asked_in, train)).found) if rest else 0
    if not equal + near:
        return ""
    return (
        f"of {len(validation):,} validation rows {equal:,} repeat a training row and {near:,} more "
        "ask nearly what one asks: their loss says little of new data"
    )


def _whole(row: TuningRow) -> str:
    turns = [turn.as_message() for turn in _turns(row)]
    return json.dumps(turns, sort_keys=True) if turns else asked_in(row)


def asked_in(row: TuningRow) -> str:
    """Return the user's turns: rows may share an instruction and a form of answers."""
    if isinstance(row, PlainText):
        return row.text
    asked = row.prompt if isinstance(row, PreferencePair) else row.messages
    return "\n".join(turn.content for turn in asked if turn.role == "user")


def _turns(row: TuningRow) -> tuple[Turn, ...]:
    if isinstance(row, PreferencePair):
        return (*row.prompt, *row.chosen, *row.rejected)
    return row.messages


def validation_overlaps(tasks: Sequence[Task], validation: Sequence[Path]) -> tuple[str, ...]:
    """Return a sentence for each benchmark of which items stand in the validation data."""
    if not validation:
        return ()
    found = [
        (task.title, find_overlap(task.benchmark, task.items(task.settings), *validation))
        for task in tasks
    ]
    return tuple(
        f"{title}: {len(one.found):,} of {one.items:,} items overlap with the validation data, by "
        "which a model is chosen"
        for title, one in found
        if one.found
    )
