"""What a row of tuning data becomes: a conversation, a pair of answers, or plain text.

Files are read by `weighbridge.tuning.data`, each format by its file in
`weighbridge.tuning.formats`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from weighbridge.records import Json

TurnRole = Literal["system", "user", "assistant", "tool"]
TURN_ROLES: tuple[TurnRole, ...] = ("system", "user", "assistant", "tool")
THOUGHTS = ("reasoning_content", "thinking", "reasoning")
"""Names of the field that holds the thought before an answer."""


@dataclass(frozen=True)
class ToolCall:
    """A call of a tool that an answer makes.

    Attributes:
        name: The tool's.
        arguments: By name.
        id: What the tool's reply refers to; None where the file gives none.
    """

    name: str
    arguments: Mapping[str, Json]
    id: str | None = None

    def as_message(self) -> dict[str, Any]:
        """Return it as chat templates read it."""
        named = {} if self.id is None else {"id": self.id}
        function = {"name": self.name, "arguments": dict(self.arguments)}
        return {**named, "type": "function", "function": function}


@dataclass(frozen=True)
class Turn:
    """One turn of a row.

    Attributes:
        role: Whose it is.
        content: Its text.
        reasoning: The thought before an answer, where the row has it in a field of its own
            (`reasoning_content` or `thinking`); the chat template decides where it stands.
        tool_calls: What an answer calls.
        name: Of the tool whose reply this is.
        tool_call_id: The call that this replies to.
        learnt: Whether an answer is trained on; other turns never are.
    """

    role: TurnRole
    content: str
    reasoning: str | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    name: str | None = None
    tool_call_id: str | None = None
    learnt: bool = True

    @property
    def is_learnt(self) -> bool:
        """Whether this is an answer that is trained on."""
        return self.role == "assistant" and self.learnt

    def as_message(self) -> dict[str, Any]:
        """Return it as chat templates read it."""
        optional = {
            "reasoning_content": self.reasoning,
            "tool_calls": [call.as_message() for call in self.tool_calls] or None,
            "name": self.name,
            "tool_call_id": self.tool_call_id,
        }
        there = {name: value for name, value in optional.items() if value is not None}
        return {"role": self.role, "content": self.content, **there}


@dataclass(frozen=True)
class Conversation:
    """One row of a data set, with the place it came from so that errors can point at it.

    Attributes:
        id: As in the file; "line 3" where it has none.
        messages: Its turns, the last of them an assistant's.
        path: The file.
        line: Its 1-based line.
        given_id: Whether the file names it.
        tools: Descriptions of the tools that it may call, as the chat template is given them.
    """

    id: str
    messages: tuple[Turn, ...]
    path: Path
    line: int
    given_id: bool = True
    tools: tuple[Mapping[str, Json], ...] = ()


@dataclass(frozen=True)
class PreferencePair:
    """A prompt with two answers, of which one is preferred.

    Attributes:
        id: As in the file; "line 3" where it has none.
        prompt: The turns before the answers.
        chosen: The preferred answer's turns.
        rejected: The other answer's; never equal to `chosen`.
        path: The file.
        line: Its 1-based line.
        given_id: Whether the file names it.
        tools: As in `Conversation`.
    """

    id: str
    prompt: tuple[Turn, ...]
    chosen: tuple[Turn, ...]
    rejected: tuple[Turn, ...]
    path: Path
    line: int
    given_id: bool = True
    tools: tuple[Mapping[str, Json], ...] = ()


@dataclass(frozen=True)
class PlainText(Conversation):
    """A text without turns, which no chat template writes and of which every token is learnt.

    Attributes:
        text: The text; `messages` is empty.
    """

    text: str = ""


TuningRow = Conversation | PreferencePair

RowKind = Literal["conversations", "pairs"]
"""What an objective learns from: conversations and plain texts, or preference pairs."""
