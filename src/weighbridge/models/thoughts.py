"""Where a thinking model's thought ends and its answer begins: the markers that it writes.

A thought stands at the beginning of a reply, between two markers. A chat template may open it at
the end of the prompt; then the reply holds the closing marker alone. Which markers a model uses is
read from its tokenizer and its template; where these say nothing, a table of known ones stands in.
"""

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

REPLIES = "3"  # of reading replies; raise it when the same tokens could be read otherwise


class Markers(NamedTuple):
    """The strings before and after a thought, such as `<think>` and `</think>`."""

    opening: str
    closing: str


# As the models' own chat templates, tokenizers or papers have them; what vLLM's and SGLang's
# reasoning parsers (2025 and 2026) look for is the same.
MARKERS = (
    Markers("<think>", "</think>"),  # DeepSeek-R1 (arXiv:2501.12948), Qwen3, most that followed
    Markers("<thinking>", "</thinking>"),
    Markers("<thought>", "</thought>"),  # EXAONE Deep
    Markers("<seed:think>", "</seed:think>"),  # Seed-OSS
    Markers("[THINK]", "[/THINK]"),  # Magistral: special tokens
    Markers("<|START_THINKING|>", "<|END_THINKING|>"),  # Command A Reasoning
    Markers("\u25c1think\u25b7", "\u25c1/think\u25b7"),  # Kimi
    Markers("<|channel>thought", "<channel|>"),  # Gemma 4
    # gpt-oss (the harmony format): special tokens; all channels but the final one are thought.
    Markers("<|channel|>analysis<|message|>", "<|channel|>final<|message|>"),
    Markers("<|channel|>commentary<|message|>", "<|channel|>final<|message|>"),
)
# What some models put around the answer itself (Command A): no part of it.
_AROUND_ANSWER = Markers("<|START_RESPONSE|>", "<|END_RESPONSE|>")

_NAME = r"(?P<name>(?:\w+:)?(?i:think|thinking|thought|thoughts|reasoning))"
_FORMS = (
    Markers("<{}>", "</{}>"),
    Markers("[{}]", "[/{}]"),
    Markers("\u25c1{}\u25b7", "\u25c1/{}\u25b7"),
    Markers("<|{}|>", "<|/{}|>"),
    Markers("<|START_{}|>", "<|END_{}|>"),
    Markers("<|begin_of_{}|>", "<|end_of_{}|>"),
    Markers("<|{}_start|>", "<|{}_end|>"),
)


def own_markers(tokenizer: Any) -> tuple[Markers, ...]:
    """Find the markers that a tokenizer's added tokens or its chat template name.

    A template that cuts the thoughts off earlier turns names the closing marker, often alone.
    """
    added = [token.content for token in _added_tokens(tokenizer).values()]
    template = _template_text(tokenizer)
    named = "\n".join([*added, template])
    found = [
        Markers(form.opening.replace("{}", closing["name"]), closing[0])
        for form in _FORMS
        for closing in re.finditer(_pattern(form.closing), named)
    ]
    found += [m for m in MARKERS if m.closing in template or _begin_with_tokens(m, added)]
    return tuple(dict.fromkeys(found))


def with_known(own: Sequence[Markers]) -> tuple[Markers, ...]:
    """Return a model's own markers, and after them those of the table."""
    return tuple(dict.fromkeys([*own, *MARKERS]))


def marker_tokens(tokenizer: Any, markers: Sequence[Markers]) -> frozenset[int]:
    """Special tokens that markers are made of; decoding usually leaves such tokens out."""
    return frozenset(
        number
        for number, token in _added_tokens(tokenizer).items()
        if token.special and any(token.content in text for pair in markers for text in pair)
    )


class Reply(NamedTuple):
    """A reply's two parts; `answer` is None where the thought never ends."""

    reasoning: str
    answer: str | None


def separate_reasoning(
    text: str, prompt_text: str = "", markers: Sequence[Markers] = MARKERS
) -> Reply:
    """Split a reply into thought and answer: only the answer is graded.

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


def opened_thought(text: str, prompt_text: str, markers: Sequence[Markers]) -> Markers | None:
    """Return the markers of the thought that a reply, or the end of its prompt, opens."""
    prompt, begun = prompt_text.rstrip(), text.lstrip()
    for pair in markers:
        if prompt.endswith(pair.opening) or begun.startswith(pair.opening):
            return pair
    return None


def closed_thought(text: str, markers: Sequence[Markers]) -> Markers | None:
    """Return the markers of a thought that was opened in a prompt that isn't known here."""
    for pair in markers:
        if pair.closing in text and pair.opening not in text:
            return pair
    return None


def answer_start(text: str, closing: str) -> int | None:
    """Position of the answer's first visible character; None where the thought never ends."""
    _, closed, rest = text.partition(closing)
    if not closed:
        return None
    begins = rest.lstrip().removeprefix(_AROUND_ANSWER.opening).lstrip()
    return len(text) - len(begins)


def bare_answer(text: str) -> str:
    """Take off what a model writes around an answer, if it does."""
    begun = text.lstrip()
    if begun.startswith(_AROUND_ANSWER.opening):
        text = begun.removeprefix(_AROUND_ANSWER.opening).lstrip()
    if text.rstrip().endswith(_AROUND_ANSWER.closing):
        text = text.rstrip().removesuffix(_AROUND_ANSWER.closing)
    return text


def _added_tokens(tokenizer: Any) -> dict[int, Any]:
    return getattr(tokenizer, "added_tokens_decoder", None) or {}


def _template_text(tokenizer: Any) -> str:
    template = getattr(tokenizer, "chat_template", None) or ""
    return "\n".join(template.values()) if isinstance(template, dict) else str(template)


def _pattern(form: str) -> str:
    before, after = form.split("{}")
    return re.escape(before) + _NAME + re.escape(after)


def _begin_with_tokens(pair: Markers, added: Sequence[str]) -> bool:
    """Whether both of a pair's markers begin with a token that was added to the vocabulary."""
    return all(any(token and text.startswith(token) for token in added) for text in pair)
