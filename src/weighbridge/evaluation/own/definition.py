"""What a user's TOML says: the keys that every benchmark has, and the options of its kind."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from weighbridge.evaluation.own.template import Template

LAST_TURN = "the last turn"
"""Name of the column for a right answer taken from a conversation's last turn."""


@dataclass(frozen=True)
class Common:
    """Keys of every kind; all but `data` and one of `prompt` and `messages` may be left out.

    Attributes:
        data: JSONL, CSV, TSV or Parquet, beside the TOML.
        name: As runs and reports call it; the file's stem unless given.
        prompt: What is asked, with columns in braces.
        messages: Column with chat turns, in place of `prompt`.
        system: What the model is told before.
        target: Column with the right answer.
        scorer: Name of the kind; "" where its keys tell.
        id: Column with the rows' names; `id` where there is such a column, else rows are numbered.
        cluster: Column with what rows share (a customer, a document), which intervals respect.
        examples: Worked examples, a file with the same columns.
        shots: How many of them are shown; all unless given.
        max_tokens: Longest answer; None takes the kind's own.
        temperature: 0 is greedy.
        stop: Texts that end an answer.
        licence: Of the rows.
        summary: One sentence: what it measures.
    """

    data: str
    name: str = ""
    prompt: str = ""
    messages: str = ""
    system: str = ""
    target: str = ""
    scorer: str = ""
    id: str = ""
    cluster: str = ""
    examples: str = ""
    shots: int | None = None
    max_tokens: int | None = None
    temperature: float = 0.0
    stop: tuple[str, ...] = ()
    licence: str = "not stated"
    summary: str = ""


@dataclass(frozen=True)
class Definition:
    """A whole TOML, read and checked.

    Attributes:
        path: The TOML.
        common: Keys of every kind.
        options: Keys that only its kind has, as that kind's `Options`.
        prompt: `common.prompt` in its parts.
    """

    path: Path
    common: Common
    options: Any
    prompt: Template

    @property
    def name(self) -> str:
        """Its name in runs and reports."""
        return self.common.name or self.path.stem

    @property
    def target(self) -> str:
        """Column with the right answer: the one named, else the conversation's last turn."""
        return self.common.target or LAST_TURN

    def beside(self, file: str) -> Path:
        """Return the path of a file that the TOML names."""
        return self.path.parent / Path(file).expanduser()
