"""OpenAI's file for preference tuning, unchanged: `input`, and an output preferred to another."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from weighbridge.tuning.data_format import DataFormat, RawRow
from weighbridge.tuning.pairs import pair_of
from weighbridge.tuning.rows import PreferencePair
from weighbridge.tuning.turns import read_tools, read_turns

_COLUMNS = frozenset({"input", "preferred_output", "non_preferred_output"})
_INPUT = frozenset({"messages", "tools", "parallel_tool_calls"})


def _recognises(row: Mapping[str, Any]) -> bool:
    return set(row) >= _COLUMNS


def _read(row: RawRow) -> PreferencePair:
    given = row.cells["input"]
    if not isinstance(given, Mapping):
        raise row.refusal(f"{given!r:.80}", "an object with messages", "input")
    given = {key: value for key, value in given.items() if value is not None}
    if unread := sorted(set(given) - _INPUT):
        saw = f"key {unread[0]!r}, which nothing reads"
        raise row.refusal(saw, ", ".join(sorted(_INPUT)), f"input.{unread[0]}")
    inner = replace(row, cells=given)
    prompt, tools = read_turns(inner, "messages"), read_tools(inner, "tools")
    chosen, rejected = (
        read_turns(row, f"{kind}_output") for kind in ("preferred", "non_preferred")
    )
    return pair_of(row, prompt, chosen, rejected, "non_preferred_output", tools)


FORMAT = DataFormat(
    name="openai_preference",
    title="OpenAI's preferences",
    example={
        "input": {"messages": [{"role": "user", "content": "Where is my parcel?"}]},
        "preferred_output": [{"role": "assistant", "content": "It left on Monday."}],
        "non_preferred_output": [{"role": "assistant", "content": "No idea."}],
    },
    columns=_COLUMNS | {"id"},
    recognises=_recognises,
    read=_read,
)
