"""OpenAI's file for supervised fine-tuning, unchanged: `messages` with weights, tools and calls.

An answer whose `weight` is 0 is read by the model and not learnt. `functions` and `function_call`,
which OpenAI has retired, are read as tools and calls of tools. `parallel_tool_calls` says how a
server calls and changes no token, so it is passed over.
"""

from collections.abc import Mapping
from typing import Any

from weighbridge.records import Json
from weighbridge.tuning.data_format import DataFormat, RawRow
from weighbridge.tuning.rows import Conversation
from weighbridge.tuning.turns import (
    OPENAI_KEYS,
    OPENAI_ROLES,
    conversation_of,
    read_tools,
    read_turns,
)

_OWN = ("tools", "functions", "parallel_tool_calls")


def _recognises(row: Mapping[str, Any]) -> bool:
    turns = row.get("messages")
    if not isinstance(turns, list):
        return False
    return any(name in row for name in _OWN) or any(
        isinstance(turn, Mapping) and _is_openais(turn) for turn in turns
    )


def _is_openais(turn: Mapping[str, Any]) -> bool:
    role = turn.get("role")
    return (
        any(turn.get(key) is not None for key in OPENAI_KEYS)
        or (isinstance(role, str) and role in OPENAI_ROLES)
        or isinstance(turn.get("content"), list)
    )


def _read(row: RawRow) -> Conversation:
    turns = read_turns(row, "messages")
    if row.cells.get("tools") and row.cells.get("functions"):
        raise row.refusal("both tools and functions", "one of them", "functions")
    tools = read_tools(row, "tools") or read_tools(row, "functions")
    return conversation_of(row, turns, f"messages[{len(turns) - 1}].role", tools)


_LOOK_UP: Json = {
    "type": "function",
    "function": {
        "name": "find_parcel",
        "description": "Tell where a parcel is.",
        "parameters": {
            "type": "object",
            "properties": {"order": {"type": "string"}},
            "required": ["order"],
        },
    },
}
FORMAT = DataFormat(
    name="openai",
    title="OpenAI's fine-tuning messages",
    example={
        "messages": [
            {"role": "user", "content": "Hi!"},
            {"role": "assistant", "content": "Yes?", "weight": 0},
            {"role": "user", "content": "Where is order FH-17?"},
            {
                "role": "assistant",
                "tool_calls": [
                    {
                        "id": "call_1",
                        "type": "function",
                        "function": {"name": "find_parcel", "arguments": '{"order": "FH-17"}'},
                    }
                ],
            },
            {"role": "tool", "tool_call_id": "call_1", "content": "left on Monday"},
            {"role": "assistant", "content": "It left on Monday."},
        ],
        "tools": [_LOOK_UP],
    },
    columns=frozenset({"id", "messages", *_OWN}),
    recognises=_recognises,
    read=_read,
    covers=frozenset({"messages"}),
)
