"""Conversations to tune on: one JSON object a line, each ending in an assistant's turn.

    {"id": "ticket-17", "messages": [{"role": "user", "content": "…"},
                                     {"role": "assistant", "content": "…"}]}

`id` is optional. Keys that nothing would read are refused, so that none is believed to work.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from weighbridge.errors import InputError, MalformedRow
from weighbridge.records import Message, canonical_digest
from weighbridge.sources.tables import Row, jsonl_rows

_ROLES = ("system", "user", "assistant")
_KEYS = frozenset({"id", "messages"})


@dataclass(frozen=True)
class Conversation:
    """One row of a data set, with the place it came from so that errors can point at it."""

    id: str
    messages: tuple[Message, ...]
    path: Path
    line: int


@dataclass(frozen=True)
class ConversationSet:
    """A file of conversations.

    Attributes:
        path: The file.
        conversations: In the order of the file.
        duplicates: Rows whose messages stand earlier in the file, word for word. They are kept:
            a repeated row may be meant, but it is never silent.
    """

    path: Path
    conversations: tuple[Conversation, ...]
    duplicates: int


def read_conversations(path: Path) -> ConversationSet:
    """Read a JSONL file of conversations.

    Raises:
        InputError: The file is missing, unreadable or holds no conversation.
        MalformedRow: A row is not what the module's docstring describes.
    """
    conversations: list[Conversation] = []
    digests: set[str] = set()
    ids: dict[str, int] = {}
    for number, held in jsonl_rows(path, "a JSONL file of training data"):
        row = _conversation(path, number, held)
        if row.id in ids:
            saw = f"id {row.id!r} stands on line {ids[row.id]} already"
            raise MalformedRow(path, number, saw, "ids that differ", "id")
        ids[row.id] = number
        conversations.append(row)
        digests.add(canonical_digest(row.messages))
    if not conversations:
        raise InputError(
            f"{path} holds no conversation",
            'one {"messages": […]} a line',
            "add rows, or point at another file",
        )
    return ConversationSet(path, tuple(conversations), len(conversations) - len(digests))


def _conversation(path: Path, line: int, row: Row) -> Conversation:
    if unread := sorted(set(row) - _KEYS):
        raise MalformedRow(
            path, line, f"key {unread[0]!r}, which nothing reads", "id, messages", unread[0]
        )
    turns = row.get("messages")
    if not isinstance(turns, list) or not turns:
        raise MalformedRow(path, line, "no list of messages", "at least one turn", "messages")
    messages = tuple(_message(path, line, index, turn) for index, turn in enumerate(turns))
    if messages[-1].role != "assistant":
        raise MalformedRow(
            path,
            line,
            f"the last turn is the {messages[-1].role}'s",
            "an assistant turn, which is what is learnt",
            f"messages[{len(messages) - 1}].role",
        )
    return Conversation(str(row.get("id", line)), messages, path, line)


def _message(path: Path, line: int, index: int, turn: Any) -> Message:
    column = f"messages[{index}]"
    if not isinstance(turn, dict) or set(turn) != {"role", "content"}:
        raise MalformedRow(path, line, f"{turn!r:.80}", "an object of role and content", column)
    role, content = turn["role"], turn["content"]
    if role not in _ROLES:
        raise MalformedRow(path, line, f"role {role!r}", " or ".join(_ROLES), f"{column}.role")
    if not isinstance(content, str):
        saw = f"content of type {type(content).__name__}"
        raise MalformedRow(path, line, saw, "text", f"{column}.content")
    if role == "assistant" and not content.strip():
        raise MalformedRow(path, line, "an empty assistant turn", "text", f"{column}.content")
    return Message(role=role, content=content)
