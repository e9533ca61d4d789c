"""Turns of `role` and `content`, each row ending in an assistant's: our own form, and trl's.

An answer may have its thought in `reasoning_content` (or `thinking`, or `reasoning`).
"""

from collections.abc import Mapping
from typing import Any

from weighbridge.tuning.data_format import DataFormat, RawRow
from weighbridge.tuning.formats import openai
from weighbridge.tuning.rows import Conversation
from weighbridge.tuning.turns import conversation_of, read_turns


def _recognises(row: Mapping[str, Any]) -> bool:
    return "messages" in row and not openai.FORMAT.recognises(row)


def _read(row: RawRow) -> Conversation:
    turns = read_turns(row, "messages")
    return conversation_of(row, turns, f"messages[{len(turns) - 1}].role")


FORMAT = DataFormat(
    name="messages",
    title="messages",
    example={
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Where is my parcel?"},
            {"role": "assistant", "content": "It left on Monday."},
        ]
    },
    columns=frozenset({"id", "messages"}),
    recognises=_recognises,
    read=_read,
)
