"""Plans a tuning run: row lengths, rows that are too long, and a time forecast."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from weighbridge.errors import InputError, MalformedRow
from weighbridge.tuning.masks import MaskedConversation, MaskedRow, mask_answers
from weighbridge.tuning.rows import Conversation

Overflow = Literal["refuse", "drop", "truncate_left"]


@dataclass(frozen=True)
class LengthReport:
    """Lengths of a data set in tokens, and what the overflow policy did to it.

    Attributes:
        rows: Rows that remain.
        shortest_tokens: Length of the shortest of them.
        median_tokens: Median length.
        p95_tokens: 95 % of the rows are no longer than this.
        longest_tokens: Length of the longest.
        total_tokens: Sum of the lengths.
        trained_tokens: Targets among them.
        limit_tokens: The longest that was allowed.
        dropped: Rows left out because they were longer.
        truncated: Rows whose beginning was cut off because they were longer.
        duplicates: Rows that repeat an earlier one token for token; they are learnt again.
        conversations: Conversations in the data.
        split: Those that became several rows, because the chat template writes an earlier answer
            otherwise than it writes the last one.
        left_out: Answers before a last one that are not learnt, because the chat template can't
            write them as the last turn.
        off_prompt: Answers that the chat template writes after another beginning than its own
            prompt has.
        quoted: Conversations whose words hold control tokens of the model, which stay text.
        read_only: Answers that the data says are read and not learnt (weight 0, a prompt's own).
        all_learnt: Conversations' rows of which every token is learnt: there is no prompt.
        plain: Texts without turns, of which every token is learnt.
    """

    rows: int
    shortest_tokens: int
    median_tokens: int
    p95_tokens: int
    longest_tokens: int
    total_tokens: int
    trained_tokens: int
    limit_tokens: int
    dropped: int
    truncated: int
    duplicates: int
    conversations: int = 0
    split: int = 0
    left_out: int = 0
    off_prompt: int = 0
    quoted: int = 0
    read_only: int = 0
    all_learnt: int = 0
    plain: int = 0

    @property
    def trained_share(self) -> float:
        """Share of the tokens that are learnt, in [0, 1]."""
        return self.trained_tokens / self.total_tokens

    def sentences(self, what: str) -> tuple[str, ...]:
        """Return sentences: how many rows there are, and how many were dropped, repeated or cut.

        Args:
            what: What they are for, as "learns from" or "watches the loss on".
        """
        total = self.rows + self.dropped
        kept = f"{self.rows:,} of {count(total, 'row')}" if self.dropped else count(total, "row")
        limit = f"{self.limit_tokens:,} tokens"
        told = [
            f"{number:,} {words}"
            for number, words in (
                (self.dropped, f"left out, longer than {limit}"),
                (self.truncated, f"cut at the beginning to {limit}"),
                (self.duplicates, f"repeat{'s' * (self.duplicates == 1)} an earlier one"),
            )
            if number
        ]
        return (
            f"{what} {kept}" + (f" ({'; '.join(told)})" if told else ""),
            *(
                sentence.format(count(number, noun))
                for number, noun, sentence in (
                    (self.split, "conversation", _SPLIT),
                    (self.left_out, "answer", _LEFT_OUT),
                    (self.off_prompt, "answer", _OFF_PROMPT),
                    (self.quoted, "conversation", _QUOTED),
                    (self.read_only, "answer", _READ_ONLY),
                    (self.all_learnt, "row", _ALL_LEARNT),
                    (self.plain, "text", _PLAIN),
                )
                if number
            ),
        )


_SPLIT = "{} in several rows, one an answer: the template writes earlier turns otherwise"
_LEFT_OUT = "{} not learnt: the template can't write them as the last turn"
_OFF_PROMPT = "{} learnt after another beginning than the template's prompt has (a thought, say)"
_QUOTED = "{} with control tokens in their words: kept as text"

_READ_ONLY = "{} read and not learnt, as the data says (weight 0, or inside of a prompt)"
_PLAIN = "{} without turns: every token is learnt"
_ALL_LEARNT = "{} learnt from the first token to the last: is there no prompt?"


def count(number: int, noun: str) -> str:
    """Return a number and what it counts."""
    return f"{number:,} {noun}{'s' * (number != 1)}"


def plan_rows(
    tokenizer: Any, conversations: Sequence[Conversation], limit_tokens: int, overflow: Overflow
) -> tuple[tuple[MaskedRow, ...], LengthReport]:
    """Render conversations, mark what is learnt, and apply the policy to rows that are too long.

    No policy ever cuts a learnt token off: ``truncate_left`` removes the beginning of the prompt
    and refuses the row where that isn't enough.

    Raises:
        InputError: There are no rows, or none remain.
        MalformedRow: A row can't be masked, or is too long under the policy.
    """
    if not conversations:
        raise InputError("no conversations to tune on", "at least one", "add rows to the data")
    masked = [mask_answers(tokenizer, conversation) for conversation in conversations]
    kept: list[MaskedRow] = []
    dropped = truncated = 0
    for conversation, found in zip(conversations, masked, strict=True):
        for row in found.rows:
            if not row.trained_tokens:
                raise _nothing_learnt(conversation)
            if len(row) <= limit_tokens:
                kept.append(row)
            elif overflow == "drop":
                dropped += 1
            elif overflow == "truncate_left" and _fits(row, limit_tokens):
                truncated += 1
                kept.append(_cut(row, limit_tokens))
            else:
                raise _too_long(conversation, row, limit_tokens, overflow)
    if not kept:
        raise InputError(
            f"all {dropped} rows are longer than {limit_tokens} tokens",
            "some that fit",
            "raise max_tokens",
        )
    return tuple(kept), length_report(kept, masked, limit_tokens, dropped, truncated)


def _fits(row: MaskedRow, limit_tokens: int) -> bool:
    """Whether nothing learnt is lost where the row's beginning is cut off."""
    return not any(row.trained[: len(row) - limit_tokens + 1])


def _cut(row: MaskedRow, limit_tokens: int) -> MaskedRow:
    return replace(
        row, token_ids=row.token_ids[-limit_tokens:], trained=row.trained[-limit_tokens:]
    )


def _too_long(
    conversation: Conversation, row: MaskedRow, limit_tokens: int, overflow: Overflow
) -> MalformedRow:
    way_out = (
        "or overflow = drop or truncate_left"
        if overflow == "refuse"
        else "since cutting the prompt would cut the answer"
    )
    return MalformedRow(
        conversation.path,
        conversation.line,
        f"{len(row)} tokens",
        f"at most max_tokens = {limit_tokens}, {way_out}",
        "messages",
    )


def _nothing_learnt(conversation: Conversation) -> MalformedRow:
    return MalformedRow(
        conversation.path,
        conversation.line,
        "a row of which no token is learnt",
        "an answer to learn: the loss of such a row is 0, whatever the model does",
        "messages",
    )


def length_report(
    rows: Sequence[MaskedRow],
    masked: Sequence[MaskedConversation],
    limit_tokens: int,
    dropped: int,
    truncated: int,
) -> LengthReport:
    """Sum up what became of the data.

    Args:
        rows: Those that remain.
        masked: All of the data.
        limit_tokens: The longest that was allowed.
        dropped: Rows left out.
        truncated: Rows whose beginning was cut off.
    """
    lengths = sorted(len(row) for row in rows)
    return LengthReport(
        rows=len(rows),
        shortest_tokens=lengths[0],
        median_tokens=lengths[len(lengths) // 2],
        p95_tokens=lengths[min(len(lengths) - 1, int(0.95 * len(lengths)))],
        longest_tokens=lengths[-1],
        total_tokens=sum(lengths),
        trained_tokens=sum(row.trained_tokens for row in rows),
        limit_tokens=limit_tokens,
        dropped=dropped,
        truncated=truncated,
        duplicates=len(rows) - len({row.token_ids for row in rows}),
        conversations=len(masked),
        split=sum(len(found.rows) > 1 for found in masked),
        left_out=sum(found.left_out for found in masked),
        off_prompt=sum(found.off_prompt for found in masked),
        quoted=sum(found.quoted for found in masked),
        read_only=sum(found.read_only for found in masked),
        plain=sum(found.plain for found in masked),
        all_learnt=sum(
            all(row.trained[1:]) for found in masked if not found.plain for row in found.rows
        ),
    )


def forecast_seconds(tokens: int, probe_tokens: int, probe_seconds: float) -> float:
    """Forecast training time from one timed step.

    Time per position is taken as constant, which holds while linear layers outweigh attention
    (rows of up to a few thousand tokens); padded positions cost what real ones do.

    Args:
        tokens: Positions of all micro-batches to come, padding included.
        probe_tokens: Positions of the timed micro-batch, padding included.
        probe_seconds: Its forward and backward pass.
    """
    return tokens * probe_seconds / probe_tokens
