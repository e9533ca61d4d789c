"""Turns in the dialects that data files write them in, read to `weighbridge.tuning.rows.Turn`.

OpenAI's dialect is `role` and `content`, with calls of tools as objects whose arguments are JSON
*text*; chat templates take them as objects, which is what they become here. ShareGPT's is `from`
and `value`, with a call as JSON text in a turn of its own.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from weighbridge.records import Json
from weighbridge.tuning.data_format import RawRow
from weighbridge.tuning.rows import THOUGHTS, Conversation, ToolCall, Turn, TurnRole

_ROLES: dict[str, TurnRole] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
    "tool": "tool",
    "function": "tool",
}
OPENAI_KEYS = frozenset({"weight", "tool_calls", "function_call", "tool_call_id", "name"})
OPENAI_ROLES = frozenset({"developer", "tool", "function"})
_KEYS = frozenset({"role", "content", *THOUGHTS}) | OPENAI_KEYS
_SPEAKERS: dict[str, TurnRole] = {
    "system": "system",
    "human": "user",
    "user": "user",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "bing": "assistant",
    "bard": "assistant",
    "assistant": "assistant",
    "function_call": "assistant",
    "observation": "tool",
    "function_response": "tool",
    "tool": "tool",
}
_SHARED_KEYS = frozenset({"from", "value", "weight"})
_TURN = "an object of role and content"


def conversation_of(
    row: RawRow,
    turns: Sequence[Turn],
    column: str,
    tools: Sequence[Mapping[str, Json]] = (),
) -> Conversation:
    """Return a row's conversation.

    Args:
        row: The row.
        turns: Its turns.
        column: Where the last of them stands, for messages.
        tools: What it may call.

    Raises:
        MalformedRow: It doesn't end in an answer, or none is learnt.
    """
    if turns[-1].role != "assistant":
        raise row.refusal(
            f"the last turn is the {turns[-1].role}'s",
            "an assistant turn, which is what is learnt",
            column,
        )
    if not any(turn.is_learnt for turn in turns):
        raise row.refusal(
            "every answer has weight 0, so that nothing is learnt", "one of weight 1", column
        )
    name, given = row.name
    return Conversation(name, tuple(turns), row.path, row.line, given, tuple(tools))


def read_turns(row: RawRow, column: str) -> tuple[Turn, ...]:
    """Return the turns that a column holds, in whichever of the two dialects.

    Raises:
        MalformedRow: A turn can't be read.
    """
    turns = row.listed(column)
    if not turns:
        raise row.refusal("no turns", "at least one", column)
    return tuple(read_turn(row, f"{column}[{n}]", turn) for n, turn in enumerate(turns))


def read_turn(row: RawRow, column: str, turn: Any) -> Turn:
    """Return one turn, in whichever of the two dialects.

    Raises:
        MalformedRow: It can't be read.
    """
    if not isinstance(turn, Mapping):
        raise row.refusal(f"{turn!r:.80}", _TURN, column)
    turn = {key: value for key, value in turn.items() if value is not None}
    if "from" in turn and "role" not in turn:
        return _shared_turn(row, column, turn)
    if unread := sorted(set(turn) - _KEYS):
        saw = f"key {unread[0]!r}, which nothing reads"
        raise row.refusal(saw, "role and content", f"{column}.{unread[0]}")
    role = turn.get("role")
    calls = _calls(row, column, turn)
    if role is None or ("content" not in turn and not calls):
        raise row.refusal(f"{turn!r:.80}", _TURN, column)
    if not isinstance(role, str) or role not in _ROLES:
        raise row.refusal(f"role {role!r:.40}", " or ".join(_ROLES), f"{column}.role")
    named = turn.get("name")
    if named is not None and _ROLES[role] != "tool":
        row.say("the name of a turn's speaker is not read: chat templates don't write it")
    read = Turn(
        _ROLES[role],
        _content(row, f"{column}.content", turn.get("content", "")),
        _reasoning(row, column, turn),
        calls,
        _named(row, column, "name", turn) if _ROLES[role] == "tool" else None,
        _named(row, column, "tool_call_id", turn),
        _weight(row, column, turn, _ROLES[role]),
    )
    return _checked(row, column, read)


def _checked(row: RawRow, column: str, turn: Turn) -> Turn:
    answers = turn.role == "assistant"
    if answers and not turn.content.strip() and not turn.tool_calls:
        raise row.refusal("an empty assistant turn", "text", f"{column}.content")
    if not answers and turn.reasoning is not None:
        raise row.refusal(f"a thought of the {turn.role}", "an assistant's", column)
    if not answers and turn.tool_calls:
        raise row.refusal(f"a call of the {turn.role}", "an assistant's", column)
    return turn


def _content(row: RawRow, column: str, content: Any) -> str:
    """Return a turn's text; OpenAI's may be a list of parts."""
    if isinstance(content, list):
        parts = [
            part["text"]
            for part in content
            if isinstance(part, Mapping)
            and part.get("type", "text") == "text"
            and isinstance(part.get("text"), str)
        ]
        if len(parts) < len(content):
            raise row.refusal("a part that is no text", "text, which alone is learnt here", column)
        return "".join(parts)
    if not isinstance(content, str):
        raise row.refusal(f"content of type {type(content).__name__}", "text", column)
    return content


def _reasoning(row: RawRow, column: str, turn: Mapping[str, Any]) -> str | None:
    """Return a thought that stands in a field of its own, by the names that exports give it."""
    for name in THOUGHTS:
        if thought := turn.get(name):
            if not isinstance(thought, str):
                saw = f"{name} of type {type(thought).__name__}"
                raise row.refusal(saw, "text", f"{column}.{name}")
            return thought
    return None


def _named(row: RawRow, column: str, key: str, turn: Mapping[str, Any]) -> str | None:
    value = turn.get(key)
    if value is not None and not isinstance(value, str):
        raise row.refusal(f"{key} of type {type(value).__name__}", "text", f"{column}.{key}")
    return value


def _weight(row: RawRow, column: str, turn: Mapping[str, Any], role: TurnRole) -> bool:
    """Return whether an answer is learnt: OpenAI's `weight` is 0 or 1, and 1 where it is absent."""
    weight = turn.get("weight")
    if weight is None:
        return True
    if isinstance(weight, bool) or weight not in (0, 1):
        raise row.refusal(f"weight {weight!r:.40}", "0 or 1", f"{column}.weight")
    if role != "assistant" and weight == 1:
        raise row.refusal(
            f"weight 1 of a turn of the {role}", "answers alone to learn", f"{column}.weight"
        )
    return bool(weight)


