"""ShareGPT: `conversations` of turns `from` and `value`, as axolotl and LLaMA-Factory read them.

A turn from `function_call` holds a call as JSON text, one from `observation` its result; `tools`
describes what may be called, as JSON text or as a list. Turns of `role` and `content` are read.
"""

from collections.abc import Mapping
from typing import Any

from weighbridge.tuning.asked import SYSTEM, system_of
from weighbridge.tuning.data_format import DataFormat, RawRow
from weighbridge.tuning.rows import Conversation
from weighbridge.tuning.turns import conversation_of, read_tools, read_turns


def _recognises(row: Mapping[str, Any]) -> bool:
    return "conversations" in row and not {"chosen", "rejected"} <= set(row)


def _read(row: RawRow) -> Conversation:
    turns = read_turns(row, "conversations")
    system = system_of(row)
    if system and turns[0].role == "system":
        raise row.refusal("a system's text in a column and in a turn", "one of them", "system")
    column = f"conversations[{len(turns) - 1}].from"
    return conversation_of(row, (*system, *turns), column, read_tools(row, "tools"))


FORMAT = DataFormat(
    name="sharegpt",
    title="ShareGPT",
    example={
        "conversations": [
            {"from": "human", "value": "Where is my parcel?"},
            {"from": "gpt", "value": "It left on Monday."},
        ]
    },
    columns=frozenset({"id", "conversations", "tools", *SYSTEM}),
    recognises=_recognises,
    read=_read,
)
