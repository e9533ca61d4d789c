"""Before anything is spent: how long the rows are, what doesn't fit, how long it will take."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from weighbridge.errors import InputError, MalformedRow
from weighbridge.tuning.data import Conversation
from weighbridge.tuning.masks import MaskedRow, mask_conversation

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
        duplicates: Rows that repeat an earlier one token for token.
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

    @property
    def trained_share(self) -> float:
        """Share of the tokens that are learnt, in [0, 1]."""
        return self.trained_tokens / self.total_tokens


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
    kept: list[MaskedRow] = []
    dropped = truncated = 0
    for conversation in conversations:
        row = mask_conversation(tokenizer, conversation)
        if len(row) <= limit_tokens:
            kept.append(row)
        elif overflow == "drop":
            dropped += 1
        elif overflow == "truncate_left" and not any(row.trained[: len(row) - limit_tokens + 1]):
            truncated += 1
            kept.append(
                replace(
                    row,
                    token_ids=row.token_ids[-limit_tokens:],
                    trained=row.trained[-limit_tokens:],
                )
            )
        else:
            raise _too_long(conversation, row, limit_tokens, overflow)
    if not kept:
        raise InputError(
            f"all {dropped} conversations are longer than {limit_tokens} tokens",
            "some that fit",
            "raise max_tokens",
        )
    return tuple(kept), _report(kept, limit_tokens, dropped, truncated)


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


def _report(
    rows: Sequence[MaskedRow], limit_tokens: int, dropped: int, truncated: int
) -> LengthReport:
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
    )


def forecast_seconds(batch_tokens: Sequence[int], probe_tokens: int, probe_seconds: float) -> float:
    """Forecast training time from one timed step.

    Time per position is taken as constant, which holds while linear layers outweigh attention
    (rows of up to a few thousand tokens); padded positions cost what real ones do.

    Args:
        batch_tokens: Positions of every micro-batch to come, padding included.
        probe_tokens: Positions of the timed micro-batch, padding included.
        probe_seconds: Its forward and backward pass.
    """
    return sum(batch_tokens) * probe_seconds / probe_tokens
