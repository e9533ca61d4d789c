"""Separates a message's answer, reasoning, refusal and tool calls, in whatever field they are."""

from dataclasses import dataclass

from weighbridge.models.endpoint.errors import as_object
from weighbridge.records import Json

_REASONING = ("reasoning_content", "reasoning", "reasoning_text", "thinking")
_PARTS_OF_THOUGHT = ("thinking", "reasoning", "reasoning.text", "reasoning.summary")


@dataclass(frozen=True)
class Said:
    """A message's texts, separated; each is empty if absent."""

    answer: str
    reasoning: str
    refusal: str
    calls: str


def read_message(choice: dict[str, Json]) -> Said:
    """Read the message of a choice; older and streaming servers use other fields for its text.

    Raises:
        KeyError: The reply holds no message.
    """
    message = choice.get("message") or choice.get("delta")
    if not isinstance(message, dict):
        text = choice.get("text")
        if not isinstance(text, str):
            raise KeyError("message")
        return Said(text, "", "", "")
    content = message.get("content")
    parts = content if isinstance(content, list) else [content]
    answer = "".join(_part_text(one) for one in parts if not _of_thought(one))
    thought = "".join(_part_text(one) for one in parts if _of_thought(one))
    filed = next((message[name] for name in _REASONING if message.get(name)), None)
    details = message.get("reasoning_details")
    return Said(
        answer=answer,
        reasoning=thought or _text(filed) or _text(details),
        refusal=_refusal(message, parts),
        calls=_calls(message),
    )


def _refusal(message: dict[str, Json], parts: list[Json]) -> str:
    if message.get("refusal"):
        return _text(message["refusal"])
    refusals = [one["refusal"] for one in parts if isinstance(one, dict) and one.get("refusal")]
    return "".join(map(str, refusals))


def _calls(message: dict[str, Json]) -> str:
    listed = message.get("tool_calls") or []
    if isinstance(listed, (int, float)):
        raise TypeError(f"{type(listed).__name__} instead of a list")
    called = [as_object(one.get("function") or one) for one in listed if isinstance(one, dict)]
    if isinstance(older := message.get("function_call"), dict):
        called.append(older)
    return "\n".join(f"{one.get('name')}({one.get('arguments') or ''})" for one in called)


def _of_thought(part: Json) -> bool:
    return isinstance(part, dict) and part.get("type") in _PARTS_OF_THOUGHT


def _text(content: Json) -> str:
    """Join a text that may come in parts."""
    if isinstance(content, list):
        return "".join(map(_part_text, content))
    return _part_text(content)


def _part_text(part: Json) -> str:
    if part is None or isinstance(part, str):
        return part or ""
    fields = as_object(part)
    for name in ("text", "thinking", "summary", "content"):
        if fields.get(name):
            return _text(fields[name])
    return ""
