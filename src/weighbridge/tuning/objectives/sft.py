"""Supervised fine-tuning: the assistant's words, each after all that stands before it.

The loss is the cross-entropy of learnt tokens in nats, summed over a step and divided by their
number in it, so that it doesn't depend on how rows are cut into passes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from weighbridge.errors import InputError
from weighbridge.records import Json
from weighbridge.tuning.rows import Conversation, RowKind

if TYPE_CHECKING:
    from torch import Tensor

    from weighbridge.tuning.batches import Batch
    from weighbridge.tuning.masks import MaskedRow
    from weighbridge.tuning.method import Arrangement
    from weighbridge.tuning.plan import LengthReport, Overflow
    from weighbridge.tuning.rewards import RewardPair
    from weighbridge.tuning.rows import TuningRow
    from weighbridge.tuning.settings import TuneSettings


@dataclass(frozen=True)
class Sft:
    """See the file's docstring, and `Objective` for what each part is."""

    name: str = "sft"
    summary: str = "learns the assistant's turns of conversations"
    learns_from: RowKind = "conversations"
    defaults: Mapping[str, Json] = field(default_factory=dict)
    slower: float = 1.0
    source: str = "rate: the method's"
    needs_reference: bool = False

    def bound(self, settings: "TuneSettings") -> "Sft":
        """Return it as it is: it has no settings."""
        return self

    def describe(self) -> str:
        """Name it."""
        return "SFT"

    def rows(
        self,
        tokenizer: Any,
        data: "Sequence[TuningRow]",
        limit_tokens: int,
        overflow: "Overflow",
    ) -> "tuple[tuple[MaskedRow, ...], LengthReport]":
        """Render conversations and mark what is learnt of them."""
        from weighbridge.tuning.plan import plan_rows

        conversations = [row for row in data if isinstance(row, Conversation)]
        if len(conversations) < len(data):
            raise InputError(
                f"{len(data) - len(conversations):,} preference pairs to learn answers from",
                "conversations alone",
                "learn from pairs with objective dpo or orpo",
            )
        return plan_rows(tokenizer, conversations, limit_tokens, overflow)

    def arrangement(
        self,
        model: Any,
        rows: "Sequence[MaskedRow]",
        wanted: "Sequence[Arrangement]",
        dropout: float,
    ) -> "Arrangement | None":
        """Compare the gradients of rows laid out so with those of padded ones."""
        from weighbridge.tuning.isolation import first_alike

        return first_alike(model, rows, wanted, dropout)

    def batch(self, rows: Sequence[Any], device: Any, arrangement: "Arrangement") -> "Batch":
        """Lay rows out for one forward pass."""
        from weighbridge.tuning.batches import collate

        return collate(rows, device, arrangement)

    def loss(
        self, model: Any, batch: "Batch", rewards: "list[RewardPair] | None" = None
    ) -> "Tensor":
        """Return the summed cross-entropy of the learnt tokens, in nats."""
        from weighbridge.tuning.loss import loss_sum

        return loss_sum(model, batch)

    def targets(self, batch: "Batch") -> int:
        """Return the number of learnt tokens."""
        return len(batch.targets)


OBJECTIVE = Sft()
