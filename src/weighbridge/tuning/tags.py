"""Masks by a chat template's own generation tags: the text between them is learnt.

trl's training templates and LFM2.5's own have such tags. They decide what is learnt, and they are
checked: on words of ours first, then on each row.
"""

import functools
from collections.abc import Sequence
from dataclasses import replace

from weighbridge.tuning.answers import AnswerSpan, render_answer, require_whole, turn_ends
from weighbridge.tuning.rendering import NotLearnable, Renderer, TemplateRefuses
from weighbridge.tuning.rows import ToolCall, Turn, TurnRole

_EXPECTED = "generation tags around the answer and its end-of-turn token"


def agreed_answer(renderer: Renderer, turns: Sequence[Turn], index: int) -> AnswerSpan:
    """Return the answer `turns[index]` as the tags have it learnt, if the prompts say the same.

    The other way is `render_answer`: what the template writes after the prompt that generation
    would use. The two must learn the same text up to the token that ends the turn. What the prompt
    ends with (a thought's opening marker) may stand between the tags: it is given to the model and
    never generated. Where a token reaches over the prompt's end, so that the texts agree and their
    tokens don't, the answer counts as one that isn't learnt as it is asked for.

    Raises:
        TemplateRefuses: The template can't write it as the last turn.
        NotLearnable: As `tagged_answer`; or the two ways disagree.
    """
    tagged = tagged_answer(renderer, turns, index)
    try:
        prompted = render_answer(renderer, turns, index)
    except (NotLearnable, TemplateRefuses):
        return tagged  # there is no second way: the template writes no prompt for this answer
    ours, theirs = _learnt(prompted), _learnt(tagged)
    text, whole = renderer.decode(ours), renderer.decode(theirs)
    given = renderer.decode(prompted.token_ids[: prompted.start])
    if not (whole.endswith(text) and given.endswith(whole[: len(whole) - len(text)])):
        raise NotLearnable(
            f"two masks of messages[{index}] that disagree: generation tags learn {_ends(whole)}, "
            f"and after its prompt stands {_ends(text)}",
            "tags around exactly what is generated",
        )
    as_asked = prompted.as_asked and theirs[len(theirs) - len(ours) :] == ours
    return replace(tagged, as_asked=as_asked)


def _learnt(answer: AnswerSpan) -> list[int]:
    return [
        answer.token_ids[at] for at in range(answer.start, answer.stop) if at not in answer.skipped
    ]


def _ends(text: str) -> str:
    """Return a text for a message; of a long one both ends, where masks differ."""
    return repr(text if len(text) <= 60 else f"{text[:28]}…{text[-28:]}")


def tagged_answer(renderer: Renderer, turns: Sequence[Turn], index: int) -> AnswerSpan:
    """Return the answer `turns[index]` as the template's tags have it learnt.

    Raises:
        TemplateRefuses: The template can't write it as the last turn.
        NotLearnable: The tags leave out an answer or its end, or take in other turns.
    """
    shape = tuple((turn.role, bool(turn.tool_calls)) for turn in turns)
    _require_answers_alone(renderer, shape)
    ids, trained = renderer.tagged(turns[: index + 1])
    spans = _spans(trained)[_earlier(renderer, turns[:index]) :]
    if not spans:
        raise NotLearnable(
            f"the template's generation tags tell messages[{index}] not from the one before",
            "a turn between two answers",
        )
    start, end = spans[0][0], spans[-1][1]
    ends = turn_ends(renderer, ids[:end], start)
    if ends is None:
        last = renderer.decode([t for t in ids[start:end] if renderer.decode([t]).strip()][-1:])
        raise NotLearnable(
            f"the template's generation tags end with {last!r}, which is no end-of-turn token",
            f"{_EXPECTED}: without one the tuned model never stops",
        )
    learnt = "".join(renderer.decode(ids[a:b]) for a, b in spans)
    require_whole(renderer.decode(ids[:start]), learnt, turns[index], index)
    skipped = frozenset(at for at in range(start, end) if not trained[at])
    return AnswerSpan(tuple(ids), start, ends[0], end, skipped=skipped)


def _earlier(renderer: Renderer, before: Sequence[Turn]) -> int:
    """Return how many spans the answers among earlier turns have."""
    if not any(turn.role == "assistant" for turn in before):
        return 0
    try:
        return len(_spans(renderer.tagged(before)[1]))
    except TemplateRefuses:  # turns that no answer follows
        return sum(turn.role == "assistant" for turn in before)


@functools.lru_cache(maxsize=64)
def _require_answers_alone(renderer: Renderer, shape: tuple[tuple[TurnRole, bool], ...]) -> None:
    """Check, on turns whose text is known, that the tags mark only the assistant's text.

    Args:
        renderer: Writes them.
        shape: Of each turn the role, and whether it calls a tool.
    """
    turns = [_probe(n, role, calls) for n, (role, calls) in enumerate(shape)]
    ids, trained = renderer.tagged(turns)
    learnt = renderer.decode([token for token, t in zip(ids, trained, strict=True) if t])
    for index, turn in enumerate(turns):
        text = turn.tool_calls[0].name if turn.tool_calls else turn.content
        if (text in learnt) != (turn.role == "assistant"):
            which = "leave out" if turn.role == "assistant" else "take in"
            raise NotLearnable(
                f"the template's generation tags {which} messages[{index}] ({turn.role})", _EXPECTED
            )


def _probe(number: int, role: TurnRole, calls: bool) -> Turn:
    text = f"weighbridge{number}probe"
    if calls:
        return Turn(role, "", tool_calls=(ToolCall(text, {}, "weighbr1d"),))
    return Turn(role, text, name="weighbridge" if role == "tool" else None)


def _spans(trained: Sequence[bool]) -> list[tuple[int, int]]:
    """Return where learnt tokens begin and end, just past each."""
    edges = [
        at
        for at, (left, right) in enumerate(zip((False, *trained), (*trained, False), strict=True))
        if left != right
    ]
    return list(zip(edges[::2], edges[1::2], strict=True))
