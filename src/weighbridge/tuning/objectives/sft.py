"""Supervised fine-tuning: the assistant's words, each after all that stands before it.

The loss is the cross-entropy of learnt tokens in nats, summed over a step and divided by their
number in it, so that it doesn't depend on how rows are cut into passes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

    from weighbridge.tuning.batches import Batch
    from weighbridge.tuning.data import Conversation
    from weighbridge.tuning.masks import MaskedRow
    from weighbridge.tuning.method import Arrangement
    from weighbridge.tuning.plan import LengthReport, Overflow


@dataclass(frozen=True)
class Sft:
    """See the file's docstring."""

    name: str = "sft"
    summary: str = "learns the assistant's turns of conversations"

    def rows(
        self,
        tokenizer: Any,
        data: "Sequence[Conversation]",
        limit_tokens: int,
        overflow: "Overflow",
    ) -> "tuple[tuple[MaskedRow, ...], LengthReport]":
        """Render conversations and mark what is learnt of them."""
        from weighbridge.tuning.plan import plan_rows

        return plan_rows(tokenizer, data, limit_tokens, overflow)

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

    def batch(
        self, rows: "Sequence[MaskedRow]", device: Any, arrangement: "Arrangement"
    ) -> "Batch":
        """Lay rows out for one forward pass."""
        from weighbridge.tuning.batches import collate

        return collate(rows, device, arrangement)

    def loss(self, model: Any, batch: "Batch") -> "Tensor":
        """Return the summed cross-entropy of the learnt tokens, in nats."""
        from weighbridge.tuning.loss import loss_sum

        return loss_sum(model, batch)

    def targets(self, batch: "Batch") -> int:
        """Return the number of learnt tokens."""
        return len(batch.targets)


OBJECTIVE = Sft()
