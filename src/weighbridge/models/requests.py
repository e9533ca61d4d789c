"""Validates requests, and cuts long streams of them into windows."""

import re
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from typing import TypeVar

from weighbridge.errors import InputError
from weighbridge.models.protocol import Prompt, ScoreRequest

WINDOW_ITEMS = 8192
WINDOW_CHARACTERS = 1 << 22  # of prompts and continuations: about a million tokens
Item = TypeVar("Item")
_HALF = re.compile("[\ud800-\udfff]")


def windows(requests: Iterable[ScoreRequest]) -> Iterator[list[ScoreRequest]]:
    """Cut a stream into windows that fit into memory, each of conversations or of plain text.

    What is shared across a window's border is computed again, so windows are large: five worked
    examples before a thousand questions cost less than one in a hundred more.

    Raises:
        InputError: A request can't be asked; what came before it in its window isn't asked either.
    """
    for _, alike in groupby(requests, key=lambda request: request.prompt.text is None):
        yield from cut(alike, _characters)


def cut(items: Iterable[Item], characters: Callable[[Item], int]) -> Iterator[list[Item]]:
    """Cut a stream where a window would hold too many items or characters."""
    window: list[Item] = []
    held = 0
    for item in items:
        size = characters(item)
        if window and (len(window) == WINDOW_ITEMS or held + size > WINDOW_CHARACTERS):
            yield window
            window, held = [], 0
        window.append(item)
        held += size
    if window:
        yield window


def require_continuations(request: ScoreRequest) -> None:
    """Refuse a request that can't be scored.

    Raises:
        InputError: It asks for nothing, a continuation is empty, or a text is broken.
    """
    if not request.continuations:
        raise InputError(f"sample {request.sample_id}: no continuations", "at least one")
    require_whole_characters(request.sample_id, request.prompt)
    for number, continuation in enumerate(request.continuations, start=1):
        if not continuation:
            raise InputError(
                f"sample {request.sample_id}: continuation {number} of "
                f"{len(request.continuations)} is empty",
                "some text",
                "correct the item's choices",
            )
        require_whole_text(f"sample {request.sample_id}: continuation {number}", continuation)


def require_whole_characters(sample_id: str, prompt: Prompt) -> None:
    """Refuse a prompt that holds half a character, which no tokenizer reads.

    Raises:
        InputError: It does.
    """
    if prompt.text is not None:
        require_whole_text(f"sample {sample_id}: the prompt", prompt.text)
    for number, message in enumerate(prompt.messages, start=1):
        require_whole_text(
            f"sample {sample_id}: turn {number} of the prompt, the {message.role}'s,",
            message.content,
        )


def require_whole_text(where: str, text: str) -> None:
    r"""Refuse text with half a character, such as the JSON escape \ud83d without its other half.

    Raises:
        InputError: It has one.
    """
    if (half := half_character(text)) is not None:
        raise InputError(
            f"{where} holds half a character, {half[0]}, at position {half[1]}",
            "whole characters (in JSON such escapes come in pairs)",
            "correct the text",
        )


def half_character(text: str) -> tuple[str, int] | None:
    """Find the first lone surrogate: its escape, and its 1-based position."""
    half = _HALF.search(text)
    return (f"\\u{ord(half.group()):04x}", half.start() + 1) if half else None


def _characters(request: ScoreRequest) -> int:
    require_continuations(request)
    prompt = request.prompt
    texts = [prompt.text] if prompt.text is not None else [m.content for m in prompt.messages]
    return sum(map(len, (*texts, *request.continuations)))
