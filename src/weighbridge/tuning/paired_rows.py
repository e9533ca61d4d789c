"""Preference pairs as token ids: two rows after one prompt, of each of which the answer counts."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from weighbridge.errors import InputError, MalformedRow
from weighbridge.tuning.masks import MaskedConversation, MaskedRow, mask_answers
from weighbridge.tuning.plan import LengthReport, Overflow, length_report
from weighbridge.tuning.rewards import RewardPair
from weighbridge.tuning.rows import Conversation, PreferencePair, TuningRow


@dataclass(frozen=True)
class MaskedPair:
    """A prompt with each of its two answers, as the model reads them.

    Attributes:
        id: The pair's id.
        chosen: With the preferred answer, which is marked.
        rejected: With the other.
        reference: Log-probabilities of the two answers under the untrained model; None as long as
            no objective asks for them.
    """

    id: str
    chosen: MaskedRow
    rejected: MaskedRow
    reference: RewardPair | None = None

    @property
    def parts(self) -> tuple[MaskedRow, ...]:
        """The rows that the model computes."""
        return (self.chosen, self.rejected)

    def __len__(self) -> int:
        return len(self.chosen) + len(self.rejected)


LearntRow: TypeAlias = MaskedRow | MaskedPair
"""What an objective learns from at a time."""


def parts_of(rows: Iterable[LearntRow]) -> list[MaskedRow]:
    """Return the rows that the model computes, those of a pair one after the other."""
    return [part for row in rows for part in row.parts]


def plan_pairs(
    tokenizer: Any, data: Sequence[TuningRow], limit_tokens: int, overflow: Overflow
) -> tuple[tuple[MaskedPair, ...], LengthReport]:
    """Render pairs, mark both answers, and apply the policy to those that are too long.

    As `plan_rows`, and a pair stays whole: it is left out if one of its rows is too long, and
    ``truncate_left`` cuts as much off both, so that the answers keep one prompt.

    Raises:
        InputError: There are no pairs, other rows, or none remain.
        MalformedRow: An answer can't be masked, both are written alike, or one is too long.
    """
    pairs = [row for row in data if isinstance(row, PreferencePair)]
    if len(pairs) < len(data):
        raise InputError(
            f"{len(data) - len(pairs):,} conversations to learn preferences from",
            "preference pairs alone",
            "learn from conversations with objective sft",
        )
    if not pairs:
        raise InputError("no preference pairs to tune on", "at least one", "add rows to the data")
    kept: list[MaskedPair] = []
    masked: list[MaskedConversation] = []
    dropped = truncated = 0
    for pair in pairs:
        row, found = _mask(tokenizer, pair)
        masked.append(found)
        excess = max(map(len, row.parts)) - limit_tokens
        if excess <= 0:
            kept.append(row)
        elif overflow == "drop":
            dropped += 1
        elif overflow == "truncate_left" and _fits(row, excess):
            truncated += 1
            chosen, rejected = (_cut(part, excess) for part in row.parts)
            kept.append(MaskedPair(row.id, chosen, rejected))
        else:
            raise _too_long(pair, row, limit_tokens, overflow)
    if not kept:
        raise InputError(
            f"all {dropped} pairs are longer than {limit_tokens} tokens",
            "some that fit",
            "raise max_tokens",
        )
    report = length_report(parts_of(kept), masked, limit_tokens, dropped, truncated)
    different = {(row.chosen.token_ids, row.rejected.token_ids) for row in kept}
    return tuple(kept), replace(report, rows=len(kept), duplicates=len(kept) - len(different))


def both_of(pair: PreferencePair) -> tuple[Conversation, Conversation]:
    """Return the prompt with the preferred answer, and with the other; answers alone are learnt."""
    asked = tuple(replace(turn, learnt=False) for turn in pair.prompt)
    one, other = (
        Conversation(pair.id, asked + answer, pair.path, pair.line, pair.given_id, pair.tools)
        for answer in (pair.chosen, pair.rejected)
    )
    return one, other


def _mask(tokenizer: Any, pair: PreferencePair) -> tuple[MaskedPair, MaskedConversation]:
    """Return a pair's two rows, and what became of the prompt with the preferred answer."""
    found = []
    for which, each in zip(("chosen", "rejected"), both_of(pair), strict=True):
        try:
            found.append(mask_answers(tokenizer, each))
        except MalformedRow as error:
            saw = error.saw.removeprefix(f"{pair.path}, line {pair.line}, column messages: ")
            raise MalformedRow(pair.path, pair.line, saw, error.expected, which) from error
    chosen, rejected = found
    row = MaskedPair(
        pair.id, _one_row(pair, "chosen", chosen), _one_row(pair, "rejected", rejected)
    )
    if row.chosen.token_ids == row.rejected.token_ids:
        raise _alike(pair)
    return row, chosen


def _one_row(pair: PreferencePair, which: str, found: MaskedConversation) -> MaskedRow:
    if len(found.rows) != 1 or found.left_out:
        raise MalformedRow(
            pair.path,
            pair.line,
            f"an answer of several turns, which the chat template writes as {len(found.rows)} rows",
            "an answer of one turn, or a template that writes earlier turns as it does the last",
            which,
        )
    (row,) = found.rows
    if not row.trained_tokens:
        raise MalformedRow(
            pair.path, pair.line, "an answer of which no token counts", "an answer to weigh", which
        )
    return row


def _fits(row: MaskedPair, excess: int) -> bool:
    """Whether no answer is touched where so many tokens are cut off; one stays before each."""
    return not any(any(part.trained[: excess + 1]) for part in row.parts)


def _cut(row: MaskedRow, tokens: int) -> MaskedRow:
    return replace(row, token_ids=row.token_ids[tokens:], trained=row.trained[tokens:])


def _alike(pair: PreferencePair) -> MalformedRow:
    return MalformedRow(
        pair.path,
        pair.line,
        f"two answers that the chat template writes alike ({pair.chosen[-1].content!r:.60})",
        "two that differ, or nothing is preferred",
        "rejected",
        "leave the row out, or correct it",
    )


def _too_long(
    pair: PreferencePair, row: MaskedPair, limit_tokens: int, overflow: Overflow
) -> MalformedRow:
    longer = max(row.parts, key=len)
    return MalformedRow(
        pair.path,
        pair.line,
        f"{len(longer)} tokens",
        f"at most max_tokens = {limit_tokens}, "
        + (
            "or overflow = drop or truncate_left"
            if overflow == "refuse"
            else "since cutting the prompt would cut an answer"
        ),
        "chosen" if longer is row.chosen else "rejected",
    )
