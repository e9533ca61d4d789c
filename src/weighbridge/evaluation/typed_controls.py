"""Counts rows whose text contains control tokens of the measured model, for the run's notes.

In a chat they stay text (`models.control_tokens`). In plain text they are tokens, because there
lm-evaluation-harness tokenises the whole string, and numbers are to agree with it. What an
endpoint makes of them is its own affair, and unknown here.
"""

import re
from collections.abc import Collection, Iterable
from typing import Protocol

from weighbridge.models.protocol import Capability, Prompt, PromptFinding
from weighbridge.records import Message

NAMED = 5  # rows, and tokens, that a sentence lists

_LIKELY = re.compile(
    r"<\|[\w-]{1,40}\|>|<\uff5c[^<>\n]{1,40}\uff5c>|</?s>|\[/?INST\]|<(?:start|end)_of_turn>"
    r"|<(?:bos|eos|eot)>"
)


class Finds(Protocol):
    """Finds control tokens in a text."""

    def found(self, text: str) -> list[str]:
        """Return the control tokens that a text contains."""


class Likely:
    """Finds control tokens of common models, for endpoints whose own are not known."""

    def found(self, text: str) -> list[str]:
        """Return the control tokens that a text contains."""
        return list(dict.fromkeys(_LIKELY.findall(text)))


def finder_of(model: object) -> Finds | None:
    """Return the finder of a model's control tokens; None where no model is asked."""
    own: Finds | None = getattr(model, "controls", None)
    if own is not None:
        return own
    capabilities: Collection[Capability] = getattr(model, "capabilities", ())
    return Likely() if Capability.ONLY_CHAT in capabilities else None


class TypedControls:
    """Collects rows that contain control tokens.

    Args:
        finder: Of the model; None notes nothing.
    """

    def __init__(self, finder: Finds | None) -> None:
        self._finder = finder
        self._rows: dict[bool, dict[str, None]] = {True: {}, False: {}}
        self._tokens: dict[str, None] = {}

    def note(self, row: str, prompt: Prompt) -> None:
        """Look at a row's prompt."""
        if self._finder is None:
            return
        texts = [prompt.text] if prompt.text is not None else _contents(prompt.messages)
        tokens = [token for text in texts for token in self._finder.found(text)]
        if tokens:
            self._rows[prompt.text is None][row] = None
            self._tokens |= dict.fromkeys(tokens)

    @property
    def findings(self) -> tuple[PromptFinding, ...]:
        """What a reader of the run must know."""
        found = []
        for in_chat, rows in self._rows.items():
            if rows:
                held = "holds" if len(rows) == 1 else "hold"
                count = f"{len(rows)} row{'s' if len(rows) > 1 else ''}"
                what = f"{count} ({_listed(rows)}) {held} {_listed(self._tokens)}"
                found.append(self._told(what, in_chat))
        return tuple(found)

    def _told(self, what: str, in_chat: bool) -> PromptFinding:
        if isinstance(self._finder, Likely):
            return PromptFinding(
                "control_tokens_at_endpoint",
                f"{what}, control tokens of common models: whether the server reads them as text "
                "is not known.",
            )
        if in_chat:
            return PromptFinding(
                "control_tokens_as_text",
                f"{what}, control tokens of this model: it was given them as text.",
                changes_prompt=True,
            )
        return PromptFinding(
            "control_tokens_let_through",
            f"{what}, control tokens of this model: in plain text they are read as such, as "
            "lm-evaluation-harness does.",
        )


def _contents(messages: Iterable[Message]) -> list[str]:
    return [message.content for message in messages]


def _listed(names: dict[str, None]) -> str:
    shown = ", ".join(list(names)[:NAMED])
    return shown + (", …" if len(names) > NAMED else "")
