"""An answer as a training example: after the exact prompt that generation would use.

Many templates write an earlier answer otherwise than the last one: without its thought (Qwen3, GLM,
LFM), with another end (gpt-oss), without the text's end (Phi). So each answer is rendered as the
last turn, after the prompt that serving gives, and what follows that prompt is learnt.
"""

import json
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from weighbridge.tuning.rendering import NotLearnable, Renderer, TemplateRefuses
from weighbridge.tuning.rows import ToolCall, Turn


@dataclass(frozen=True)
class AnswerSpan:
    """One answer after its prompt.

    Attributes:
        token_ids: The prompt and the answer. (S,)
        start: Where what is learnt begins.
        stop: Just past the first token that ends the turn.
        end: Just past what is learnt: some templates write two tokens that end it.
        as_asked: Whether what stands before it is what the model is given when it is served.
        skipped: Positions between `start` and `end` that are not learnt.
    """

    token_ids: tuple[int, ...]
    start: int
    stop: int
    end: int
    as_asked: bool = True
    skipped: frozenset[int] = frozenset()


@dataclass(frozen=True)
class _Cut:
    context: str
    rest: str
    as_asked: bool = True


def render_answer(renderer: Renderer, turns: Sequence[Turn], index: int) -> AnswerSpan:
    """Return the answer `turns[index]` as it is learnt.

    Raises:
        TemplateRefuses: The template can't write it as the last turn.
        NotLearnable: The template gives no mask for it that could be trusted.
    """
    before, answer = turns[:index], turns[index]
    cut = _cut(renderer, before, answer)
    ids, start = _tokens(renderer, cut, index)
    ends = turn_ends(renderer, ids, start)
    if ends is None:
        # GLM ends a turn by the token that begins the next one.
        ids = [*ids, *renderer.following(before)]
        ends = turn_ends(renderer, ids, start)
    if ends is None:
        raise NotLearnable(
            "the chat template ends the assistant's turn without a special token",
            "an end-of-turn token: without one the tuned model never stops",
        )
    require_whole(cut.context, renderer.decode(ids[start : ends[1]]), answer, index)
    return AnswerSpan(tuple(ids), start, *ends, cut.as_asked)


def _cut(renderer: Renderer, before: Sequence[Turn], answer: Turn) -> _Cut:
    """Return what stands before an answer and the answer, as texts."""
    written = renderer.text([*before, answer])
    try:
        prompt = renderer.text(before, prompt=True)
    except TemplateRefuses:
        prompt = None
    thought = _without_opening(renderer, prompt, answer) if prompt is not None else ""
    if prompt is not None and written.startswith(prompt):
        rest = written[len(prompt) :]
        if not thought or renderer.opened_in(prompt).strip() not in rest:
            return _Cut(prompt, rest)
    head, tail = renderer.around_answer(before, written)
    if prompt is not None and thought:
        # The template cuts the thought off, or opens another: what is generated is its rest.
        return _Cut(prompt, thought + tail)
    header = _header(renderer, before, prompt)
    at = head.rfind(header) if header else -1
    if at >= 0 and (not before or _is_plain(renderer, head[at + len(header) :])):
        # Earlier turns are written otherwise in front of an answer than in front of its prompt.
        context = written[: at + len(header)] if prompt is None else prompt
        return _Cut(context, written[at + len(header) :])
    return _Cut(head, written[len(head) :], as_asked=prompt is None)


def _header(renderer: Renderer, before: Sequence[Turn], prompt: str | None) -> str:
    if prompt is None:
        return renderer.header
    history = renderer.text(before)
    return prompt[len(history) :] if prompt.startswith(history) else renderer.header


def _without_opening(renderer: Renderer, prompt: str, answer: Turn) -> str:
    """Return an answer after the beginning of its thought, where the prompt has that already."""
    opening, text = renderer.opened_in(prompt), renderer.hidden(answer).content.lstrip()
    if not opening or answer.reasoning or not text.startswith(opening.strip()):
        return ""
    rest = text.removeprefix(opening.strip())
    return rest.removeprefix(opening[len(opening.rstrip()) :])