def _calls(row: RawRow, column: str, turn: Mapping[str, Any]) -> tuple[ToolCall, ...]:
    if "tool_calls" in turn and "function_call" in turn:
        raise row.refusal("both tool_calls and function_call", "one of them", column)
    if "function_call" in turn:
        return (_call(row, f"{column}.function_call", turn["function_call"]),)
    calls = turn.get("tool_calls", [])
    if not isinstance(calls, list):
        saw = f"tool_calls of type {type(calls).__name__}"
        raise row.refusal(saw, "a list", f"{column}.tool_calls")
    return tuple(_call(row, f"{column}.tool_calls[{n}]", call) for n, call in enumerate(calls))


def _call(row: RawRow, column: str, call: Any) -> ToolCall:
    """Return a call, written with or without OpenAI's object around name and arguments."""
    expected = "a function's name and arguments"
    if not isinstance(call, Mapping) or call.get("type", "function") != "function":
        raise row.refusal(f"{call!r:.80}", expected, column)
    function = call.get("function", call)
    if not isinstance(function, Mapping) or not isinstance(function.get("name"), str):
        raise row.refusal(f"{call!r:.80}", expected, column)
    arguments = function.get("arguments")
    if isinstance(arguments, str):
        at = f"{column}.arguments"
        arguments = row.parsed(arguments, at, "an object") if arguments.strip() else None
    if arguments is None:
        arguments = {}
    if not isinstance(arguments, dict):
        saw = f"arguments of type {type(arguments).__name__}"
        raise row.refusal(saw, "an object", f"{column}.arguments")
    called = call.get("id")
    return ToolCall(function["name"], arguments, called if isinstance(called, str) else None)


def _shared_turn(row: RawRow, column: str, turn: Mapping[str, Any]) -> Turn:
    """Return a turn of ShareGPT's dialect."""
    if unread := sorted(set(turn) - _SHARED_KEYS):
        saw = f"key {unread[0]!r}, which nothing reads"
        raise row.refusal(saw, "from and value", f"{column}.{unread[0]}")
    speaker, value = turn["from"], turn.get("value")
    if not isinstance(speaker, str) or speaker not in _SPEAKERS:
        raise row.refusal(f"a turn from {speaker!r:.40}", " or ".join(_SPEAKERS), f"{column}.from")
    if not isinstance(value, str):
        raise row.refusal(f"value of type {type(value).__name__}", "text", f"{column}.value")
    role = _SPEAKERS[speaker]
    learnt = _weight(row, column, turn, role)
    if speaker == "function_call":
        calls = _written_calls(row, f"{column}.value", value)
        return Turn("assistant", "", tool_calls=calls, learnt=learnt)
    return _checked(row, column, Turn(role, value, learnt=learnt))


def _written_calls(row: RawRow, column: str, value: str) -> tuple[ToolCall, ...]:
    calls = row.parsed(value, column, 'a call: {"name", "arguments"}')
    calls = calls if isinstance(calls, list) else [calls]
    if not calls:
        raise row.refusal("no call", "at least one", column)
    return tuple(_call(row, column, call) for call in calls)


def read_tools(row: RawRow, column: str) -> tuple[Mapping[str, Json], ...]:
    """Return a column's descriptions of tools as chat templates take them.

    Older files (OpenAI's `functions`, ShareGPT's `tools`) lack the object around each; it is added.

    Raises:
        MalformedRow: It holds something else.
    """
    if not row.cells.get(column):
        return ()
    tools: list[Mapping[str, Json]] = []
    for n, tool in enumerate(row.listed(column)):
        function = tool.get("function", tool) if isinstance(tool, Mapping) else None
        if (
            not isinstance(function, Mapping)
            or not isinstance(function.get("name"), str)
            or (tool is not function and tool.get("type", "function") != "function")
        ):
            expected = "the description of a function, with its name"
            raise row.refusal(f"{tool!r:.80}", expected, f"{column}[{n}]")
        tools.append({"type": "function", "function": dict(function)})
    return tuple(tools)
