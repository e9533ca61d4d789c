"""Pairs of answers: the checks that every format of preferences shares."""

from collections.abc import Mapping, Sequence

from weighbridge.records import Json
from weighbridge.tuning.data_format import RawRow
from weighbridge.tuning.rows import PreferencePair, Turn


def pair_of(
    row: RawRow,
    prompt: Sequence[Turn],
    chosen: Sequence[Turn],
    rejected: Sequence[Turn],
    column: str,
    tools: Sequence[Mapping[str, Json]] = (),
) -> PreferencePair:
    """Return a row's pair.

    Args:
        row: The row.
        prompt: The turns before the answers.
        chosen: The preferred answer.
        rejected: The other.
        column: Where the other stands, for messages.
        tools: What the answers may call.

    Raises:
        MalformedRow: There is no prompt, the answers are equal, or one doesn't end in an
            assistant's turn.
    """
    if not prompt:
        raise row.refusal("answers to nothing", "a prompt before them", column)
    for what, turns in (("preferred", chosen), ("other", rejected)):
        if not turns or turns[-1].role != "assistant":
            last = f"ends in the {turns[-1].role}'s turn" if turns else "is missing"
            raise row.refusal(f"the {what} answer {last}", "an assistant's turn", column)
    if tuple(chosen) == tuple(rejected):
        raise row.refusal(
            f"two equal answers ({chosen[-1].content!r:.60})",
            "two that differ, or nothing is preferred",
            column,
            "leave the row out, or correct it",
        )
    name, given = row.name
    return PreferencePair(
        name, tuple(prompt), tuple(chosen), tuple(rejected), row.path, row.line, given,
        tuple(tools),
    )  # fmt: skip


def without_prompt(
    row: RawRow, chosen: Sequence[Turn], rejected: Sequence[Turn], column: str
) -> tuple[tuple[Turn, ...], tuple[Turn, ...], tuple[Turn, ...]]:
    """Split two whole conversations into the prompt that both begin with, and the two answers.

    As trl's `extract_prompt`, but an answer is never taken for a part of the prompt: where the
    conversations are equal, or one is the other's beginning, the row is refused.

    Raises:
        MalformedRow: They don't differ in an answer.
    """
    shared = next(
        (n for n, (one, other) in enumerate(zip(chosen, rejected, strict=False)) if one != other),
        None,
    )
    if shared is None:
        raise row.refusal(
            "two equal answers" if len(chosen) == len(rejected) else "one answer within the other",
            "two that differ, or nothing is preferred",
            column,
            "leave the row out, or correct it",
        )
    return tuple(chosen[:shared]), tuple(chosen[shared:]), tuple(rejected[shared:])
