"""Conversations to tune on: one JSON object a line, each ending in an assistant's turn.

    {"id": "ticket-17", "messages": [{"role": "user", "content": "…"},
                                     {"role": "assistant", "content": "…"}]}

`id` is optional, and an answer may have its thought in `reasoning_content` (or `thinking`, or
`reasoning`). Keys that nothing would read are refused, so that none is believed to work; null is as
good as absent. Other formats are known by name: see `weighbridge.tuning.foreign`.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from weighbridge.errors import InputError, MalformedRow
from weighbridge.records import Message, canonical_digest
from weighbridge.sources.tables import Row, jsonl_rows
from weighbridge.tuning.foreign import EXPECTED, THOUGHTS, require_lines, require_own_format

_ROLES = ("system", "user", "assistant")
_KEYS = frozenset({"id", "messages"})
_TURN_KEYS = frozenset({"role", "content", *THOUGHTS})


@dataclass(frozen=True)
class Turn(Message):
    """One turn of a row.

    Attributes:
        reasoning: The thought before an answer, where the row has it in a field of its own
            (`reasoning_content` or `thinking`); the chat template decides where it stands.
    """

    reasoning: str | None = None

    def as_message(self) -> dict[str, str]:
        """Return it as chat templates read it."""
        thought = {} if self.reasoning is None else {"reasoning_content": self.reasoning}
        return {"role": self.role, "content": self.content, **thought}


@dataclass(frozen=True)
class Conversation:
    """One row of a data set, with the place it came from so that errors can point at it.

    Attributes:
        id: As in the file; "line 3" where it has none.
        messages: Its turns, the last of them an assistant's.
        path: The file.
        line: Its 1-based line.
        given_id: Whether the file names it.
    """

    id: str
    messages: tuple[Turn, ...]
    path: Path
    line: int
    given_id: bool = True


@dataclass(frozen=True)
class ConversationSet:
    """A file of conversations.

    Attributes:
        path: The file.
        conversations: In the order of the file.
        duplicates: Rows that repeat the messages of an earlier row exactly. They are kept:
            a repeated row may be meant, but it is never silent.
    """

    path: Path
    conversations: tuple[Conversation, ...]
    duplicates: int


def read_conversations(path: Path) -> ConversationSet:
    """Read a JSONL file of conversations.

    Raises:
        InputError: The file is missing, unreadable, of another format or holds no conversation.
        MalformedRow: A row is not what the module's docstring describes.
    """
    rows = _rows(path)
    if not rows:
        raise InputError(
            f"{path} holds no conversation", EXPECTED, "add rows, or point at another file"
        )
    require_own_format(path, [row for _, row in rows], rows[0][0])
    conversations = tuple(_conversation(path, line, row) for line, row in rows)
    lines: dict[str, int] = {}
    for row in conversations:
        if row.given_id and lines.setdefault(row.id, row.line) != row.line:
            saw = f"id {row.id!r} stands on line {lines[row.id]} already"
            raise MalformedRow(path, row.line, saw, "ids that differ", "id")
    digests = {canonical_digest(row.messages) for row in conversations}
    return ConversationSet(path, conversations, len(conversations) - len(digests))


def _rows(path: Path) -> list[tuple[int, Row]]:
    """Return the file's objects, each with its line."""
    try:
        return list(jsonl_rows(path, "JSONL of conversations"))
    except InputError:
        require_lines(path)
        raise


def _conversation(path: Path, line: int, row: Row) -> Conversation:
    # Exports write a column that has no value as null.
    row = {key: value for key, value in row.items() if value is not None}
    if unread := sorted(set(row) - _KEYS):
        raise MalformedRow(
            path, line, f"key {unread[0]!r}, which nothing reads", "id, messages", unread[0]
        )
    turns = row.get("messages")
    if not isinstance(turns, list) or not turns:
        raise MalformedRow(path, line, "no list of messages", "at least one turn", "messages")
    messages = tuple(_turn(path, line, index, turn) for index, turn in enumerate(turns))
    if messages[-1].role != "assistant":
        raise MalformedRow(
            path,
            line,
            f"the last turn is the {messages[-1].role}'s",
            "an assistant turn, which is what is learnt",
            f"messages[{len(messages) - 1}].role",
        )
    given = "id" in row
    name = str(row["id"]) if given else f"line {line}"
    return Conversation(name, messages, path, line, given)


def _turn(path: Path, line: int, index: int, turn: Any) -> Turn:
    column = f"messages[{index}]"
    if not isinstance(turn, dict):
        raise MalformedRow(path, line, f"{turn!r:.80}", "an object of role and content", column)
    turn = {key: value for key, value in turn.items() if value is not None}
    if unread := sorted(set(turn) - _TURN_KEYS):
        saw = f"key {unread[0]!r}, which nothing reads"
        raise MalformedRow(path, line, saw, "role and content", f"{column}.{unread[0]}")
    if not {"role", "content"} <= set(turn):
        raise MalformedRow(path, line, f"{turn!r:.80}", "an object of role and content", column)
    role, content, reasoning = turn["role"], turn["content"], _reasoning(turn)
    if role not in _ROLES:
        raise MalformedRow(path, line, f"role {role!r}", " or ".join(_ROLES), f"{column}.role")
    for name, text in (("content", content), ("reasoning_content", reasoning)):
        if not isinstance(text, str | None):
            saw = f"{name} of type {type(text).__name__}"
            raise MalformedRow(path, line, saw, "text", f"{column}.{name}")
    if role == "assistant" and not content.strip():
        raise MalformedRow(path, line, "an empty assistant turn", "text", f"{column}.content")
    if reasoning is not None and role != "assistant":
        raise MalformedRow(path, line, f"a thought of the {role}", "an assistant's", column)
    return Turn(role, content, reasoning)


def _reasoning(turn: dict[str, Any]) -> Any:
    """Return a thought that stands in a field of its own, by the names that exports give it."""
    return next((turn[name] for name in THOUGHTS if turn.get(name)), None)
