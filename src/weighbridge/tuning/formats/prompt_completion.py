"""A prompt and its completion, as texts or as turns; also by other names of the two columns.

The completion alone is learnt, as in trl: an answer inside of a prompt of turns is read only.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from weighbridge.tuning.asked import SYSTEM, answer_of, history_of, system_of
from weighbridge.tuning.data_format import DataFormat, RawRow
from weighbridge.tuning.rows import Conversation, Turn
from weighbridge.tuning.turns import conversation_of, read_turns

PAIRS = (
    ("prompt", "completion"),
    ("prompt", "response"),
    ("question", "answer"),
    ("question", "response"),
    ("query", "response"),
    ("input", "output"),
    ("problem", "solution"),
)


def _recognises(row: Mapping[str, Any]) -> bool:
    if isinstance(row.get("label"), bool):  # answers judged good or bad, one by one (KTO)
        return False
    return "instruction" not in row and bool(_pairs(row))


def _pairs(row: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [pair for pair in PAIRS if set(pair) <= set(row)]


def _read(row: RawRow) -> Conversation:
    pairs = _pairs(row.cells)
    if len(pairs) > 1:
        (one, two), (three, four) = pairs[:2]
        raise row.refusal(
            f"both {one} and {two}, and {three} and {four}",
            "one column of prompts and one of completions",
            do="remove the column that is not meant",
        )
    asked, answer = pairs[0]
    before = _turns(row, asked, "user")
    if before[-1].role == "assistant":
        raise row.refusal("a prompt that ends in an answer", "a turn to be answered", asked)
    told = _turns(row, answer, "assistant")
    read_only = (replace(turn, learnt=turn.role != "assistant") for turn in before)
    turns = (*system_of(row), *history_of(row), *read_only, *told)
    return conversation_of(row, turns, answer)


def _turns(row: RawRow, column: str, role: str) -> tuple[Turn, ...]:
    if isinstance(row.cells[column], list):
        return read_turns(row, column)
    text = row.text(column)
    if role == "assistant":
        return (answer_of(row, text, column),)
    if not text.strip():
        raise row.refusal("an empty prompt", "text", column)
    return (Turn("user", text),)


FORMAT = DataFormat(
    name="prompt_completion",
    title="prompt and completion",
    example={"prompt": "Where is my parcel?", "completion": "It left on Monday."},
    columns=frozenset({"id", "history", *SYSTEM, *(name for pair in PAIRS for name in pair)}),
    recognises=_recognises,
    read=_read,
)
