"""Reads a server's token counts, and checks that they are possible.

A count decides what is charged, and so when a cap is reached. One that can't be (negative, a
fraction, more cached than read, none for a text, far more than was asked for) is not corrected but
rejected, and the request is billed at its upper bound.
"""

from dataclasses import dataclass, replace

from weighbridge.models.endpoint.limits import MOST_TOKENS
from weighbridge.models.endpoint.replies import ServerAnswer
from weighbridge.models.endpoint.text import one_line
from weighbridge.records import Json

UNSEEN_TOKENS = 131_072
"""What a server may add that we don't see: a prompt of its own, a thought beyond the limit."""

SIGN = "the server's token counts can't be; the most possible is charged"
_LONGEST_WORDS = 120


@dataclass(frozen=True)
class _Count:
    """A count as the server sent it; `value` is None if it is missing or impossible."""

    value: int | None
    possible: bool


def read_usage(usage: Json, answer: ServerAnswer) -> ServerAnswer:
    """Add the server's token counts to an answer, or quote what it sent instead.

    Args:
        usage: `usage` of the reply.
        answer: Without counts.
    """
    if not isinstance(usage, dict):
        return replace(answer, counted=False, usage="" if usage is None else _words(usage))
    read, written = _count(usage.get("prompt_tokens")), _count(usage.get("completion_tokens"))
    total = _count(usage.get("total_tokens"))
    cached = _part(usage, "prompt_tokens_details", "cached_tokens")
    thought = _part(usage, "completion_tokens_details", "reasoning_tokens")
    if not all(count.possible for count in (read, written, total, cached, thought)):
        return replace(answer, counted=False, usage=_words(usage))
    if read.value is None or written.value is None:
        return replace(answer, counted=False)
    # Gemini leaves thoughts out of the tokens written, and charges for them.
    output = max(written.value, (total.value or 0) - read.value)
    if (cached.value or 0) > read.value or (thought.value or 0) > output:
        return replace(answer, counted=False, usage=_words(usage))
    return replace(
        answer,
        input_tokens=read.value,
        cached_input_tokens=cached.value or 0,
        output_tokens=output,
        reasoning_tokens=thought.value or 0,
        counted=True,
    )


def believed(answer: ServerAnswer, input_at_most: int, output_at_most: int) -> ServerAnswer:
    """Return an answer with possible counts: the upper bound if the server's are impossible.

    Args:
        answer: The answer as read.
        input_at_most: Tokens that its prompt can have.
        output_at_most: Tokens that it was allowed.
    """
    if answer.counted and not _impossible(answer, input_at_most, output_at_most):
        return answer
    said = answer.usage
    if answer.counted:
        said = (
            f"{answer.input_tokens} read, {answer.cached_input_tokens} of them cached, "
            f"{answer.output_tokens} written"
        )
    why = "; ".join(filter(None, (answer.why, f"{SIGN} ({said})" if said else "")))
    return replace(
        answer,
        input_tokens=input_at_most,
        cached_input_tokens=0,
        output_tokens=output_at_most,
        reasoning_tokens=0,
        counted=False,
        usage=said,
        why=why,
    )


def _impossible(answer: ServerAnswer, input_at_most: int, output_at_most: int) -> bool:
    none = answer.input_tokens < 1 or (answer.output_tokens < 1 and bool(answer.text.strip()))
    return (
        none
        or answer.input_tokens > input_at_most + UNSEEN_TOKENS
        or answer.output_tokens > output_at_most + UNSEEN_TOKENS
    )


def _count(value: Json) -> _Count:
    if value is None:
        return _Count(None, True)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return _Count(None, False)
    if not 0 <= value < MOST_TOKENS or value != int(value):
        return _Count(None, False)
    return _Count(int(value), True)


def _part(usage: dict[str, Json], details: str, name: str) -> _Count:
    found = usage.get(details)
    return _count(found.get(name)) if isinstance(found, dict) else _Count(None, True)


def _words(usage: Json) -> str:
    return one_line(repr(usage), "", _LONGEST_WORDS)