def _is_plain(renderer: Renderer, text: str) -> bool:
    return renderer.special.isdisjoint(renderer.encode(text))


def _tokens(renderer: Renderer, cut: _Cut, index: int) -> tuple[list[int], int]:
    """Return prompt and answer as token ids, and where the answer begins.

    Where the prompt's last token would grow into the answer, the two are encoded apart, as it is
    when the model is served: the prompt is there before the answer is.
    """
    head, whole = renderer.encode(cut.context), renderer.encode(cut.context + cut.rest)
    if whole[: len(head)] == head:
        return whole, len(head)
    joined = head + renderer.encode(cut.rest)
    if renderer.decode(joined) == renderer.decode(whole):
        return joined, len(head)
    raise NotLearnable(
        f"a token of messages[{index}] reaches across the turn's beginning",
        "an answer that begins with a token of its own",
    )


def turn_ends(renderer: Renderer, ids: Sequence[int], start: int) -> tuple[int, int] | None:
    """Return where the first and the last of the tokens that end a turn lie, just past each."""
    stops = []
    for at in range(len(ids) - 1, start - 1, -1):
        if ids[at] in renderer.special:
            stops.append(at + 1)
        elif renderer.decode([ids[at]]).strip():
            break
    return (stops[-1], stops[0]) if stops else None


def require_whole(context: str, learnt: str, answer: Turn, index: int) -> None:
    """Check that every word of the answer is learnt, but for a thought's beginning."""
    if answer.reasoning and _squeezed(answer.reasoning) not in _squeezed(learnt):
        raise NotLearnable(
            f"the chat template leaves out the thought of messages[{index}]",
            "a template that writes thoughts, or rows without them",
        )
    if not _is_written(context, learnt, answer.content):
        raise NotLearnable(
            f"the learnt tokens lack the answer {answer.content!r:.60} of messages[{index}]",
            "a template and a tokenizer that write answers out whole",
        )
    for call in answer.tool_calls:
        if not is_call_written(call, learnt):
            raise NotLearnable(
                f"the chat template leaves out the call of {call.name!r:.40} in messages[{index}]",
                "a template that writes calls of tools, or rows without them",
            )


def is_call_written(call: ToolCall, text: str) -> bool:
    """Whether a text has a call's name and every value of its arguments, in whichever notation."""
    return holds(text, call.name) and all(holds(text, value) for value in _leaves(call.arguments))


def holds(text: str, wanted: str) -> bool:
    """Whether a text has another in it, as it is or as JSON, whatever the blanks."""
    squeezed = _squeezed(text)
    forms = (wanted, *(json.dumps(wanted, ensure_ascii=ascii)[1:-1] for ascii in (False, True)))
    return any(_squeezed(form) in squeezed for form in forms)


def _leaves(value: Any) -> Iterator[str]:
    """Yield the texts and whole numbers in plain data; templates write other numbers their way."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            yield name
            yield from _leaves(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _leaves(inner)
    elif isinstance(value, int) and not isinstance(value, bool):
        yield str(value)


def _is_written(context: str, learnt: str, content: str) -> bool:
    """Whether an answer is learnt whole; what its prompt ends with may begin it."""
    before, text, wanted = _squeezed(context), _squeezed(learnt), _squeezed(content)
    if wanted in text:
        return True
    opened = next((n for n in range(len(wanted) - 1, 0, -1) if before.endswith(wanted[:n])), 0)
    # The prompt may hold a thought's opening marker, never words.
    return bool(opened) and wanted[opened:] in text and not wanted[:opened].isalnum()


def _squeezed(text: str) -> str:
    """Return a text without blanks, in one form of Unicode: what tokenizers and templates keep."""
    return "".join(unicodedata.normalize("NFKC", text).split())
