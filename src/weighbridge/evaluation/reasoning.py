"""Separates a reply's thought from its answer: only the answer is graded."""

from collections.abc import Sequence
from dataclasses import dataclass

from weighbridge.models.protocol import Generated
from weighbridge.models.thoughts import (
    MARKERS,
    Markers,
    answer_start,
    bare_answer,
    closed_thought,
    opened_thought,
)


@dataclass(frozen=True)
class Reply:
    """A reply's two parts; `answer` is None where the thought never ends."""

    reasoning: str
    answer: str | None


def separate_reasoning(
    text: str, prompt_text: str = "", markers: Sequence[Markers] = MARKERS
) -> Reply:
    """Split a reply into thought and answer.

    Args:
        text: The reply as written.
        prompt_text: The prompt as the model saw it, which may end by opening a thought.
        markers: What the model may put before and after a thought.
    """
    pair = opened_thought(text, prompt_text, markers) or closed_thought(text, markers)
    if pair is None:
        return Reply("", bare_answer(text))
    start = answer_start(text, pair.closing)
    thought = text.partition(pair.closing)[0].lstrip().removeprefix(pair.opening).strip()
    return Reply(thought, None if start is None else bare_answer(text[start:]))


def answer_of(generated: Generated) -> str | None:
    """Return what a model answered, without its thought; None where that never ends."""
    text = generated.generation.text
    return separate_reasoning(text, generated.prompt_text, generated.markers).answer
