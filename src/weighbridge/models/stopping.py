"""Stop strings: they end a reply in its answer, but not in its thought.

A benchmark's stop strings say where an answer is over: after one line, or where a function's body
ends. A model that thinks first writes such strings long before it answers, so they count from the
answer's first visible character on. What decides is the reply alone, never what is written beside.
"""

from collections.abc import Sequence

from weighbridge.models.detokenisation import Detokenisation
from weighbridge.models.thoughts import (
    MARKERS,
    Markers,
    answer_start,
    closed_thought,
    opened_thought,
)

_HALF_CHARACTER = "\ufffd"  # at the end of a text whose last character lacks bytes


def cut_answer(
    text: str, strings: Sequence[str], markers: Sequence[Markers] = MARKERS
) -> str | None:
    """Return an endpoint's reply up to the first stop string in its answer; None if it has none.

    Args:
        text: The whole reply; its thought may have been opened in a prompt that isn't known here.
        strings: The stop strings.
        markers: What may stand before a thought and after it.
    """
    thought = opened_thought(text, "", markers) or closed_thought(text, markers)
    return _cut_after(text, thought, strings)


def _cut_after(text: str, thought: Markers | None, strings: Sequence[str]) -> str | None:
    start = answer_start(text, thought.closing) if thought else 0
    if start is None:
        return None
    found = [text.find(string, start) for string in strings]
    return min((text[:at] for at in found if at >= 0), key=len, default=None)


class StopStrings:
    """Watches one reply for its stop strings, token by token.

    Args:
        detokenisation: Of the model.
        strings: The stop strings.
        prompt_text: The prompt as the model reads it, which may end by opening a thought.
        markers: What may stand before a thought and after it.
        thinks: Whether the model is known to think: then white space at the beginning of a reply
            is waited for, because a thought may follow.
    """

    def __init__(
        self,
        detokenisation: Detokenisation,
        strings: Sequence[str],
        prompt_text: str,
        markers: Sequence[Markers],
        thinks: bool,
    ) -> None:
        self._decode, self._strings, self._thinks = detokenisation, strings, thinks
        self._prompt_text, self._markers = prompt_text, markers
        opened = opened_thought("", prompt_text, markers)
        self._closing = opened.closing if opened else None
        self._begun = opened is not None  # whether it is known if the reply begins with a thought
        self._closed_from: int | None = None  # a token from which on the closing marker is read
        self._answer_token: int | None = None  # the token that brought the answer's first character

    def reached(self, written: Sequence[int]) -> bool:
        """Whether a stop string is complete with the last token; called after each token."""
        if not self._strings:
            return False
        if not self._begun:
            return self._at_the_beginning(written)
        if self._closing is None:
            return self._decode.ends_with_one_of(written, self._strings)
        return self._after_a_thought(written, self._closing)

    def cut(self, text: str) -> str | None:
        """Return a finished reply up to its first stop string; None where there is none."""
        thought = opened_thought(text, self._prompt_text, self._markers)
        return _cut_after(text, thought, self._strings)

    def _at_the_beginning(self, written: Sequence[int]) -> bool:
        text = self._decode.text(written, cut=False)
        begun = text.lstrip().rstrip(_HALF_CHARACTER)
        if thought := opened_thought(begun, "", self._markers):
            self._begun, self._closing = True, thought.closing
            return self._after_a_thought(written, thought.closing)
        if any(pair.opening.startswith(begun) for pair in self._markers):
            waits = bool(begun) or self._thinks
            return not waits and self._found_in(text)
        self._begun = True
        return self._found_in(text)

    def _after_a_thought(self, written: Sequence[int], closing: str) -> bool:
        if self._closed_from is None:
            if not self._decode.ends_with_one_of(written, [closing]):
                return False
            self._closed_from = self._decode.tail_start(written, [closing])
        tail = self._decode.tail_start(written, self._strings)
        if self._answer_token is not None and tail > self._answer_token:
            return self._decode.ends_with_one_of(written, self._strings)
        text = self._decode.text(written[self._closed_from :], cut=False)
        start = answer_start(text, closing)
        answer = "" if start is None else text[start:]
        if answer.rstrip(_HALF_CHARACTER) and self._answer_token is None:
            self._answer_token = len(written) - 1
        return self._found_in(answer)

    def _found_in(self, text: str) -> bool:
        return any(string in text for string in self._strings)
