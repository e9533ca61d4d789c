"""Marks on answers that were kept although something was wrong with them.

A mark stands in a sample's `why`, so that a run's notes can count it from the evidence alone.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Mark:
    """One thing that can be wrong with an answer.

    Attributes:
        sign: The words that stand in a sample's `why`.
        note: What a reader of the run is told; `{n}` is the number of answers.
    """

    sign: str
    note: str


HALF_CHARACTER = Mark(
    "half a character is kept as U+FFFD",
    "{n} answers held half a character (a surrogate alone), kept as U+FFFD.",
)
FILED_AS_REASONING = Mark(
    "the answer is filed as reasoning",
    "{n} answers came filed as reasoning, with nothing as the answer: start the server with the "
    "reasoning parser of this model, or with none, and ask again.",
)
FILED_AS_CALL = Mark(
    "the answer is filed as a call of a tool",
    "{n} answers came filed as calls of tools, although none was offered: start the server without "
    "a parser of tool calls, and ask again.",
)
ALL_THOUGHT = Mark(
    "the server shows thought alone",
    "{n} answers were thought to their last token (filed as reasoning): raise --max-tokens.",
)
CONTEXT_ENDED = Mark(
    "the model's context ran out",
    "{n} answers ended where the model's context does: take fewer --shots; more tokens can't help.",
)
CUT_BY_SERVER = Mark(
    "the server cut it before the limit that was asked for",
    "{n} answers were cut by their server before --max-tokens was reached, by its own limit or its "
    "context: raise those first.",
)
ASKED_FOR_LESS = Mark(
    "asked for a shorter answer",
    "{n} answers were asked for with fewer tokens than the benchmark gives, because the server or "
    "the account allows no more: lower --max-tokens for all, or raise that limit.",
)
CUT_BY_US = Mark(
    "cut by a limit that is not the model's",
    "{n} answers were cut there and are not graded: raise that limit, or take fewer --shots.",
)
MARKS = (
    HALF_CHARACTER, FILED_AS_REASONING, FILED_AS_CALL, ALL_THOUGHT, CONTEXT_ENDED, CUT_BY_SERVER,
    ASKED_FOR_LESS,
    CUT_BY_US,
)  # fmt: skip


def signs(why: str) -> str:
    """Return the marks alone: they quote nothing that a benchmark keeps to itself."""
    return "; ".join(mark.sign for mark in MARKS if mark.sign in why)


def notes_on(reasons: Iterable[str]) -> tuple[str, ...]:
    """Say how many answers bear each mark."""
    counted = Counter(mark for why in reasons for mark in MARKS if why and mark.sign in why)
    return tuple(mark.note.format(n=counted[mark]) for mark in MARKS if counted[mark])
