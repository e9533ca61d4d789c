r"""Preference pairs: `chosen` and `rejected`, each a text or turns, and the prompt of both.

The prompt stands in a column of its own (`prompt`, `question`, `instruction` with `input`, or
`conversations`), or both answers begin with it (trl's implicit prompt, UltraFeedback, and the texts
of HH-RLHF, which mark turns by `\n\nHuman:` and `\n\nAssistant:`).
"""

import re
from collections.abc import Mapping
from typing import Any

from weighbridge.tuning.asked import SYSTEM, history_of, system_of
from weighbridge.tuning.data_format import DataFormat, RawRow
from weighbridge.tuning.pairs import pair_of, without_prompt
from weighbridge.tuning.rows import PreferencePair, Turn
from weighbridge.tuning.turns import read_tools, read_turn, read_turns

_ASKED = ("prompt", "question", "instruction", "conversations")
_HH = re.compile(r"\n\n(Human|Assistant):(.*?)(?=\n\n(?:Human|Assistant):|\Z)", re.DOTALL)
_HH_BEGINS = "\n\nHuman:"


def _recognises(row: Mapping[str, Any]) -> bool:
    return {"chosen", "rejected"} <= set(row)


def _read(row: RawRow) -> PreferencePair:
    chosen, rejected = _answer(row, "chosen"), _answer(row, "rejected")
    prompt, tools = _prompt(row), read_tools(row, "tools")
    if chosen[0].role == "assistant" and rejected[0].role == "assistant":
        if not prompt:
            raise row.refusal(
                "answers without a prompt",
                "a column prompt, or whole conversations of turns",
                "chosen",
            )
        before = (*system_of(row), *history_of(row), *prompt)
        return pair_of(row, before, chosen, rejected, "rejected", tools)
    shared, chosen, rejected = without_prompt(row, chosen, rejected, "rejected")
    if prompt and not _ends_alike(shared, prompt):
        raise row.refusal(
            "a prompt that the answers don't begin with",
            "the same in both, or answers alone",
            "chosen",
        )
    return pair_of(row, (*system_of(row), *shared), chosen, rejected, "rejected", tools)


def _ends_alike(shared: tuple[Turn, ...], prompt: tuple[Turn, ...]) -> bool:
    """Whether the turns that both answers begin with end in the prompt that a column holds."""
    said, asked = ([turn.content.strip() for turn in turns] for turns in (shared, prompt))
    return said[-len(asked) :] == asked


def _answer(row: RawRow, column: str) -> tuple[Turn, ...]:
    value = row.cells[column]
    if isinstance(value, list):
        return read_turns(row, column)
    if isinstance(value, Mapping):
        return (read_turn(row, column, value),)
    text = row.text(column)
    if text.startswith(_HH_BEGINS):
        roles = {"Human": "user", "Assistant": "assistant"}
        turns = [{"role": roles[who], "content": said.strip()} for who, said in _HH.findall(text)]
        return tuple(read_turn(row, f"{column}[{n}]", turn) for n, turn in enumerate(turns))
    if not text.strip():
        raise row.refusal("an empty assistant turn", "text", column)
    return (Turn("assistant", text),)


def _prompt(row: RawRow) -> tuple[Turn, ...]:
    there = [name for name in _ASKED if row.cells.get(name)]
    if len(there) > 1:
        raise row.refusal(f"both {there[0]} and {there[1]}", "one prompt", there[1])
    if not there:
        return (Turn("user", row.text("input")),) if row.cells.get("input") else ()
    if isinstance(row.cells[there[0]], list):
        return read_turns(row, there[0])
    text = row.text(there[0])
    if text.startswith(_HH_BEGINS):
        raise row.refusal("a prompt with marks of turns in it", "turns, or text alone", there[0])
    if there[0] == "instruction":
        text = "\n\n".join(filter(None, (text, row.text("input"))))
    return (Turn("user", text),)


FORMAT = DataFormat(
    name="preference",
    title="preference pairs",
    example={
        "prompt": "Where is my parcel?",
        "chosen": "It left on Monday.",
        "rejected": "No idea.",
    },
    columns=frozenset({"id", "chosen", "rejected", "input", "history", "tools", *_ASKED, *SYSTEM}),
    recognises=_recognises,
    read=_read,
)
