"""Masks by a chat template's own generation tags: the text between them is learnt.

trl's training templates and LFM2.5's own have such tags. They decide what is learnt, and they are
checked: on words of ours first, then on each row.
"""

import functools
from collections.abc import Sequence

from weighbridge.records import Role
from weighbridge.tuning.answers import AnswerSpan, require_whole, turn_ends
from weighbridge.tuning.data import Turn
from weighbridge.tuning.rendering import NotLearnable, Renderer, TemplateRefuses

_EXPECTED = "generation tags around the answer and its end-of-turn token"


def tagged_answer(renderer: Renderer, turns: Sequence[Turn], index: int) -> AnswerSpan:
    """Return the answer `turns[index]` as the template's tags have it learnt.

    Raises:
        TemplateRefuses: The template can't write it as the last turn.
        NotLearnable: The tags leave out an answer or its end, or take in other turns.
    """
    _require_answers_alone(renderer, tuple(turn.role for turn in turns))
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
def _require_answers_alone(renderer: Renderer, roles: tuple[Role, ...]) -> None:
    """Check, on turns whose text is known, that the tags mark only the assistant's text."""
    turns = [Turn(role, f"weighbridge{n}probe") for n, role in enumerate(roles)]
    ids, trained = renderer.tagged(turns)
    learnt = renderer.decode([token for token, t in zip(ids, trained, strict=True) if t])
    for index, turn in enumerate(turns):
        if (turn.content in learnt) != (turn.role == "assistant"):
            which = "leave out" if turn.role == "assistant" else "take in"
            raise NotLearnable(
                f"the template's generation tags {which} messages[{index}] ({turn.role})", _EXPECTED
            )


def _spans(trained: Sequence[bool]) -> list[tuple[int, int]]:
    """Return where learnt tokens begin and end, just past each."""
    edges = [
        at
        for at, (left, right) in enumerate(zip((False, *trained), (*trained, False), strict=True))
        if left != right
    ]
    return list(zip(edges[::2], edges[1::2], strict=True))
